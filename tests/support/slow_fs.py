"""A file system whose disk hangs, is slow or fails, when a test says so."""

import contextlib
import os
import subprocess
import sys
import tempfile

_SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fuse_server.py")


class SlowFs:
    """A FUSE mount of its own, in a temporary folder; a context manager. `path` is
    the mount, `disk` the folder that it shows, which never hangs.

    Needs /dev/fuse and the right to mount: root, or a user namespace with a mount
    namespace. Raises OSError where it cannot be had.
    """

    def __init__(self):
        folder = tempfile.mkdtemp(prefix="weir-slow-")
        self.path = os.path.join(folder, "mount")
        self.disk = os.path.join(folder, "disk")
        self._process = subprocess.Popen([sys.executable, _SERVER, folder], text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, start_new_session=True)
        if self._process.stdout.readline() != "mounted\n":
            _, problem = self._process.communicate()
            for name in ("mount", "disk"):
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(os.path.join(folder, name))
            os.rmdir(folder)
            raise OSError("no FUSE mount: " + problem.strip().rsplit("\n", 1)[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def hang(self, taken=False):
        """From now on nothing is answered. The requests are not even read, so that
        a process that waits for one can be killed; or they are read (`taken`): then
        it cannot, until they are answered."""
        self._ask("hang-taken" if taken else "hang")

    def resume(self):
        """Answers what waits, and what comes."""
        self._ask("resume")

    def waiting(self):
        """Whether a request waits since hang(); how many, if they are taken."""
        return int(self._ask("waiting"))

    def delay(self, what, seconds):
        """Each `what` takes so much longer: "open", "write", "sync", or "look" for a
        stat. One at a time is served."""
        self._ask("delay %s %f" % (what, seconds))

    def fail(self, what, error):
        """Each `what`, see delay(), fails with that errno; 0: none does."""
        self._ask("fail %s %d" % (what, error))

    def close(self):
        """Unmounts; what still waits fails with ENOTCONN."""
        if self._process.stdin.closed:
            return
        _, problem = self._process.communicate()
        if problem:
            raise AssertionError(problem)

    def _ask(self, command):
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if answer in ("", "unknown"):
            raise AssertionError("%s: %s" % (command, answer or "it ended"))
        return answer
