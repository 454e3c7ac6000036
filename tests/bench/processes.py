"""Processes that the benchmark starts, and how all of them end."""

import atexit
import ctypes
import functools
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


_started = []
_starting = False
_told = None  # the signal that came meanwhile


def spawn(command, **kwargs):
    """Popen of a process that dies when this thread does, even by SIGKILL, and that
    Ctrl-C does not reach: who started it ends it, or end_all()."""
    global _starting
    parent = os.getpid()

    def tie():
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died meanwhile
            os.kill(os.getpid(), signal.SIGKILL)

    # (A signal amid Popen() would leave a process that nobody knows of.)
    _starting = True
    try:
        _started.append(
            subprocess.Popen(command, preexec_fn=tie, start_new_session=True, **kwargs))
    finally:
        _starting = False
    if _told:
        sys.exit(128 + _told)
    return _started[-1]


def end_all():
    """Ends what still runs: before that goes which they use."""
    for process in _started:
        process.kill()
        process.wait()


def end_well_when_told():
    """SIGTERM, SIGINT and SIGHUP (the terminal was closed) end what runs, and clean up,
    once. What is ignored stays so: of nohup."""
    told = [each for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            if signal.getsignal(each) != signal.SIG_IGN]

    def end(number, _):
        global _told
        for each in told:
            signal.signal(each, signal.SIG_IGN)
        if _starting:
            _told = number
        else:
            sys.exit(128 + number)

    for each in told:
        signal.signal(each, end)


def allow_all_descriptors():
    """As many as the administrator allows, for this process and its children."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def wait_file(path, pattern):
    """The text of a file once it holds the pattern."""
    end = time.monotonic() + 30
    while True:
        if os.path.exists(path):
            with open(path, errors="replace") as f:
                text = f.read()
            if re.search(pattern, text):
                return text
        if time.monotonic() > end:
            raise SystemExit("no %r in %s" % (pattern, path))
        time.sleep(0.01)


@functools.lru_cache
def scratch():
    """The folder for all that is of the moment; it goes at the end of the program."""
    folder = tempfile.mkdtemp(prefix="weir-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
