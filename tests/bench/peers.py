"""The proxies that weir is measured against, all of Debian's packages."""

import os
import resource
import subprocess

import proxies


class Direct(proxies.Proxy):
    """No proxy: what the load generator could do at most."""
    name = "direct"
    about = "no proxy between the ends of the load"

    def start(self):
        self.port = self.upstream_port

    def version(self):
        return ""

    def pids(self):
        return []


class Haproxy(proxies.Proxy):
    name = "haproxy"
    about = "defaults"
    counted = True
    settings = options = ""
    CONFIG = """
global
  nbthread 1
  maxconn {most}
  maxpipes 256
{settings}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
{options}
listen bench
  bind 127.0.0.1:{port} backlog 4096
  server upstream 127.0.0.1:{upstream}
"""

    def start(self):
        self.path = proxies.need("haproxy", "haproxy")
        self.port = proxies.free_port()
        config = os.path.join(self.directory, "haproxy.cfg")
        # Two descriptors each, two a pipe, and some.
        most = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 2 * 256 - 200) // 2
        with open(config, "w") as f:
            f.write(self.CONFIG.format(most=most, port=self.port, upstream=self.upstream_port,
                                       settings=self.settings, options=self.options))
        self.spawn([self.path, "-db", "-q", "-f", config])
        self.wait_listening()

    def version(self):
        done = subprocess.run([self.path, "-v"], capture_output=True, text=True, check=True)
        return done.stdout.split(" - ", 1)[0].replace(" version", "")


class HaproxySplice(Haproxy):
    name = "haproxy-splice"
    about = "option splice-auto splice-request splice-response"
    options = "  option splice-auto\n  option splice-request\n  option splice-response\n"


class HaproxySpliceBig(HaproxySplice):
    name = "haproxy-splice-1m"
    about = "the same, tune.pipesize 1048576"
    settings = "  tune.pipesize 1048576\n"
    counted = False


class Nginx(proxies.Proxy):
    name = "nginx"
    about = "stream module, defaults"
    counted = True
    settings = ""
    CONFIG = """
load_module {module};
daemon off;
master_process off;
worker_rlimit_nofile 20000;
pid {d}/pid;
error_log {d}/error.log;
events {{ worker_connections 20000; }}
stream {{
  {settings}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    proxy_pass 127.0.0.1:{upstream};
  }}
}}
"""
    MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

    def start(self):
        self.path = proxies.need("nginx", "nginx")
        if not os.path.exists(self.MODULE):
            raise proxies.Unavailable("needs Debian's package libnginx-mod-stream")
        self.port = proxies.free_port()
        config = os.path.join(self.directory, "nginx.conf")
        with open(config, "w") as f:
            f.write(self.CONFIG.format(module=self.MODULE, d=self.directory, port=self.port,
                                       upstream=self.upstream_port, settings=self.settings))
        self.spawn([self.path, "-c", config, "-p", self.directory,
                    "-e", os.path.join(self.directory, "error.log")])
        self.wait_listening()

    def version(self):
        return subprocess.run([self.path, "-v"], capture_output=True, text=True,
                              check=True).stderr.strip().replace("nginx version: ", "")


class NginxBig(Nginx):
    name = "nginx-512k"
    about = "proxy_buffer_size 512k"
    settings = "proxy_buffer_size 512k;"
    counted = False


class Socat(proxies.Proxy):
    """A process a connection."""
    name = "socat"
    about = "fork: a process a connection"
    limit = 100

    def start(self):
        self.path = proxies.need("socat", "socat")
        self.port = proxies.free_port()
        self.spawn([self.path,
                    "TCP-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,backlog=4096,nodelay" % self.port,
                    "TCP:127.0.0.1:%d,nodelay" % self.upstream_port])
        self.wait_listening()

    def pids(self):
        own = self.process.pid
        with open("/proc/%d/task/%d/children" % (own, own)) as f:
            return [own, *map(int, f.read().split())]

    def cpu_seconds(self):
        """With those that ended, which the kernel tells in hundredths of a second."""
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rpartition(")")[2].split()
        ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        return ended + super().cpu_seconds()

    def version(self):
        done = subprocess.run([self.path, "-V"], capture_output=True, text=True, check=True)
        line = next(line for line in done.stdout.splitlines() if "socat version" in line)
        return " ".join(line.split()[:3]).replace(" version", "")


class Node(proxies.Proxy):
    """What a developer writes in five lines."""
    name = "node"
    about = "net.createServer and pipe, both ways, allowHalfOpen"
    PROGRAM = """
const net = require("net");
net.createServer({allowHalfOpen: true, noDelay: true}, (client) => {
  const upstream = net.connect({port: %d, host: "127.0.0.1", allowHalfOpen: true, noDelay: true});
  for (const end of [client, upstream]) end.on("error", () => {
    client.destroy();
    upstream.destroy();
  });
  client.pipe(upstream);
  upstream.pipe(client);
}).listen(%d, "127.0.0.1", 4096);
"""

    def start(self):
        self.path = proxies.need("node", "nodejs")
        self.port = proxies.free_port()
        self.spawn([self.path, "-e", self.PROGRAM % (self.upstream_port, self.port)])
        self.wait_listening()

    def version(self):
        done = subprocess.run([self.path, "-v"], capture_output=True, text=True, check=True)
        return "node " + done.stdout.strip()


ALL = {c.name: c for c in (
    proxies.Weir, *proxies.VARIANTS, Haproxy, HaproxySplice, HaproxySpliceBig, Nginx, NginxBig,
    Socat, Node, Direct)}

# Peers with the settings that they are usually run with: whom to beat.
USUAL = ("haproxy", "haproxy-splice", "nginx")
