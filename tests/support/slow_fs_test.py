"""slow_fs.py does what it says, and leaves nothing behind."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

import slow_fs

_WRITE = "import os, sys; os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), b'x')"


def is_mounted(path):
    with open("/proc/self/mountinfo") as f:
        return " %s " % path in f.read()


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        time.sleep(0.005)


class SlowFsTest(unittest.TestCase):
    def setUp(self):
        try:
            self.fs = slow_fs.SlowFs()
        except OSError as error:
            self.skipTest(str(error))
        self.addCleanup(self.fs.close)
        self.file = os.path.join(self.fs.path, "file")

    def write(self):
        """A process that opens the file and writes; it ends when that is done."""
        process = subprocess.Popen([sys.executable, "-c", _WRITE, self.file])
        self.addCleanup(process.wait)
        self.addCleanup(self.fs.close)
        return process

    def test_it_is_a_file_system(self):
        block = os.urandom(300000)
        with open(self.file, "wb") as f:
            f.write(block)
            f.flush()
            os.fsync(f.fileno())
        with open(self.file, "ab") as f:
            f.write(b"more")
        with open(self.file, "rb") as f:
            self.assertEqual(f.read(), block + b"more")
        with open(os.path.join(self.fs.disk, "file"), "rb") as f:
            self.assertEqual(f.read(), block + b"more")
        folder = os.path.join(self.fs.path, "folder")
        os.mkdir(folder, 0o750)
        moved = os.path.join(folder, "moved")
        os.rename(self.file, moved)
        os.chmod(moved, 0o600)
        os.truncate(moved, 10)
        info = os.stat(moved)
        self.assertEqual((info.st_size, info.st_mode & 0o777), (10, 0o600))
        self.assertEqual(os.listdir(self.fs.path), ["folder"])
        self.assertEqual(os.listdir(folder), ["moved"])
        os.unlink(moved)
        os.rmdir(folder)
        self.assertEqual(os.listdir(self.fs.path), [])
        self.assertFalse(os.path.exists(self.file))
        self.assertGreater(os.statvfs(self.fs.path).f_blocks, 0)

    def test_what_waits_unread_can_be_killed_and_the_rest_goes_on(self):
        self.fs.hang()
        self.assertEqual(self.fs.waiting(), 0)
        killed, kept = self.write(), self.write()
        wait_until(lambda: self.fs.waiting())
        killed.kill()
        self.assertEqual(killed.wait(60), -signal.SIGKILL)
        self.assertIsNone(kept.poll())
        self.fs.resume()
        self.assertEqual(kept.wait(60), 0)

    def test_what_was_taken_cannot_be_killed(self):
        self.fs.hang(taken=True)
        process = self.write()
        wait_until(lambda: self.fs.waiting() == 1)
        process.kill()

        def uninterruptible():
            with open("/proc/%d/stat" % process.pid) as f:
                return f.read().rsplit(")", 1)[1].split()[0] == "D"
        wait_until(uninterruptible)
        self.fs.resume()
        self.assertEqual(process.wait(60), -signal.SIGKILL)

    def test_an_error(self):
        self.fs.fail("write", errno.ENOSPC)
        with open(self.file, "wb", buffering=0) as f:
            with self.assertRaises(OSError) as caught:
                f.write(b"x")
            self.assertEqual(caught.exception.errno, errno.ENOSPC)
            self.fs.fail("write", 0)
            self.assertEqual(f.write(b"x"), 1)

    def test_a_delay(self):
        self.fs.delay("write", 0.2)
        begin = time.monotonic()
        with open(self.file, "wb", buffering=0) as f:
            f.write(b"x")
        self.assertGreaterEqual(time.monotonic() - begin, 0.2)

    def test_the_end_of_a_killed_test_unmounts(self):
        code = ("import sys; sys.path.insert(0, %r); import slow_fs; fs = slow_fs.SlowFs();"
                "print(fs.path, flush=True); fs.hang(); input()" %
                os.path.dirname(slow_fs.__file__))
        test = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        path = test.stdout.readline().strip()
        self.assertTrue(is_mounted(path))
        # A request that waits does not keep it.
        stuck = threading.Thread(target=os.path.exists, args=(os.path.join(path, "x"),))
        stuck.start()
        test.kill()
        test.communicate()
        wait_until(lambda: not os.path.exists(os.path.dirname(path)))
        self.assertFalse(is_mounted(path))
        stuck.join()


if __name__ == "__main__":
    unittest.main()
