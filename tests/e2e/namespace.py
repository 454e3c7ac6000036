"""A network, or mounts, of a test's own."""

import ctypes
import os
import subprocess
import tempfile
import unittest

CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER = 0x40000000, 0x20000, 0x10000000
MS_REMOUNT, MS_REC_PRIVATE = 0x20, 0x44000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def ip(*args):
    subprocess.run(["ip", *args], check=True)


def set_ipv4(name, value):
    with open("/proc/sys/net/ipv4/" + name, "w") as f:
        f.write(value)


def _enter(kind, what):
    """Makes this process, and what it starts from now on, live in a new one; as root
    of a user namespace where it is not root. Skips where that cannot be."""
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(kind | (CLONE_NEWUSER if uid else 0)) != 0:
        raise unittest.SkipTest("no %s: %s" % (what, os.strerror(ctypes.get_errno())))
    if uid:
        for name, text in (("setgroups", "deny"), ("uid_map", "0 %d 1" % uid),
                           ("gid_map", "0 %d 1" % gid)):
            with open("/proc/self/" + name, "w") as f:
                f.write(text)


def enter_network_namespace():
    """This thread, and what it starts from now on, get a network of their own: for
    setUpClass, before there are threads. Skips where none can be made."""
    _enter(CLONE_NEWNET, "network namespace")
    ip("link", "set", "lo", "up")


def enter_mount_namespace():
    """As above, for mounts: nobody else sees what is mounted from now on, and it is
    gone with the last process here."""
    _enter(CLONE_NEWNS, "mount namespace")
    _check(_libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None))


class Tmpfs:
    """A disk of so many bytes, in a temporary folder `path`; a context manager, in a
    mount namespace."""

    def __init__(self, size):
        self.path = tempfile.mkdtemp(prefix="weir-")
        self._mount(0, size)

    def resize(self, size):
        self._mount(MS_REMOUNT, size)

    def _mount(self, flags, size):
        _check(_libc.mount(b"weir", self.path.encode(), b"tmpfs", flags, b"size=%d" % size))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _check(_libc.umount2(self.path.encode(), MNT_DETACH))
        os.rmdir(self.path)
