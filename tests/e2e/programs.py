"""Real servers on temporary data, for the tests with real programs."""

import hashlib
import os
import pwd
import random
import shutil
import subprocess
import tempfile
import time
import unittest

import peers
from weir import LONG


def need(*names):
    """The paths of programs, or a skip that names the missing one."""
    paths = []
    for name in names:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not path:
            raise unittest.SkipTest(name + " is not installed")
        paths.append(path)
    return paths


def unprivileged(*names):
    """A command prefix that runs as another user, for programs that refuse root."""
    if os.getuid() != 0:
        return [], None
    for name in names + ("nobody",):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return ["setpriv", "--reuid=%d" % user.pw_uid, "--regid=%d" % user.pw_gid,
                "--clear-groups", "--"], user
    raise unittest.SkipTest("no user to drop to")


class Program:
    """A server process in a temporary folder. A context manager."""

    def __init__(self, user=None):
        self.directory = tempfile.mkdtemp(prefix="weir-")
        if user:
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        os.chmod(self.directory, 0o755)
        self.log = os.path.join(self.directory, "log")
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start(self, make_command, answers):
        """Starts make_command(port) until answers() says that it serves. Another
        process may have taken the port, so tries again with others."""
        for _ in range(5):
            self.port = peers.free_port()
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen(
                    make_command(self.port), stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, cwd=self.directory)
            deadline = time.monotonic() + LONG
            while self.process.poll() is None and time.monotonic() < deadline:
                if answers():
                    return
                time.sleep(0.02)
            self.kill()
        with open(self.log, errors="replace") as log:
            text = log.read()
        self.close()
        raise AssertionError("cannot start %s: %s" % (make_command(0)[0], text))

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(LONG)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Postgres(Program):
    BIN = "/usr/lib/postgresql/15/bin"

    def __init__(self):
        if not os.path.exists(self.BIN + "/initdb"):
            raise unittest.SkipTest("PostgreSQL 15 is not installed")
        need("pgbench")
        as_user, user = unprivileged("postgres")
        super().__init__(user)
        data = os.path.join(self.directory, "data")
        try:
            subprocess.run(as_user + [self.BIN + "/initdb", "-D", data, "-A", "trust", "-N",
                                      "-U", "weir", "--locale=C", "-E", "UTF8"],
                           check=True, capture_output=True, cwd=self.directory)
        except subprocess.CalledProcessError as error:
            self.close()
            raise AssertionError("initdb: " + error.stderr.decode())
        self.start(lambda port: as_user + [
            self.BIN + "/postgres", "-D", data, "-p", str(port),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + self.directory,
            "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60",
        ], lambda: subprocess.run(
            [self.BIN + "/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            check=False).returncode == 0)
        self.unix = os.path.join(self.directory, ".s.PGSQL.%d" % self.port)


class Redis(Program):
    def __init__(self):
        server, cli, _ = need("redis-server", "redis-cli", "redis-benchmark")
        super().__init__()
        self.unix = os.path.join(self.directory, "redis.sock")
        self.start(lambda port: [
            server, "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", self.unix,
            "--save", "", "--appendonly", "no", "--dir", self.directory,
        ], lambda: subprocess.run([cli, "-p", str(self.port), "ping"], check=False,
                                  capture_output=True).stdout == b"PONG\n")


class Nginx(Program):
    """Serves `small` (1 KiB) and `big` (16 MiB) over TCP and a unix socket."""

    CONFIG = """
daemon off;
master_process off;
pid {d}/pid;
error_log {d}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path {d}/body;
  proxy_temp_path {d}/proxy;
  fastcgi_temp_path {d}/fastcgi;
  uwsgi_temp_path {d}/uwsgi;
  scgi_temp_path {d}/scgi;
  client_max_body_size 64m;
  server {{
    listen 127.0.0.1:{port};
    listen unix:{d}/nginx.sock;
    root {d}/www;
    location /sink {{ client_body_in_file_only clean; return 204; }}
  }}
}}
"""

    def __init__(self):
        server, curl = need("nginx", "curl")
        super().__init__()
        self.unix = os.path.join(self.directory, "nginx.sock")
        www = os.path.join(self.directory, "www")
        os.mkdir(www)
        self.digests = {}
        for name, size in (("small", 1 << 10), ("big", 16 << 20)):
            content = random.Random(size).randbytes(size)
            self.digests[name] = hashlib.sha256(content).hexdigest()
            with open(os.path.join(www, name), "wb") as f:
                f.write(content)

        def command(port):
            path = os.path.join(self.directory, "nginx.conf")
            with open(path, "w") as f:
                f.write(self.CONFIG.format(d=self.directory, port=port))
            if os.path.exists(self.unix):
                os.unlink(self.unix)
            return [server, "-c", path, "-p", self.directory, "-e", self.log]

        self.start(command, lambda: subprocess.run(
            [curl, "-sf", "-o", "/dev/null", "http://127.0.0.1:%d/small" % self.port],
            check=False).returncode == 0)


class FourWays:
    """A server that listens on TCP and on a unix socket, behind weir with one
    listener of each kind for each: `tt tu ut uu`, listener first."""

    WAYS = ("tt", "tu", "ut", "uu")

    def __init__(self, server, unix_name="s"):
        # Short: a unix socket's path has 107 bytes at most.
        self.directory = tempfile.mkdtemp(prefix="weir-")
        self._server, self._unix_name = server, unix_name

    def specs(self):
        made = []
        for way in self.WAYS:
            listen = "127.0.0.1:0"
            if way[0] == "u":
                os.makedirs(os.path.dirname(self.path(way)), exist_ok=True)
                listen = self.path(way)
            target = self._server.unix if way[1] == "u" else "127.0.0.1:%d" % self._server.port
            made.append("%s@%s=%s" % (way, listen, target))
        return made

    def path(self, way):
        return os.path.join(self.directory, way, self._unix_name)

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)
