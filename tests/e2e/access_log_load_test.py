"""100,000 connections, while the access log is rotated: each has its line."""

import os
import signal
import tempfile
import unittest

import access_logs
import loads
import peers
import weir

CONNECTIONS = 100_000 // weir.SCALE
ROTATIONS = 6
PATIENCE = 10 * weir.LONG


class AccessLogLoadTest(unittest.TestCase):
    def run_with(self, file_io, connections):
        load = loads.Load()
        self.addCleanup(load.close)
        folder = tempfile.TemporaryDirectory(prefix="weir-")
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "access.log")
        with weir.Weir("a@127.0.0.1:0=127.0.0.1:%d" % load.port, "--access_log=" + path,
                       "--file_io=" + file_io, reactors=2) as proxy:
            task = peers.Task(load.run, "connect", proxy.port("a"), 50, connections, 0)
            more = 0

            def goes_on():
                """Whether there is a new file. A rename is seen by the next line, so
                where the load was quick there is some more of it."""
                nonlocal more
                if not os.path.exists(path) and not task.is_alive():
                    more += load.run("connect", proxy.port("a"), 1, 1, 0)["units"]
                return os.path.exists(path)

            for i in range(ROTATIONS):
                proxy.wait_metric(lambda page, i=i: access_logs.closed(page) >=
                                  (i + 1) * connections / (ROTATIONS + 2),
                                  "the load to go on", PATIENCE)
                # With a signal, and without.
                os.rename(path, "%s.%d" % (path, i))
                if i % 2:
                    proxy.signal(signal.SIGUSR1)
                weir.wait_until(goes_on, "a new file")
            answer = task.result(PATIENCE)
            self.assertEqual(answer["units"], connections)
            connections += more
            page = access_logs.wait_accounted(proxy)
        self.assertEqual(access_logs.closed(page), connections)
        paths = ["%s.%d" % (path, i) for i in range(ROTATIONS)] + [path]
        per_file = [access_logs.read(path) for path in paths]
        records = [record for records in per_file for record in records]
        lines, dropped = access_logs.lines(page), access_logs.dropped(page)
        print("%s: %.0f connections/s, lines of the files: %s, dropped: %d" % (
            file_io, answer["units"] / answer["seconds"], [len(r) for r in per_file], dropped))
        # Rotated under load.
        self.assertGreater(sum(map(bool, per_file)), 2)
        self.assertEqual(len(records), lines)
        self.assertEqual(lines + dropped, connections)
        # Only a ring that is full loses lines, a rotation none.
        self.assertEqual(access_logs.dropped(page, reason="full"), dropped)
        ids = {record["connection"] for record in records}
        self.assertEqual(len(ids), len(records))
        if not dropped:
            self.assertEqual(len(ids), connections)
        for record in records:
            self.assertEqual(
                (record["event"], record["forward"], record["bytes_up"], record["bytes_down"],
                 record["reason"]), ("close", "a", 1, 1, "client_fin"), record)
        self.assertEqual(page.total("weir_access_log_reopens_total"), ROTATIONS)

    def test_polled(self):
        self.run_with("polled", CONNECTIONS)

    def test_signal(self):
        self.run_with("signal", CONNECTIONS // 4)

    @unittest.skipUnless("thread" in access_logs.FILE_IO, "the sanitizer crashes on it")
    def test_thread(self):
        self.run_with("thread", CONNECTIONS // 4)


if __name__ == "__main__":
    unittest.main()
