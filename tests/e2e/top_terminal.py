"""A terminal with `weir top` on it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios

import weir


class Top:
    """`weir top` on a terminal of 30 lines and 120 columns, or what runs it."""

    def __init__(self, environment, *command):
        self.master, self.slave = pty.openpty()
        self.resize(30, 120)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        self.process = subprocess.Popen(
            command or [weir.binary(), "top"], stdin=self.slave, stdout=self.slave,
            stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=dict(os.environ, **environment))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        """What was shown before does not count any more."""
        self.output = b""
        os.write(self.master, keys)

    def _read(self):
        if select.select([self.master], [], [], 0.05)[0]:
            self.output += os.read(self.master, 65536)
        return self.output

    def wait(self, pattern):
        weir.wait_until(lambda: re.search(pattern, self._read()),
                        lambda: "%r in %r" % (pattern, self.output[-4000:]))

    def end(self):
        """Its exit code; the terminal is as before."""
        code = weir.wait_until(lambda: self._read() is not None and self.process.poll() is not None and
                               [self.process.returncode], "top to end")[0]
        self.wait(rb"\x1b\[\?25h\x1b\[\?1049l$")
        if termios.tcgetattr(self.slave) != self.before:
            raise AssertionError("the terminal is not as it was")
        said = self.process.stderr.read()
        if said:
            raise AssertionError("top said: %r" % said)
        return code
