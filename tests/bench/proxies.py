"""The proxies that bench.py compares. To add one: a subclass of Proxy in ALL."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Proxy:
    """One proxy process, with one thread that moves bytes, between `self.port` and
    an upstream on 127.0.0.1. `start` makes self.process and self.port."""

    name = ""

    def __init__(self, upstream_port, binary):
        self.directory = tempfile.mkdtemp(prefix="weir-bench-")
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

    def spawn(self, command, **kwargs):
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, **kwargs)

    def wait_listening(self):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.01)
        with open(os.path.join(self.directory, "log"), errors="replace") as log:
            raise SystemExit("%s does not start: %s" % (self.name, log.read()))

    def stop(self, patience=5):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def cpu_seconds(self):
        """User plus system time of all threads, to the nanosecond."""
        total = 0
        tasks = "/proc/%d/task" % self.process.pid
        for task in os.listdir(tasks):
            with open("%s/%s/schedstat" % (tasks, task)) as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def anonymous_bytes(self):
        """Private anonymous memory."""
        with open("/proc/%d/smaps_rollup" % self.process.pid) as f:
            return int(re.search(r"^Anonymous:\s+(\d+) kB", f.read(), re.M)[1]) * 1024


class Weir(Proxy):
    name = "weir"
    arguments = ("--reactors=1",)
    wrapper = ()

    def start(self):
        read_end, write_end = os.pipe()
        ports = os.path.join(self.directory, "ports")
        try:
            self.spawn([*self.wrapper, self.binary,
                        "bench@127.0.0.1:0=127.0.0.1:%d" % self.upstream_port,
                        "--admin=127.0.0.1:0", "--ports_file=" + ports,
                        "--ready_fd=%d" % write_end, "--drain_timeout=1s", *self.arguments],
                       pass_fds=(write_end,))
        finally:
            os.close(write_end)
        ready = os.read(read_end, 1)
        os.close(read_end)
        if not ready:
            with open(os.path.join(self.directory, "log"), errors="replace") as log:
                raise SystemExit("weir does not start: " + log.read())
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


class WeirTwo(Weir):
    """Two reactors: what sharing costs."""
    name = "weir-2"
    arguments = ("--reactors=2",)


class Nginx(Proxy):
    """Debian's, with the defaults of its stream module and one worker process."""
    name = "nginx"
    CONFIG = """
{module}daemon off;
master_process off;
worker_rlimit_nofile 20000;
pid {d}/pid;
error_log {d}/error.log;
events {{ worker_connections 20000; }}
stream {{
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    proxy_pass 127.0.0.1:{upstream};
  }}
}}
"""
    MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

    def start(self):
        path = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if not path or not os.path.exists(self.MODULE):
            raise SystemExit("needs Debian's nginx and libnginx-mod-stream")
        self.path = path
        self.port = free_port()
        config = os.path.join(self.directory, "nginx.conf")
        with open(config, "w") as f:
            f.write(self.CONFIG.format(module="load_module %s;\n" % self.MODULE,
                                       d=self.directory, port=self.port,
                                       upstream=self.upstream_port))
        self.spawn([path, "-c", config, "-p", self.directory,
                    "-e", os.path.join(self.directory, "error.log")])
        self.wait_listening()

    def version(self):
        return subprocess.run([self.path, "-v"], capture_output=True, text=True,
                              check=True).stderr.strip().replace("nginx version: ", "")


ALL = {c.name: c for c in (Weir, WeirTwo, Nginx)}
