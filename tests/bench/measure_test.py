"""How the benchmark measures: workloads, what is counted, sharding."""

import itertools
import os
import signal
import subprocess
import time
import unittest
from unittest import mock

import counts
import processes
import proxies
import sharding
import workloads


def rate(value):
    return [{"rate": value}]


class SpawnTest(unittest.TestCase):
    def test_a_signal_while_one_starts_leaves_none(self):
        class Told(subprocess.Popen):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                os.kill(os.getpid(), signal.SIGTERM)

        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.addCleanup(signal.signal, each, signal.getsignal(each))
        self.addCleanup(setattr, processes, "_told", None)
        processes.end_well_when_told()
        with mock.patch("subprocess.Popen", Told), self.assertRaises(SystemExit) as ended:
            processes.spawn(["sleep", "1000"], stdin=subprocess.DEVNULL)
        self.assertEqual(ended.exception.code, 128 + signal.SIGTERM)
        processes.end_all()
        with self.assertRaises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)


class ProxyTest(unittest.TestCase):
    def test_a_process_that_ended_has_no_memory(self):
        class Forking(proxies.Proxy):
            def start(self):
                pass

            def pids(self):
                return [os.getpid(), ended.pid]

        ended = subprocess.Popen(["true"])
        ended.wait()
        self.assertGreater(Forking(0, "").anonymous_bytes(), 0)


class WorkloadsTest(unittest.TestCase):
    def chosen(self, *patterns):
        return [w.name for w in workloads.all_workloads(["reno"])
                if workloads.matches(w.name, patterns)]

    def test_names_and_kinds(self):
        self.assertEqual(self.chosen("connect", "pingpong"),
                         ["pingpong-1", "pingpong-64", "connect"])
        self.assertEqual(self.chosen("up-8"), ["up-8", "up-8@reno"])
        self.assertEqual(self.chosen("up-8@reno"), ["up-8@reno"])
        self.assertEqual(len(self.chosen("bulk")), 8)
        self.assertEqual(len(self.chosen()), 14)
        self.assertEqual(self.chosen("idle"), [])

    def test_each_says_what_it_is(self):
        for workload in workloads.all_workloads(["reno"]):
            about = workloads.about(workload.name, "bbr")
            wanted = {"": "congestion control bbr, the machine's own",
                      "reno": "congestion control reno"}[workload.congestion]
            self.assertEqual(workload.unit == "GB", "(%s)" % wanted in about)

    def test_rounds_are_whole(self):
        class Load:
            left = 9

            def run(self, _):
                self.left -= 1
                if not self.left:
                    raise KeyboardInterrupt
                return {"units": 10, "seconds": 2, "all": 10}

        class Proxy:
            port = 1
            clock = itertools.count()

            def __init__(self, name):
                self.name = name

            def cpu_seconds(self):
                return next(self.clock)

            def pids(self):
                return [1]

        samples = {}
        connect = workloads.SMALL[3]
        with self.assertRaises(KeyboardInterrupt):
            workloads.run_rounds(Load(), [Proxy("a"), Proxy("b")], connect, 100, 1, samples)
        # Two to warm up, three whole rounds of two; the ninth was half a round.
        self.assertEqual(samples, {name: [{"rate": 5, "cpu": 0.1}] * 3 for name in "ab"})

    def test_cpu_is_of_all_bytes_and_the_rate_of_those_in_time(self):
        class Load:
            def run(self, _):
                return {"units": 3, "seconds": 1, "all": 4, "p99_us": 7, "beside": [
                    {"units": 1e9, "all": 2e9}, {"units": 3e9, "all": 6e9}]}

        class Proxy:
            port = 1
            cpu_seconds = itertools.count().__next__

            def pids(self):
                return [1]

        self.assertEqual(workloads.measure(Load(), Proxy(), workloads.MIX[0], 1),
                         {"rate": 4, "cpu": 1 / 8, "p99_us": 7})


class CountsTest(unittest.TestCase):
    def test_strace(self):
        self.assertEqual(counts.parse_calls("""
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.18    0.001417           1      1002           recvfrom
 38.82    0.000899           1       999        12 epoll_pwait2
------ ----------- ----------- --------- --------- ----------------
100.00    0.002316           1      2001        12 total
"""), {"recvfrom": 1002, "epoll_pwait2": 999})

    def test_least(self):
        self.assertEqual(counts.least([{"a": 2, "b": 2}, {"a": 3}]), {"a": 3})

    def test_callgrind(self):
        self.assertEqual(counts.parse_instructions("x\nsummary: 12\ntotals: 34\n"), 34)
        self.assertEqual(counts.parse_instructions(""), 0)


class ShardingTest(unittest.TestCase):
    def test_unevenness(self):
        self.assertEqual(sharding.unevenness([3, 3, 3]), 1)
        self.assertEqual(sharding.unevenness([8, 0]), 2)
        self.assertEqual(sharding.unevenness([0, 0]), 1)

    def test_more(self):
        before, after = ([("x", {"reactor": str(i)}, n) for i, n in enumerate(values)]
                         for values in ((1, 2), (4, 2)))
        self.assertEqual(sharding.more(before, after, "x", 2), [3, 0])

    def test_what_came_after_the_load_is_looked_at_once_more(self):
        class Load:
            commands = []

            def run(self, command):
                self.commands.append(command)

        class Proxy:
            reactors = 1

            def http(self, *_):
                return 'weir_reactor_connections{reactor="0"} 0\n'

        def look(seconds):
            if len(looks) == 0:
                time.sleep(2 * seconds)  # too late
            looks.append(seconds)
            return seconds

        looks = []
        _, found = sharding.beside(Load(), Proxy(), "churn", 1, look)
        self.assertEqual(Load.commands[:2], ["churn 1", "churn 2"])
        self.assertEqual(found, looks[-1])
        self.assertEqual(Load.commands[-1], "churn %d" % (1000 * found))

    def test_base_has_as_many_reactors(self):
        samples = {"weir-2-least": rate(4), "weir-4-least": rate(8),
                   "weir-4-local": rate(2)}
        self.assertEqual(sharding.rate_ratio(samples, "weir-4-local"), 0.25)
        self.assertEqual(sharding.rate_ratio(samples, "weir-2-least"), 1)


if __name__ == "__main__":
    unittest.main()
