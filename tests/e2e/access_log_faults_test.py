"""The file of the access log fails or hangs: the traffic goes on, each line is in
the file, whole, or counted as dropped, and writing resumes by itself."""

import contextlib
import os
import signal
import stat
import tempfile
import unittest

import access_logs
import loads
import namespace
import peers
import slow_fs
import weir

# More lines than the rings of two loops and a batch have room for.
BURST = 3000
# A leak cannot be looked for while a thread waits for a disk.
NO_LEAKS = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


def read_all(file):
    with open(file, "rb") as f:
        return f.read()


class AccessLogFaultsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace.enter_mount_namespace()

    def setUp(self):
        self.load = loads.Load()
        self.addCleanup(self.load.close)
        server = peers.Server(peers.echo)
        self.addCleanup(server.close)
        self.steady = "steady@127.0.0.1:0=" + server.target
        folder = tempfile.TemporaryDirectory(prefix="weir-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, path, *args, **kwargs):
        return weir.Weir("a@127.0.0.1:0=127.0.0.1:%d" % self.load.port, self.steady,
                         "--access_log=" + path, "--access_log_buffer=64KiB", *args,
                         reactors=2, **kwargs)

    def connect(self, proxy, count):
        """So many connections, with a round trip each."""
        self.load.run("connect", proxy.port("a"), 20, count, 0)

    @contextlib.contextmanager
    def on_slow_fs(self, *args, path=None, **kwargs):
        """A slow file system, and a proxy that logs there, or to the link `path` to
        there."""
        try:
            fs = slow_fs.SlowFs()
        except OSError as error:
            raise unittest.SkipTest(str(error))
        with fs:
            target = os.path.join(fs.path, "access.log")
            if path:
                os.symlink(target, path)
            with self.start(path or target, *args, **kwargs) as proxy:
                self.connect(proxy, 50)
                access_logs.wait_lines(proxy, 50)
                try:
                    yield fs, proxy
                finally:
                    fs.resume()  # Else the kernel may not let the proxy end.

    def assert_accounts(self, page, records):
        """Each connection has one line, in the file or dropped."""
        self.assertEqual(access_logs.lines(page) + access_logs.dropped(page),
                         access_logs.closed(page))
        self.assertEqual(len(records), access_logs.lines(page))
        self.assertEqual(len({record["connection"] for record in records}), len(records))

    # The disk fails ------------------------------------------------------------

    def test_full_disk(self):
        with namespace.Tmpfs(64 << 10) as disk:
            path = os.path.join(disk.path, "access.log")
            with self.start(path) as proxy:
                access_logs.wait_state(proxy, "writing")
                self.connect(proxy, BURST)
                access_logs.wait_state(proxy, "failing: .*No space left on device")
                proxy.wait_stderr("access log: .*No space left on device")
                self.connect(proxy, BURST)
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
            self.connect(proxy, BURST)
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
            self.connect(proxy, BURST)
            page = proxy.metrics()
            self.assertEqual(access_logs.lines(page), 0)
            self.assertGreater(access_logs.dropped(page, reason="full"), 0)
            # One that does not read yet: more than the pipe takes is there already.
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            access_logs.wait_state(proxy, "hanging: ")
            before = access_logs.dropped(proxy.metrics())
            self.connect(proxy, BURST)
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
            self.connect(proxy, BURST)
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

    # The disk hangs ------------------------------------------------------------

    def test_hang_and_rotation(self):
        for file_io in access_logs.FILE_IO:
            with self.subTest(file_io=file_io), \
                    self.on_slow_fs("--file_io=" + file_io) as (fs, proxy):
                steady = peers.connect(proxy.address("steady"))
                peers.round_trip(steady)
                fs.hang()
                self.connect(proxy, BURST)
                peers.round_trip(steady)
                access_logs.wait_state(proxy, "hanging: ")
                self.assertTrue(fs.waiting())
                self.assertGreater(access_logs.dropped(proxy.metrics(), reason="full"), 0)
                path = os.path.join(fs.disk, "access.log")
                os.rename(path, path + ".1")
                proxy.signal(signal.SIGUSR1)
                proxy.wait_signals_taken()
                self.connect(proxy, BURST)
                peers.round_trip(steady)
                fs.resume()
                access_logs.wait_state(proxy, "writing")
                weir.wait_until(lambda p=path: os.path.exists(p), "a new file")
                peers.round_trip(steady)
                steady.close()
                before = access_logs.dropped(access_logs.wait_accounted(proxy))
                self.connect(proxy, 50)
                page = access_logs.wait_accounted(proxy)
                self.assertEqual(access_logs.dropped(page), before)
                self.assert_accounts(page, access_logs.read(path + ".1", path))

    def test_rotation_leaves_a_disk_that_hangs(self):
        path = os.path.join(self.folder, "access.log")
        with self.on_slow_fs(path=path) as (fs, proxy):
            fs.hang()
            self.connect(proxy, BURST)
            access_logs.wait_state(proxy, "hanging: ")
            self.assertTrue(fs.waiting())
            os.unlink(path)
            proxy.signal(signal.SIGUSR1)
            access_logs.wait_state(proxy, "writing")
            # What hangs over there is given up, and counted.
            page = access_logs.wait_accounted(proxy)
            self.assertGreater(access_logs.dropped(page, reason="output"), 0)
            self.assert_accounts(
                page, access_logs.read(os.path.join(fs.disk, "access.log"), path))

    def test_a_hang_does_not_hold_the_exit(self):
        for file_io in access_logs.FILE_IO:
            with self.subTest(file_io=file_io), \
                    self.on_slow_fs("--file_io=" + file_io, env=NO_LEAKS) as (fs, proxy):
                fs.hang()
                self.connect(proxy, BURST)
                access_logs.wait_state(proxy, "hanging: ")
                page = proxy.wait_at_rest()
                proxy.signal()
                self.assertEqual(proxy.wait(), 0)
                # And nothing is lost that it does not tell.
                lost = int(proxy.wait_stderr(r"access log: (\d+) lines were not written")[1])
                self.assertEqual(access_logs.lines(page) + access_logs.dropped(page) + lost,
                                 access_logs.closed(page))
                fs.resume()
                records = access_logs.read(os.path.join(fs.disk, "access.log"))
                self.assertEqual(len(records), access_logs.lines(page))

    def test_a_request_that_the_disk_has_taken_holds_the_process_but_not_weir(self):
        # The kernel waits for it uninterruptibly, and the process ends only then.
        with self.on_slow_fs(env=NO_LEAKS) as (fs, proxy):
            fs.hang(taken=True)
            self.connect(proxy, 50)
            weir.wait_until(fs.waiting, "a request")
            proxy.signal()

            def main_thread_has_ended():
                with open("/proc/%d/stat" % proxy.pid) as f:
                    return f.read().rsplit(")", 1)[1].split()[0] == "Z"
            weir.wait_until(main_thread_has_ended, "weir to do what it can")
            self.assertTrue(proxy.alive())
            fs.resume()
            self.assertEqual(proxy.wait(), 0)


if __name__ == "__main__":
    unittest.main()
