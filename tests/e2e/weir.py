"""Runs the proxy under test, and knows what it says about itself.

The binary is taken from $WEIR (a path). Nothing here waits by sleeping for a
guessed time: readiness comes through --ready_fd, ports through --ports_file, and
everything else is polled with a bound that only a failing test reaches.
"""

import contextlib
import http.client
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

_SANITIZERS = (b"__asan_init", b"__tsan_init", b"__ubsan_handle_type_mismatch")
_REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "ThreadSanitizer",
            "runtime error:", "Check failed", "*** SIG")


def binary():
    path = os.environ.get("WEIR", "bazel-bin/proxy/weir")
    if not os.access(path, os.X_OK):
        raise FileNotFoundError("no weir binary at %s; set $WEIR" % path)
    return os.path.abspath(path)


def _find_sanitizer():
    try:
        with open(binary(), "rb") as f:
            content = f.read()
    except FileNotFoundError:
        return ""
    for symbol in _SANITIZERS:
        if symbol in content:
            return symbol.decode().split("_")[2]
    return ""


# "asan", "tsan", "ubsan" or "": how the binary under test was built.
SANITIZER = _find_sanitizer()
# Figures of time and memory mean something only without a sanitizer.
PLAIN = not SANITIZER
# What a load test may divide its counts by, so that a sanitizer build, on a slow
# machine, ends in time.
SCALE = 1 if PLAIN else 5
# A bound that only a failing test reaches.
LONG = 60 if PLAIN else 180

POLLERS = ("epoll", "poll", "select", "io_uring")


def wait_until(condition, what, timeout=LONG, interval=0.005):
    """Returns the first true value of condition(), or raises and says what was
    waited for: `what` is a string or makes one."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("waited %g s in vain for %s" % (
                timeout, what() if callable(what) else what))
        time.sleep(interval)


def _environment(run_directory, more):
    """Ours, but for where processes of weir find each other: no test sees those
    of another, or the machine's."""
    return {**os.environ, "XDG_RUNTIME_DIR": run_directory, **(more or {})}


def become(user):
    """Gives up root for the pwd entry `user`; for a child between fork and exec."""
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


class Page:
    """A parsed /metrics page."""

    _LINE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
    _LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.text = text
        self.samples = []
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            match = self._LINE.match(line)
            if not match:
                raise AssertionError("not a sample: " + line)
            self.samples.append((match[1], dict(self._LABEL.findall(match[2] or "")),
                                 float(match[3])))

    def find(self, name, **labels):
        return [s for s in self.samples if s[0] == name and
                all(s[1].get(k) == v for k, v in labels.items())]

    def total(self, name, **labels):
        """The sum over all samples with these labels. There must be one."""
        found = self.find(name, **labels)
        if not found:
            raise AssertionError("no %s%s on the page" % (name, labels))
        return sum(s[2] for s in found)

    def get(self, name, default=0, **labels):
        found = self.find(name, **labels)
        return sum(s[2] for s in found) if found else default


