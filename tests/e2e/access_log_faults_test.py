"""The file of the access log fails: the traffic goes on, each line is in the file,
whole, or counted as dropped, and writing resumes by itself."""

import os
import stat
import unittest

import access_log_case
import access_logs
import namespace
import peers
import weir


def read_all(file):
    with open(file, "rb") as f:
        return f.read()


class AccessLogFaultsTest(access_log_case.AccessLogCase):
    # The disk fails ------------------------------------------------------------

    def test_full_disk(self):
        with namespace.Tmpfs(64 << 10) as disk:
            path = os.path.join(disk.path, "access.log")
            with self.start(path) as proxy:
                access_logs.wait_state(proxy, "writing")
                self.connect(proxy, self.BURST)
                access_logs.wait_state(proxy, "failing: .*No space left on device")
                proxy.wait_stderr("access log: .*No space left on device")
                self.connect(proxy, self.BURST)
                page = proxy.metrics()
                self.assertGreater(access_logs.dropped(page, reason="output"), 0)
                self.assertGreater(access_logs.dropped(page, reason="full"), 0)
                self.assertEqual(os.stat(path).st_size, 64 << 10)
                disk.resize(64 << 20)
                access_logs.wait_state(proxy, "writing")
                proxy.wait_stderr(r"takes lines again, \d+ were dropped")
                before = access_logs.dropped(access_logs.wait_accounted(proxy))
                self.connect(proxy, 50)
                page = access_logs.wait_accounted(proxy)
                self.assertEqual(access_logs.dropped(page), before)
            self.assert_accounts(page, access_logs.read(path))

    def test_vanished_directory(self):
        folder, gone = (os.path.join(self.folder, name) for name in ("log", "gone"))
        path = os.path.join(folder, "access.log")
        os.mkdir(folder)
        with self.start(path) as proxy:
            self.connect(proxy, 50)
            access_logs.wait_lines(proxy, 50)
            os.rename(folder, gone)

            def failing():
                # It looks when it has something to write.
                self.connect(proxy, 50)
                return proxy.metrics().total("weir_access_log_up") == 0
            weir.wait_until(failing, "the log to miss its directory")
            access_logs.wait_state(proxy, "failing: .*%s.*No such file or directory" % path)
            self.connect(proxy, self.BURST)
            os.mkdir(folder)
            access_logs.wait_state(proxy, "writing")
            page = access_logs.wait_accounted(proxy)
            self.assertGreater(access_logs.dropped(page, reason="full"), 0)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)
        self.assert_accounts(page, access_logs.read(os.path.join(gone, "access.log"), path))

    def test_renamed_without_a_signal(self):
        path = os.path.join(self.folder, "access.log")
        for file_io in access_logs.FILE_IO:
            with self.subTest(file_io=file_io), self.start(path, "--file_io=" + file_io) as proxy:
                self.connect(proxy, 50)
                access_logs.wait_lines(proxy, 50)
                os.rename(path, path + ".1")

                def went_on():
                    self.connect(proxy, 50)
                    return os.path.exists(path)
                weir.wait_until(went_on, "a new file")
                page = access_logs.wait_accounted(proxy)
                self.assertEqual(access_logs.dropped(page), 0)
                self.assertEqual(page.total("weir_access_log_reopens_total"), 1)
                self.assert_accounts(page, access_logs.read(path + ".1", path))
                os.unlink(path)

    # A pipe --------------------------------------------------------------------

    def make_fifo(self):
        path = os.path.join(self.folder, "fifo")
        os.mkfifo(path)
        return path

    def test_a_fifo_that_nobody_reads_and_then_somebody_does(self):
        path = self.make_fifo()
        with self.start(path) as proxy:
            proxy.wait_stderr("nobody reads this FIFO yet")
            access_logs.wait_state(proxy, "failing: .*" + path)
            self.connect(proxy, self.BURST)
            page = proxy.metrics()
            self.assertEqual(access_logs.lines(page), 0)
            self.assertGreater(access_logs.dropped(page, reason="full"), 0)
            # One that does not read yet: more than the pipe takes is there already.
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            access_logs.wait_state(proxy, "hanging: ")
            before = access_logs.dropped(proxy.metrics())
            self.connect(proxy, self.BURST)
            self.assertGreater(access_logs.dropped(proxy.metrics()), before)
            os.set_blocking(reader, True)
            reading = peers.Task(read_all, reader)
            access_logs.wait_state(proxy, "writing")
            page = access_logs.wait_accounted(proxy)
            proxy.stop()
            self.assert_accounts(page, access_logs.parse(reading.result()))

    def test_the_reader_of_a_fifo_goes_and_another_comes(self):
        path = self.make_fifo()
        first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with self.start(path) as proxy:
            self.connect(proxy, 50)
            access_logs.wait_accounted(proxy)
            content = os.read(first, 1 << 20)
            os.close(first)
            self.connect(proxy, self.BURST)
            access_logs.wait_state(proxy, "failing: ")
            reading = peers.Task(read_all, path)
            access_logs.wait_state(proxy, "writing")
            page = access_logs.wait_accounted(proxy)
            proxy.stop()
            self.assert_accounts(page, access_logs.parse(content + reading.result()))

    def test_no_fifo_with_completion_by_signal(self):
        path = self.make_fifo()
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        code, _, stderr = weir.run("127.0.0.1:0=127.0.0.1:%d" % self.load.port, "--admin=off",
                                   "--access_log=" + path, "--file_io=signal")
        self.assertEqual(code, 1, stderr)
        self.assertRegex(stderr, "%s.*--file_io=polled or --file_io=thread" % path)


if __name__ == "__main__":
    unittest.main()
