"""The whole benchmark runs, on weir alone and only for moments, and leaves nothing
behind however it ends. No figure of it is judged."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import unittest

from whole_run import HERE, LONG, WholeRun

WEIR = os.path.abspath(os.environ.get("WEIR", "bazel-bin/proxy/weir"))
LOAD = os.path.abspath(os.environ.get("LOAD", "bazel-bin/tests/bench/load"))


class LoadTest(unittest.TestCase):
    """tests/bench/load, whose ends are connected without a proxy."""

    def setUp(self):
        self.load = subprocess.Popen([LOAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True)
        self.addCleanup(self.close)
        self.port = json.loads(self.load.stdout.readline())["port"]

    def close(self):
        self.load.stdin.close()
        self.assertEqual(self.load.wait(LONG), 0)
        self.load.stdout.close()

    def run_it(self, command):
        self.load.stdin.write(command.replace("PORT", str(self.port)) + "\n")
        self.load.stdin.flush()
        return json.loads(self.load.stdout.readline())

    def test_counts_and_latencies(self):
        for command in ("pingpong PORT 4 64 100 0", "pingpong PORT 2 100000 100 0",
                        "connect PORT 3 100 0"):
            answer = self.run_it(command)
            self.assertGreaterEqual(answer["units"], 100)
            self.assertLess(answer["units"], 104)  # what was under way
            self.assertEqual(answer["bytes"], 0)
            self.assertLess(0, answer["p50_us"])
            self.assertLessEqual(answer["p50_us"], answer["p99_us"])
            self.assertLessEqual(answer["p99_us"], answer["max_us"])

    def test_streams(self):
        for command in ("up PORT 2 0 10000000", "down PORT 2 0 10000000"):
            answer = self.run_it(command)
            self.assertGreaterEqual(answer["units"], 10000000)
            self.assertNotIn("p50_us", answer)

    def test_several_together(self):
        answer = self.run_it(
            "pingpong PORT 1 64 50 0 & up PORT 2 0 & down PORT 3 0 & pingpong PORT 2 64 0 0")
        self.assertEqual(answer["units"], 50)
        up, down, other = answer["beside"]
        self.assertGreaterEqual(up["all"], up["units"] + (2 << 20))
        self.assertGreaterEqual(down["all"], down["units"] + (3 << 20))
        self.assertGreater(other["units"], 0)

    def test_connections_of_unequal_length(self):
        answer = self.run_it("churn PORT 4 1 3 50")
        self.assertGreater(answer["units"], 0)
        self.assertGreater(answer["bytes"], 0)

    def test_idle_ones_stay_until_released(self):
        def sockets():
            count = 0
            for fd in os.listdir("/proc/%d/fd" % self.load.pid):
                count += os.readlink("/proc/%d/fd/%s" % (self.load.pid, fd)).startswith("socket")
            return count

        before = sockets()
        self.assertEqual(self.run_it("idle PORT 20")["units"], 20)
        self.assertEqual(self.run_it("pingpong PORT 2 64 20 0")["units"], 20)
        self.assertEqual(sockets(), before + 40)  # both ends
        self.assertEqual(self.run_it("release"), {})
        self.assertEqual(sockets(), before)

    def test_no_such_command(self):
        for command in ("", "pong PORT 1", "pingpong PORT 1 0 1 1", "pingpong PORT",
                        "churn PORT 1 0 1 1", "idle PORT 1 & idle PORT 1", "up PORT 1 1 & x"):
            with self.subTest(command=command):
                self.assertEqual(self.run_it(command), {"error": "no such command"})


class BenchTest(WholeRun):
    PROGRAM = "bench.py"

    def start(self, *arguments):
        return self.launch("--weir=" + WEIR, "--load=" + LOAD, "--proxies=weir", *arguments)

    def children(self, pid):
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return list(map(int, f.read().split()))

    def watch(self, process):
        """Descriptors that tell of the end of its children: the load and weir."""
        pids = self.children(process.pid)
        self.assertEqual(len(pids), 2)
        watched = [os.pidfd_open(pid) for pid in pids]
        for fd in watched:
            self.addCleanup(os.close, fd)
        return watched

    def assert_ended(self, watched):
        for fd in watched:
            self.assertNotEqual(select.select([fd], [], [], LONG)[0], [], "a child lives on")

    def test_everything(self):
        process = self.start("--quick", "--rounds=2", "--ms=20", "--idle=50", "--calls=50",
                             "--bulk=2", "--instructions=50", "--reactors=2",
                             "--shard_rounds=1", "--idle_runs=2", "--congestion=reno",
                             "--against=weir,nginx")
        out, err = process.communicate(timeout=10 * LONG)
        self.assertEqual(process.returncode, 0, err)
        with open(self.json) as f:
            result = json.load(f)
        self.assertNotIn("incomplete", result)
        names = set(result["workloads"])
        self.assertLessEqual({"pingpong-1", "pingpong-64", "message-16", "connect", "up-1",
                              "down-8", "mixed", "mixed-idle"}, names)
        for name in names:
            with self.subTest(workload=name):
                samples = result["workloads"][name]["weir"]
                self.assertEqual(len(samples), 2)
                self.assertGreater(min(s["rate"] for s in samples), 0)
                self.assertIn("median", result["summary"][name]["weir"]["cpu"])
        self.assertEqual(len(result["idle_bytes"]["weir"]), 2)
        self.assertGreater(min(result["idle_bytes"]["weir"]), 0)
        counted = set(result["calls"]["weir"])
        self.assertLessEqual({"round trip", "connection", "MiB up", "MiB down"}, counted)
        self.assertGreater(result["calls"]["weir"]["connection"]["sum"], 10)
        if shutil.which("valgrind"):
            self.assertGreater(result["instructions"]["weir"]["round trip"], 100)
        else:
            self.assertIn("instructions: needs Debian's package valgrind", result["skipped"])
        self.assertEqual({len(rounds) for rounds in result["sharding"].values()}, {1})
        for rounds in result["sharding"].values():
            self.assertLessEqual(0, rounds[0]["late_share"])
            self.assertLessEqual(rounds[0]["late_share"], 1)
        self.assertIn("weir-2-least", [n.removesuffix("-shared") for n in result["sharding"]])
        self.assertIn("## Figures to beat", out)
        self.assert_report_shows_its_plots()
        self.assertEqual(os.listdir(self.scratch), [])

    def test_a_signal_leaves_nothing_and_writes_what_it_has(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                self.check_signal(number)

    def check_signal(self, number):
        process = self.start("--rounds=1", "--ms=100000000", "--only=pingpong-1")
        self.await_line(process, "pingpong-1 ...")
        watched = self.watch(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=LONG)
        self.assertEqual(process.returncode, 128 + number, err)
        self.assert_ended(watched)
        self.assertEqual(os.listdir(self.scratch), [])
        self.assertIn("**Incomplete**: stopped by signal %d" % number, out)
        with open(self.json) as f:
            result = json.load(f)
        self.assertEqual(result["incomplete"], "stopped by signal %d" % number)
        # No round was whole.
        self.assertFalse(any(result["workloads"].get("pingpong-1", {}).values()))
        self.assertTrue(os.path.exists(os.path.join(self.report, "report.md")))

    def test_help_needs_no_binaries(self):
        self.check_help("usage: tests/bench/run ", hidden="--weir")

    def test_children_die_when_it_is_killed(self):
        process = self.start("--rounds=1", "--ms=100000000", "--only=pingpong-1")
        self.await_line(process, "pingpong-1 ...")
        watched = self.watch(process)
        process.kill()
        self.assert_ended(watched)

    def test_a_peer_that_is_missing_is_an_error_only_when_asked_for(self):
        for asked, status in ((False, 0), (True, 1)):
            with self.subTest(asked=asked):
                code = ("import sys; sys.path.insert(0, %r); import bench, peers, proxies\n"
                        "class Gone(proxies.Weir):\n"
                        "    name = 'gone'\n"
                        "    def start(self): proxies.need('no-such-program', 'gone')\n"
                        "peers.ALL['gone'] = Gone\n"
                        "bench.DEFAULTS['proxies'] = ['weir', 'gone']\n"
                        "bench.main()" % HERE)
                done = subprocess.run(
                    [sys.executable, "-c", code, "--weir=" + WEIR, "--load=" + LOAD,
                     "--rounds=1", "--ms=5", "--only=pingpong-1",
                     *(["--proxies=weir,gone"] if asked else [])],
                    env=dict(os.environ, TMPDIR=self.scratch), text=True, capture_output=True,
                    timeout=LONG, check=False)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn("gone: needs Debian's package gone", done.stderr)
                self.assertEqual(os.listdir(self.scratch), [])


if __name__ == "__main__":
    unittest.main()
