"""The machine that is measured on, and a network of our own on it."""

import ctypes
import os
import re
import socket
import subprocess
import sys
import time

_CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"
_CLONE_NEWNET = 0x40000000


def _read(path):
    with open(path) as f:
        return f.read().strip()


def congestion_control():
    return _read(_CONGESTION)


def enter_network():
    """A network namespace of our own, which goes with the last process in it: nobody
    else's traffic, and congestion control can be chosen. False without root."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(_CLONE_NEWNET) != 0:
        return False
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return True


def set_congestion_control(name):
    """For connections to come, of both sides, in a network of our own; "" is the
    machine's own again. False when this kernel does not have it.

    By the route: the sysctl of a network namespace takes only what the machine's own
    network allows to everybody."""
    command = ["ip", "route", "replace", "local", "127.0.0.1", "dev", "lo", "table", "local",
               "proto", "kernel", "scope", "host", "src", "127.0.0.1"]
    command += ["congctl", name] if name else []
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode == 0 and (not name or _used() == name)


def _used():
    """By a connection of now."""
    with socket.create_server(("127.0.0.1", 0)) as server, \
            socket.create_connection(server.getsockname()) as client:
        option = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
        return option.rstrip(b"\0").decode()


def describe(command="tests/bench/run"):
    """{what: text}"""
    model = re.search(r"^model name\s*:\s*(.*)$", _read("/proc/cpuinfo"), re.M)
    return {"kernel": "Linux " + os.uname().release,
            "processor": model[1] if model else os.uname().machine,
            "cores": str(len(os.sched_getaffinity(0))),
            "congestion control": congestion_control(),
            "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "load before": "%.2f" % os.getloadavg()[0],
            "command": " ".join([command, *sys.argv[1:]])}