class Weir:
    """One weir process. A context manager; always ends the process."""

    # Ends a test's proxy soon although a peer is still connected. Tests of the
    # drain itself name their own.
    QUICK_DRAIN = ("--drain_idle=100ms", "--drain_spread=100ms", "--drain_timeout=2s")

    def __init__(self, *args, poller=None, reactors=None, admin="127.0.0.1:0",
                 wrapper=(), env=None, nofile=None, stderr=None, preexec=None,
                 quick_drain=True, user=None):
        """`user`: a pwd entry, to run as somebody else, which only root may."""
        self.directory = tempfile.mkdtemp(prefix="weir-")
        program = binary()
        if user:
            program = shutil.copy(program, self.directory)  # Where the user can read it.
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        self._stderr_path = os.path.join(self.directory, "stderr")
        self._ports_path = os.path.join(self.directory, "ports")
        command = list(wrapper) + [program] + list(args)
        if poller:
            command.append("--poller=" + poller)
        if reactors:
            command.append("--reactors=%d" % reactors)
        if admin is not None:
            command.append("--admin=" + admin)
        if quick_drain:
            command += self.QUICK_DRAIN
        command.append("--ports_file=" + self._ports_path)
        ready_read, ready_write = os.pipe()
        command.append("--ready_fd=%d" % ready_write)
        self.command = command

        def before_exec():
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
            if preexec:
                preexec()
            if user:
                become(user)

        self.code = None
        self.closed = False
        self._checked = False
        own_stderr = None
        if stderr is None:
            own_stderr = open(self._stderr_path, "wb")
            stderr = own_stderr
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                pass_fds=(ready_write,), env=_environment(self.directory, env),
                preexec_fn=before_exec)
        finally:
            os.close(ready_write)
            if own_stderr:
                own_stderr.close()
        self.pid = self.process.pid
        self._ready_fd = ready_read
        try:
            self._wait_ready(to_the_end=not wrapper)
            if not wrapper:
                wait_until(self._loops_are_watched, "the loops to begin")
            self.ports = self._read_ports()
            # (No address for a unix socket.)
            self.admin = self._find_admin() if admin and "/" not in admin else None
        except BaseException:
            self.close(check=False)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and not issubclass(kind, unittest.SkipTest):
            self._print_state()
        self.close(check=kind is None)

    # Start ------------------------------------------------------------------

    def _wait_ready(self, to_the_end):
        """weir closes the pipe after the word: behind the end of file, no
        descriptor is about to go. A wrapper may hold the pipe open."""
        said = b""
        try:
            while to_the_end or not said:
                # (Not select(): this process may have more than 1,024 descriptors.)
                look = select.poll()
                look.register(self._ready_fd, select.POLLIN)
                if not look.poll(LONG * 1000):
                    raise AssertionError("not ready after %d s: %s" % (LONG, self.stderr()))
                piece = os.read(self._ready_fd, 100)
                if not piece:
                    break
                said += piece
        finally:
            os.close(self._ready_fd)
        if not said:
            raise AssertionError("%s\nended before it was ready, code %s: %s" % (
                " ".join(self.command), self.process.wait(LONG), self.stderr()))

    def _read_ports(self):
        """{name: [(address, port), ...]} from the ports file."""
        ports = {}
        with open(self._ports_path) as f:
            for line in f:
                name, address, port = line.split()
                ports.setdefault(name, []).append((address.strip("[]"), int(port)))
        return ports

    def _find_admin(self):
        if "admin" in self.ports:
            return self.ports["admin"][0]
        match = re.search(r"admin\s+http://(\S+?):(\d+)", self.stderr())
        if not match:
            raise AssertionError("no admin address in: " + self.stderr())
        return match[1].strip("[]"), int(match[2])

    def port(self, name):
        return self.ports[name][0][1]

    def address(self, name):
        """(address, port) to connect to."""
        return self.ports[name][0]

    # What it says -----------------------------------------------------------

    def stderr(self):
        try:
            with open(self._stderr_path, "rb") as f:
                return f.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_stderr(self, pattern, timeout=LONG):
        return wait_until(lambda: re.search(pattern, self.stderr(), re.M),
                          "stderr to match " + pattern, timeout)

    def http(self, path, method="GET", headers=None, body=None, timeout=LONG):
        """(status, body) of a request to the admin port."""
        connection = http.client.HTTPConnection(*self.admin, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def metrics(self):
        status, text = self.http("/metrics")
        if status != 200:
            raise AssertionError("/metrics said %d: %s" % (status, text))
        return Page(text)

    def wait_metric(self, condition, what, timeout=LONG):
        """Polls /metrics until condition(page), and returns that page. Not too
        often: on one core, the polls would take it from what they wait for."""
        def look():
            page = self.metrics()
            return page if condition(page) else None
        return wait_until(look, what, timeout, interval=0.02)

    def wait_at_rest(self, timeout=LONG):
        """Waits until no connection is open, and returns the page."""
        return self.wait_metric(
            lambda page: page.total("weir_connections_active") == 0 and
            page.total("weir_connections_accepted_total") ==
            page.total("weir_connections_closed_total") +
            page.get("weir_connections_rejected_total"),
            "all connections to end", timeout)

    # What the kernel says ---------------------------------------------------

    def _of_threads(self, name):
        """What the kernel says in the file `name` about each thread."""
        for task in os.listdir("/proc/%d/task" % self.pid):
            # (The kernel's own threads for io_uring come and go.)
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                    open("/proc/%d/task/%s/%s" % (self.pid, task, name)) as f:
                yield f.read()

    def cpu_seconds(self):
        """User plus system time of all threads so far, to the nanosecond."""
        return sum(int(text.split()[0]) for text in self._of_threads("schedstat")) / 1e9

    def cpu_share(self, seconds):
        """The share of one core that it uses over the next `seconds`."""
        start, cpu = time.monotonic(), self.cpu_seconds()
        time.sleep(seconds)  # This is the measurement, not a wait for something.
        return (self.cpu_seconds() - cpu) / (time.monotonic() - start)

    def assert_idle(self, share=0.03):
        """The CPU rests. A sanitizer's own threads may take a little; so may what
        is still under way, or the machine: what spins, spins in each window."""
        most = share if PLAIN else 5 * share
        used = []
        while not used or used[-1] >= most:
            if len(used) == 4:
                raise AssertionError("not idle: %s of a core in windows of 0.5 s" % used)
            used.append(self.cpu_share(0.5))

    def open_fds(self):
        """(A sanitizer that names a stack keeps the programs and libraries open that
        it read.)"""
        path = "/proc/%d/fd" % self.pid
        found = 0
        for fd in os.listdir(path):
            with contextlib.suppress(FileNotFoundError):  # Closed meanwhile.
                target = os.readlink(os.path.join(path, fd))
                found += PLAIN or not re.search(r"\.so[.0-9]*$|/proxy/weir$", target)
        return found

    def _loops_are_watched(self):
        """Each loop opens its schedstat when its thread begins, which may be after
        the proxy said that it is ready: no descriptor is about to come."""
        threads, opened = [], 0
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in os.listdir("/proc/%d/task" % self.pid):
                with open("/proc/%d/task/%s/comm" % (self.pid, task)) as f:
                    threads.append(f.read().strip())
            for fd in os.listdir("/proc/%d/fd" % self.pid):
                with contextlib.suppress(FileNotFoundError):
                    opened += os.readlink("/proc/%d/fd/%s" % (self.pid, fd)).endswith("/schedstat")
        loops = 1 + sum(name.startswith("weir-r") for name in threads)
        return ("watchdog" not in threads or opened == loops or
                not os.path.exists("/proc/self/schedstat"))

    def rss(self):
        """Private memory in bytes, without the pages of the binary's file. (Not
        RssAnon of `status`, which each thread of the kernel counts in batches.)"""
        with open("/proc/%d/smaps_rollup" % self.pid) as f:
            return int(re.search(r"^Anonymous:\s+(\d+) kB", f.read(), re.M)[1]) * 1024

    def _print_state(self):
        """What tells why a test fails, while it is still there."""
        print("%s\nstderr: ...%s" % (" ".join(self.command), self.stderr()[-8000:]),
              file=sys.stderr)
        folder = "/proc/%d/fd" % self.pid
        try:
            for fd in sorted(os.listdir(folder), key=int):
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    print("fd %s: %s" % (fd, os.readlink(os.path.join(folder, fd))),
                          file=sys.stderr)
        except OSError as error:
            print("no descriptors: %s" % error, file=sys.stderr)

    # End --------------------------------------------------------------------

    def signal(self, number=signal.SIGTERM):
        os.kill(self.pid, number)

    def wait_signals_taken(self):
        """Until it has read all signals: of one kind, only one can be pending."""
        def none_pending():
            with open("/proc/%d/status" % self.pid) as f:
                return int(re.search(r"ShdPnd:\s+(\w+)", f.read())[1], 16) == 0
        wait_until(none_pending, "it to read its signals")

    @contextlib.contextmanager
    def stopped(self):
        """No thread of it runs meanwhile; the kernel goes on for it."""
        def all_stopped():
            return all(text.rsplit(")", 1)[1].split()[0] == "T"
                       for text in self._of_threads("stat"))
        self.signal(signal.SIGSTOP)
        try:
            wait_until(all_stopped, "it to stop")
            yield
        finally:
            self.signal(signal.SIGCONT)

    def alive(self):
        return self.process.poll() is None

    def wait(self, timeout=LONG):
        """The exit code."""
        try:
            self.code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("still there after %g s: %s" % (timeout, self.stderr()))
        return self.code

    def stop(self, timeout=LONG):
        """Drains and checks that this ends with 0."""
        if self.alive():
            self.signal()
        code = self.wait(timeout)
        if code != 0:
            raise AssertionError("exit code %d: %s" % (code, self.stderr()))
        self.check_output()

    def check_output(self):
        """No sanitizer has complained, and nothing went to stdout."""
        self._checked = True
        text = self.stderr()
        for report in _REPORTS:
            if report in text:
                raise AssertionError("%s\nsaid: %s" % (" ".join(self.command), text))
        out = self.process.stdout.read()
        if out:
            raise AssertionError("stdout is not empty: %r" % out)

    def close(self, check=True):
        if self.closed:
            return
        self.closed = True
        try:
            if check and not self._checked:
                if self.process.returncode is None:
                    self.stop()
                else:
                    self.check_output()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            shutil.rmtree(self.directory, ignore_errors=True)


def run(*args, timeout=LONG, env=None, wrapper=(), preexec=None):
    """Runs weir to its end: (code, stdout, stderr)."""
    done = subprocess.run(list(wrapper) + [binary()] + list(args), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=timeout, preexec_fn=preexec,
                          env=_environment("/nonexistent", env))
    stderr = done.stderr.decode(errors="replace")
    for report in _REPORTS:
        if report in stderr:
            raise AssertionError("%s\nsaid: %s" % (" ".join(args), stderr))
    return done.returncode, done.stdout.decode(errors="replace"), stderr
