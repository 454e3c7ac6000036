"""Stalls of the real proxy: seen while they last, with who is to blame and why."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import unittest

import peers
import weir

# A stack is to be there this long after a stall's start. (A sanitizer's
# unwinder is slow, and so is a machine that runs much else: what is late once
# is tried again.)
SOON = 0.2 if weir.PLAIN else 2
TRIES = 5
# A stall of so many milliseconds cannot slip between two looks of the watchdog.
SEEN_MS = 250
# The rest of a process that a test stops: time that has to pass.
PAUSE = 0.6


def loop(proxy):
    """What /debug/reactors says of the only reactor."""
    status, text = proxy.http("/debug/reactors")
    if status != 200:
        raise AssertionError("/debug/reactors said %d: %s" % (status, text))
    return next(r for r in json.loads(text)["reactors"] if r["reactor"] == "0")


def inject(proxy, milliseconds, how, connection=None):
    status, text = proxy.http(
        "/debug/stall?reactor=0&ms=%d&how=%s%s" % (
            milliseconds, how, "" if connection is None else "&connection=%d" % connection),
        method="POST")
    if status != 202:
        raise AssertionError("/debug/stall said %d: %s" % (status, text))


def newest(proxy):
    """The number of the last stall; 0 before the first."""
    return max((stall["number"] for stall in loop(proxy)["stalls"]), default=0)


def wait_stall(proxy, after, least=0.0):
    """The first stall behind number `after` that took that many seconds at least."""
    def look():
        return min((stall for stall in loop(proxy)["stalls"]
                    if stall["number"] > after and stall["seconds"] >= least),
                   key=lambda stall: stall["number"], default=None)
    return weir.wait_until(look, "the stall to end")


def thread(proxy, name):
    """The id of its thread of this name."""
    for task in os.listdir("/proc/%d/task" % proxy.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                open("/proc/%d/task/%s/comm" % (proxy.pid, task)) as f:
            if f.read().strip() == name:
                return int(task)
    raise AssertionError("no thread " + name)


def put_first(thread_id):
    """It has a processor whenever it wants one, where that is allowed."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(thread_id, os.SCHED_FIFO, os.sched_param(1))


@contextlib.contextmanager
def neighbours(cpu, count):
    """Processes that want all of a processor's time."""
    program = "import os\nos.sched_setaffinity(0, {%d})\nprint(flush=True)\nwhile 1: pass" % cpu
    running = []
    try:
        for _ in range(count):
            running.append(subprocess.Popen([sys.executable, "-c", program],
                                            stdout=subprocess.PIPE))
        for process in running:
            process.stdout.readline()  # it spins
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
            process.stdout.close()


@contextlib.contextmanager
def running(*args):
    """A proxy with one loop, in front of an echo server."""
    with peers.Server(peers.echo) as server, \
            weir.Weir("s@127.0.0.1:0=" + server.target, "--allow_stall_injection", *args,
                      poller="epoll", reactors=1) as proxy:
        yield proxy


@contextlib.contextmanager
def connected(proxy):
    """(client, the id of its connection)"""
    with peers.connect(proxy.address("s")) as client:
        peers.round_trip(client)

        def listed():
            status, text = proxy.http("/debug/connections")
            if status != 200:
                raise AssertionError("/debug/connections said %d: %s" % (status, text))
            return [c["id"] for c in json.loads(text)["connections"]
                    if c["client"].endswith(":%d" % client.getsockname()[1])]
        yield client, weir.wait_until(listed, "the connection to be listed")[0]


