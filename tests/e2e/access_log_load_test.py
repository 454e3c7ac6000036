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
            for i in range(ROTATIONS):
                proxy.wait_metric(lambda page, i=i: access_logs.closed(page) >=
                                  (i + 1) * connections / (ROTATIONS + 2),
                                  "the load to go on", PATIENCE)
                # With a signal, and without.
                os.rename(path, "%s.%d" % (path, i))
                if i % 2:
                    proxy.signal(signal.SIGUSR1)
                weir.wait_until(lambda: os.path.exists(path), "a new file")
            # All that under load.
            self.assertLess(access_logs.closed(proxy.metrics()), connections)
            answer = task.result(PATIENCE)
            self.assertEqual(answer["units"], connections)
            page = access_logs.wait_accounted(proxy)
        self.assertEqual(access_logs.closed(page), connections)
        paths = ["%s.%d" % (path, i) for i in range(ROTATIONS)] + [path]
        per_file = [access_logs.read(path) for path in paths]
        records = [record for records in per_file for record in records]
        lines, dropped = access_logs.lines(page), access_logs.dropped(page)
        print("%s: %.0f connections/s, lines of the files: %s, dropped: %d" % (
            file_io, answer["units"] / answer["seconds"], [len(r) for r in per_file], dropped))
        self.assertTrue(all(per_file))
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
