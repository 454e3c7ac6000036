"""A proxy that is measured, and weir in its variants. Others are in peers.py."""

import functools
import http.client
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

import processes


class Unavailable(Exception):
    """This proxy cannot run here. The message says why."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def need(program, package):
    """The path of a program."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
    if not path:
        raise Unavailable("needs Debian's package " + package)
    return path


class Proxy:
    """One proxy process, with one thread that moves bytes, between `self.port` and
    an upstream on 127.0.0.1. `start` makes self.process and self.port."""

    name = ""
    # What it is, for the report.
    about = ""
    # Before the command, such as a tracer.
    wrapper = ()
    # So many connections at once are well within its limits.
    limit = 8000
    # Whether its system calls and instructions are counted.
    counted = False

    def __init__(self, upstream_port, binary):
        self.directory = tempfile.mkdtemp(dir=processes.scratch())
        self.upstream_port = upstream_port
        self.binary = binary
        self.process = None
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def log(self):
        with open(os.path.join(self.directory, "log"), errors="replace") as log:
            return log.read().strip()

    def spawn(self, command, **kwargs):
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = processes.spawn([*self.wrapper, *command],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           **kwargs)

    def wait_listening(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.01)
        raise SystemExit("%s does not start: %s" % (self.name, self.log()))

    def stop(self, patience=5):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def pids(self):
        return [self.process.pid]

    def cpu_seconds(self):
        """User plus system time of all threads, to the nanosecond."""
        total = 0
        for pid in self.pids():
            tasks = "/proc/%d/task" % pid
            try:
                for task in os.listdir(tasks):
                    with open("%s/%s/schedstat" % (tasks, task)) as f:
                        total += int(f.read().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                if pid == self.process.pid:
                    raise SystemExit("%s died: %s" % (self.name, self.log())) from None
        return total / 1e9

    def anonymous_bytes(self):
        """Private anonymous memory."""
        total = 0
        for pid in self.pids():
            try:
                with open("/proc/%d/smaps_rollup" % pid) as f:
                    found = re.search(r"^Anonymous:\s+(\d+) kB", f.read(), re.M)
            except (FileNotFoundError, ProcessLookupError):  # it has ended
                continue
            total += int(found[1]) * 1024 if found else 0
        return total


@functools.lru_cache
def help_text(binary):
    return subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout


def knows(binary, flag, word=""):
    """Whether --help has this flag (`--shard=`) or key (`splice:`), and there this
    word."""
    found = re.search(r"^  (%s.*?)(?=^  \S|^$)" % re.escape(flag), help_text(binary), re.M | re.S)
    return bool(found) and re.search(r"\b%s\b" % re.escape(word), found[1]) is not None


class Weir(Proxy):
    name = "weir"
    about = "one reactor, epoll"
    arguments = ("--reactors=1",)
    keys = ""  # of its forward
    counted = True

    def start(self):
        for key in re.findall(r"\+([\w-]+:)", self.keys):
            if not knows(self.binary, key):
                raise Unavailable("this weir has no key " + key)
        read_end, write_end = os.pipe()
        ports = os.path.join(self.directory, "ports")
        try:
            self.spawn([self.binary,
                        "bench@127.0.0.1:0=127.0.0.1:%d%s" % (self.upstream_port, self.keys),
                        "--admin=127.0.0.1:0", "--ports_file=" + ports,
                        "--ready_fd=%d" % write_end, "--drain_timeout=1s", *self.arguments],
                       pass_fds=(write_end,))
        finally:
            os.close(write_end)
        ready = os.read(read_end, 1)
        os.close(read_end)
        if not ready:
            raise SystemExit("%s does not start: %s" % (self.name, self.log()))
        with open(ports) as f:
            text = f.read()
        self.ports = {name: int(port) for name, _, port in map(str.split, text.splitlines())}
        self.port = self.ports["bench"]

    def http(self, method, path):
        """The body of what the admin port answers, which has to be good."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["admin"],
                                                timeout=30)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read().decode()
            if response.status >= 300:
                raise SystemExit("weir: %s %s: %d %s" % (method, path, response.status, body))
            return body
        finally:
            connection.close()

    def threads(self, name):
        """The ids of its threads of this name."""
        found = []
        for task in os.listdir("/proc/%d/task" % self.process.pid):
            try:
                with open("/proc/%d/task/%s/comm" % (self.process.pid, task)) as f:
                    if f.read().strip() == name:
                        found.append(int(task))
            except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
                pass
        return found

    def version(self):
        done = subprocess.run([self.binary, "--version"], capture_output=True, text=True,
                              check=True)
        return (done.stdout + done.stderr).split("\n", 1)[0]


def weir_class(suffix, about, *arguments, keys="", **more):
    """A variant of weir; without --reactors it has one."""
    if not any(argument.startswith("--reactors=") for argument in arguments):
        arguments = ("--reactors=1", *arguments)
    return type("Weir", (Weir,), {"name": "weir-" + suffix, "about": about,
                                  "arguments": arguments, "keys": keys, "counted": False,
                                  **more})


VARIANTS = [
    weir_class("poll", "poller poll", "--poller=poll"),
    # Its descriptors are under 1,024.
    weir_class("select", "poller select", "--poller=select", limit=300),
    weir_class("io_uring", "poller io_uring", "--poller=io_uring"),
    weir_class("2", "two reactors", "--reactors=2"),
    weir_class("splice-off", "key splice:off", keys="+splice:off"),
    weir_class("splice-on", "key splice:on", keys="+splice:on", counted=True),
    weir_class("splice-auto", "key splice:auto, weir's default: shows the noise",
               keys="+splice:auto"),
]