class StallsTest(unittest.TestCase):
    # While it lasts ---------------------------------------------------------

    def look_while_it_lasts(self, proxy, how, connection):
        """(what /debug/reactors says once it has a stack, the page behind that,
        stalls over 25 ms since before in virtual arrivals) of 300 ms."""
        def over(page):
            return (page.total("weir_reactor_lag_seconds_count", reactor="0") -
                    page.total("weir_reactor_lag_seconds_bucket", reactor="0", le="0.025"))

        def stack():
            said = loop(proxy)
            return said if said["current"] and said["current"]["stack"] else None
        before = over(proxy.metrics())
        inject(proxy, 300, how, connection)
        said = weir.wait_until(stack, "a stack", timeout=1)
        page = proxy.metrics()
        self.assertEqual(proxy.http("/live")[0], 200)
        return said, page, over(page) - before

    def check_while_it_lasts(self, how, function, cause):
        with running() as proxy, connected(proxy) as (_, connection):
            for name in "weir-r0", "watchdog", "admin":
                put_first(thread(proxy, name))
            late = []
            while True:
                after = newest(proxy)
                said, page, over = self.look_while_it_lasts(proxy, how, connection)
                stall = wait_stall(proxy, after, 0.3)
                current = said["current"]
                age = page.total("weir_reactor_iteration_age_seconds", reactor="0")
                if (said["age_seconds"] <= SOON and age > 0.05 and
                        current["cause"] == stall["cause"] == cause):
                    break
                # The machine had no time for the watchdog, for us or for the loop.
                late.append("stack after %g s, page after %g s, cause %s, then %s" % (
                    said["age_seconds"], age, current["cause"], stall["cause"]))
                self.assertLess(len(late), TRIES, late)
            self.assertEqual(said["phase"], "busy")
            self.assertGreater(current["seconds"], 0.04)
            # It is in the histogram before it ends: what is over 25 ms of 50 or more.
            self.assertGreaterEqual(over, 20)
            for blamed in current, stall:
                self.assertEqual((blamed["kind"], blamed["forward"], blamed["connection"]),
                                 ("relay", "s", connection))
                self.assertTrue(any(function in frame for frame in blamed["stack"]), blamed)

    def test_a_spin_is_seen_while_it_lasts(self):
        self.check_while_it_lasts("cpu", "InjectedSpin", "cpu")

    def test_a_blocking_call_is_seen_while_it_lasts(self):
        self.check_while_it_lasts("blocked", "InjectedSleep", "blocked")

    # Why --------------------------------------------------------------------

    def seconds_by_cause(self, proxy):
        page = proxy.metrics()
        return {cause: page.total("weir_reactor_stall_seconds_total", reactor="0", cause=cause)
                for cause in ("cpu", "blocked", "preempted", "paused")}

    def stall_of(self, cause, proxy, bring_about, least=0.3):
        """The stall that this makes, of `least` seconds: on a machine that is busy
        with other things, one of some has another cause or is over too early."""
        stalls = []
        while not stalls or stalls[-1]["cause"] != cause or stalls[-1]["seconds"] < least:
            self.assertLess(len(stalls), TRIES, stalls)
            after = newest(proxy)
            bring_about()
            stalls.append(wait_stall(proxy, after, 0.3))
        return stalls[-1]

    def test_counters(self):
        with running() as proxy:

            def counts():
                page = proxy.metrics()
                return (page.total("weir_reactor_stalls_total", reactor="0", kind="task"),
                        page.total("weir_reactor_watchdog_misses_total", reactor="0",
                                   severity="slow"))
            # All are there from the start. (A busy machine may have made a stall.)
            before, seconds = counts(), self.seconds_by_cause(proxy)
            # Too short for the watchdog, but a stall.
            newest_before = newest(proxy)
            inject(proxy, 20, "blocked")
            short = wait_stall(proxy, newest_before, 0.02)
            self.assertEqual((short["kind"], short["forward"], short["connection"]),
                             ("task", None, None))
            inject(proxy, SEEN_MS, "blocked")
            wait_stall(proxy, short["number"], SEEN_MS / 1000)
            proxy.wait_metric(lambda page: page.total(
                "weir_reactor_stall_seconds_total", reactor="0") >=
                sum(seconds.values()) + 0.2, "both to be counted")
            after = counts()
            self.assertGreaterEqual(after[0] - before[0], 2)
            self.assertGreaterEqual(after[1] - before[1], 1)
            self.assertGreaterEqual(sum(self.seconds_by_cause(proxy).values()) -
                                    sum(seconds.values()), 0.2)

    def test_preempted_beside_busy_neighbours(self):
        with running() as proxy:
            cpu = min(os.sched_getaffinity(0))
            os.sched_setaffinity(thread(proxy, "weir-r0"), {cpu})
            with neighbours(cpu, 2):
                stall = self.stall_of("preempted", proxy, lambda: inject(proxy, 300, "cpu"))
            self.assertGreater(stall["run_delay_seconds"], 0.05)
            self.assertGreater(self.seconds_by_cause(proxy)["preempted"], 0.25)

    def test_stopped_during_a_stall_is_paused(self):
        with running() as proxy:
            def stop_within():
                inject(proxy, 300, "cpu")
                with proxy.stopped():
                    time.sleep(PAUSE)  # This is the pause, not a wait for something.
            self.stall_of("paused", proxy, stop_within, PAUSE)
            self.assertGreaterEqual(self.seconds_by_cause(proxy)["paused"], PAUSE)

    def test_stopped_while_polling_is_a_pause(self):
        with running() as proxy:
            page = proxy.wait_metric(lambda p: p.total(
                "weir_reactor_iteration_age_seconds", reactor="0") == 0, "the loop to poll")
            pauses = page.total("weir_process_pauses_total")
            seconds = page.total("weir_process_pause_seconds_total")
            with proxy.stopped():
                time.sleep(PAUSE)  # This is the pause.
            page = proxy.wait_metric(lambda p: p.total("weir_process_pauses_total") > pauses,
                                     "the pause to be counted")
            # What the watchdog had slept anyway is not part of it.
            self.assertGreater(page.total("weir_process_pause_seconds_total") - seconds,
                               PAUSE - 0.2)

    # The watchdog ------------------------------------------------------------

    def test_five_lines_a_minute(self):
        with running() as proxy:
            stalls = 8
            for i in range(stalls):
                after = newest(proxy)
                inject(proxy, SEEN_MS, "blocked")
                wait_stall(proxy, after, SEEN_MS / 1000)
                weir.wait_until(lambda: proxy.metrics().total(
                    "weir_reactor_watchdog_misses_total", reactor="0", severity="slow") > i,
                    "the watchdog to notice")
            proxy.wait_stderr("InjectedSleep")
            text = proxy.stderr()
            lines = [line for line in text.splitlines() if "InjectedSleep" in line]
            self.assertLessEqual(len(lines), 5, text)
            self.assertGreaterEqual(len(lines), 3, text)

    def test_the_signal_goes_unnoticed(self):
        """A sleep that it interrupts lasts its full time, and nobody loses a
        connection."""
        with running() as proxy, connected(proxy) as (client, connection), \
                connected(proxy) as (other, _):
            after = newest(proxy)
            inject(proxy, 300, "blocked", connection)
            for s in client, other:  # answered when it is over
                peers.round_trip(s, b"x" * 100000)
            stall = wait_stall(proxy, after, 0.3)
            self.assertTrue(stall["stack"], stall)
            page = proxy.metrics()
            self.assertEqual(page.total("weir_connections_active"), 2)
            self.assertEqual(page.total("weir_connections_closed_total"), 0)

    def test_the_watchdog_rests_while_all_loops_do(self):
        with running() as proxy:
            path = "/proc/%d/task/%d/status" % (proxy.pid, thread(proxy, "watchdog"))

            def sleeps():
                with open(path) as f:
                    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M)[1])
            used = []
            while not used or used[-1] >= 10:
                # What is still under way from the start may wake it in the first.
                self.assertLess(len(used), 3, "wake-ups a second in windows: %s" % used)
                begin, before = time.monotonic(), sleeps()
                time.sleep(2)  # This is the measurement.
                used.append((sleeps() - before) / (time.monotonic() - begin))
            self.assertGreater(used[-1], 1)

    def test_off(self):
        """Without loop metrics there is no watchdog, and the proxy works."""
        with running("--loop_metrics=false") as proxy, \
                peers.connect(proxy.address("s")) as client:
            peers.round_trip(client)
            with self.assertRaises(AssertionError):
                thread(proxy, "watchdog")


if __name__ == "__main__":
    unittest.main()
