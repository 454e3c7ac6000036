"""A network of a test's own."""

import ctypes
import os
import subprocess
import unittest

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000


def ip(*args):
    subprocess.run(["ip", *args], check=True)


def set_ipv4(name, value):
    with open("/proc/sys/net/ipv4/" + name, "w") as f:
        f.write(value)


def enter_network_namespace():
    """This thread, and what it starts from now on, get a network of their own: for
    setUpClass, before there are threads. Skips where none can be made."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNET | (CLONE_NEWUSER if uid else 0)
    if libc.unshare(flags) != 0:
        raise unittest.SkipTest("no network namespace: " + os.strerror(ctypes.get_errno()))
    if uid:
        for name, text in (("setgroups", "deny"), ("uid_map", "0 %d 1" % uid),
                           ("gid_map", "0 %d 1" % gid)):
            with open("/proc/self/" + name, "w") as f:
                f.write(text)
    ip("link", "set", "lo", "up")
