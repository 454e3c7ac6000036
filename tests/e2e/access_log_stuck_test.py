"""The file system of the access log hangs: the traffic goes on, nothing waits for
it, not the exit either, and each line is in the file, whole, or counted."""

import contextlib
import os
import signal
import unittest

import access_log_case
import access_logs
import peers
import weir

# A leak cannot be looked for while a thread waits for a disk.
NO_LEAKS = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


class AccessLogStuckTest(access_log_case.AccessLogCase):
    @contextlib.contextmanager
    def on_slow_fs(self, *args, path=None, **kwargs):
        """A slow file system, and a proxy that logs there, or to the link `path` to
        there."""
        with self.slow_fs() as fs:
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

    def assert_tells_what_is_lost(self, proxy, page, records):
        """A proxy that ended: `page` is of before, when nothing was written any more."""
        lost = int(proxy.wait_stderr(r"access log: (\d+) lines were not written")[1])
        self.assertEqual(access_logs.lines(page) + access_logs.dropped(page) + lost,
                         access_logs.closed(page))
        self.assertEqual(len(records), access_logs.lines(page))

    def test_hang_and_rotation(self):
        for file_io in access_logs.FILE_IO:
            with self.subTest(file_io=file_io), \
                    self.on_slow_fs("--file_io=" + file_io) as (fs, proxy):
                steady = peers.connect(proxy.address("steady"))
                peers.round_trip(steady)
                fs.hang()
                self.connect(proxy, self.BURST)
                peers.round_trip(steady)
                access_logs.wait_state(proxy, "hanging: ")
                self.assertTrue(fs.waiting())
                self.assertGreater(access_logs.dropped(proxy.metrics(), reason="full"), 0)
                path = os.path.join(fs.disk, "access.log")
                os.rename(path, path + ".1")
                proxy.signal(signal.SIGUSR1)
                proxy.wait_signals_taken()
                self.connect(proxy, self.BURST)
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
            self.connect(proxy, self.BURST)
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
                self.connect(proxy, self.BURST)
                access_logs.wait_state(proxy, "hanging: ")
                page = proxy.wait_at_rest()
                proxy.signal()
                self.assertEqual(proxy.wait(), 0)
                fs.resume()
                self.assert_tells_what_is_lost(
                    proxy, page, access_logs.read(os.path.join(fs.disk, "access.log")))

    def test_a_second_signal_ends_a_flush_that_hangs(self):
        with self.on_slow_fs("--drain_timeout=1h", quick_drain=False,
                             env=NO_LEAKS) as (fs, proxy):
            fs.hang()
            self.connect(proxy, self.BURST)
            access_logs.wait_state(proxy, "hanging: ")
            page = proxy.wait_at_rest()
            proxy.signal()
            # Its loop has ended: what is to come is taken by the flush.
            proxy.wait_stderr("drained in ")
            proxy.signal()
            self.assertEqual(proxy.wait(), 128 + signal.SIGTERM)
            fs.resume()
            self.assert_tells_what_is_lost(
                proxy, page, access_logs.read(os.path.join(fs.disk, "access.log")))

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

    # What is written to answers, but not what lies at the path by now ----------

    @contextlib.contextmanager
    def away_from_a_disk_that_hangs(self, told):
        """A proxy whose log was renamed; at its path is a link to a disk that does not
        answer, which hangs an open (it was told to) or only a look."""
        path = os.path.join(self.folder, "told" if told else "not_told")
        with self.slow_fs() as fs, self.start(path, env=NO_LEAKS) as proxy:
            self.connect(proxy, 50)
            access_logs.wait_lines(proxy, 50)
            fs.hang()
            os.rename(path, path + ".1")
            os.symlink(os.path.join(fs.path, "access.log"), path)
            try:
                if told:
                    proxy.signal(signal.SIGUSR1)
                    weir.wait_until(fs.waiting, "the open")

                def hangs():
                    # Its look at the path is a second old at most.
                    self.connect(proxy, 50)
                    return proxy.metrics().total("weir_access_log_up") == 0
                weir.wait_until(hangs, "the log to hang")
                yield fs, proxy, path
            finally:
                fs.resume()

    def test_an_open_or_a_look_that_hangs(self):
        for told in (True, False):
            with self.subTest(told=told), \
                    self.away_from_a_disk_that_hangs(told) as (fs, proxy, path):
                with peers.connect(proxy.address("steady")) as steady:
                    self.connect(proxy, self.BURST)
                    peers.round_trip(steady)
                self.assertGreater(access_logs.dropped(proxy.metrics(), reason="full"), 0)
                fs.resume()
                access_logs.wait_state(proxy, "writing")
                page = access_logs.wait_accounted(proxy)
                self.assertEqual(access_logs.dropped(page, reason="output"), 0)
                self.assert_accounts(page, access_logs.read(path + ".1", path))

    def test_an_open_or_a_look_that_hangs_does_not_hold_the_exit(self):
        for told in (True, False):
            with self.subTest(told=told), \
                    self.away_from_a_disk_that_hangs(told) as (_, proxy, path):
                page = proxy.wait_at_rest()
                proxy.signal()
                self.assertEqual(proxy.wait(), 0)
                self.assert_tells_what_is_lost(proxy, page, access_logs.read(path + ".1"))

    def test_a_start_and_a_check_end_after_5_s(self):
        with self.slow_fs() as fs:
            fs.hang()
            for command in ((), ("check",)):
                code, _, error = weir.run(
                    *command, "0=127.0.0.1:1", "--admin=off",
                    "--access_log=" + os.path.join(fs.path, "access.log"), env=NO_LEAKS)
                self.assertEqual(code, 1)
                self.assertRegex(error, r"\A.*: not opened within 5 s: .*\n\Z")
            fs.resume()


if __name__ == "__main__":
    unittest.main()
