"""A log target that hangs for 5 s under full load: the loops are not later than
before, and the clients notice nothing."""

import os
import threading
import time
import unittest

import access_log_case
import access_logs
import peers

SECONDS = 5
TRIES = 3


class Steady:
    """A client that makes round trips all the time; count() says how many."""

    def __init__(self, address):
        self._client = peers.connect(address)
        self._ending = threading.Event()
        self._trips, self._longest = 0, 0
        self._task = peers.Task(self._run)

    def _run(self):
        with self._client:
            while not self._ending.is_set():
                begin = time.monotonic()
                peers.round_trip(self._client, b"p%07d" % self._trips)
                self._longest = max(self._longest, time.monotonic() - begin)
                self._trips += 1

    def count(self):
        return self._trips

    def take_longest(self):
        longest, self._longest = self._longest, 0
        return longest

    def end(self):
        self._ending.set()
        self._task.result()


def lag_buckets(page):
    """{upper bound: seconds with at most so much lag}, of all reactors with traffic."""
    found = {}
    for _, labels, value in page.find("weir_reactor_lag_seconds_bucket"):
        if labels["reactor"] != "control":
            bound = float(labels["le"])
            found[bound] = found.get(bound, 0) + value
    return found


def p99_bucket(before, after):
    """The number of the bucket that has the 99th percentile, and its bound."""
    bounds = sorted(before)
    grown = [after[bound] - before[bound] for bound in bounds]
    for i, seconds in enumerate(grown):
        if seconds >= 0.99 * grown[-1]:
            return i, bounds[i]
    raise AssertionError("no time has passed")


class AccessLogHangTest(access_log_case.AccessLogCase):
    def window(self, proxy, steady):
        """5 s of full load: (number and bound of the p99's bucket, connections,
        round trips, the longest of them)."""
        before, trips = proxy.metrics(), steady.count()
        steady.take_longest()
        done = self.load.run("connect", proxy.port("a"), 50, 0, SECONDS * 1000)
        after = proxy.metrics()
        return (*p99_bucket(lag_buckets(before), lag_buckets(after)), done["units"],
                steady.count() - trips, steady.take_longest())

    def run_with(self, file_io):
        with self.slow_fs() as fs, \
                self.start(os.path.join(fs.path, "access.log"),
                           "--file_io=" + file_io) as proxy:
            steady = Steady(proxy.address("steady"))
            # What held a loop because of the disk would do so each time; the machine
            # does it now and then.
            for left in reversed(range(TRIES)):
                usual = self.window(proxy, steady)
                fs.hang()
                hanging = self.window(proxy, steady)
                access_logs.wait_state(proxy, "hanging: ")
                self.assertTrue(fs.waiting())
                fs.resume()
                access_logs.wait_state(proxy, "writing")
                for name, figures in (("usual", usual), ("hanging", hanging)):
                    print("%s, %s: p99 of lag in bucket %d (le %g s), %d connections, "
                          "%d round trips, longest %.1f ms" % (
                              file_io, name, *figures[:4], 1e3 * figures[4]))
                self.assertGreater(hanging[3], 0)
                # Whoever had to wait for the disk would wait for nearly all of it.
                self.assertLess(hanging[4], SECONDS / 2)
                if hanging[0] <= usual[0] + 1 or not left:
                    break
            self.assertLessEqual(hanging[0], usual[0] + 1)
            self.assertGreater(access_logs.dropped(proxy.metrics(), reason="full"), 0)
            steady.end()
            page = access_logs.wait_accounted(proxy)
            # (At the end of its time, the load resets what is under way.)
            ends = {labels["reason"] for _, labels, count in
                    page.find("weir_connections_closed_total") if count}
            self.assertLessEqual(ends, {"client_fin", "client_reset"})
            self.assertEqual(
                access_logs.lines(page) + access_logs.dropped(page), access_logs.closed(page))

    def test_polled(self):
        self.run_with("polled")

    def test_signal(self):
        self.run_with("signal")

    def test_thread(self):
        self.run_with("thread")


if __name__ == "__main__":
    unittest.main()
