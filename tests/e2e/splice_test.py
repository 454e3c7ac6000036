"""Bulk through pipes: whole on each poller, and wherever the kernel refuses."""

import ctypes
import errno
import hashlib
import os
import platform
import pwd
import random
import resource
import socket
import struct
import subprocess
import sys
import unittest

import peers
import weir

MIB = 1 << 20
# What a stream of a refusal carries: bulk that its reader lets wait.
BLOCK = random.Random(7).randbytes(4 * MIB)

# The numbers of splice(2) and pipe2(2).
CALLS = {"x86_64": (275, 293), "aarch64": (76, 59)}


def tool(*args):
    path = os.environ.get("STREAM_TOOL", "bazel-bin/tests/e2e/stream_tool")
    return subprocess.Popen([path, *args], stdout=subprocess.PIPE, text=True)


def deny(number, error):
    """A function for the child between fork and exec: the call with this number
    fails with `error` from now on."""
    # Load the call's number; another one goes on.
    code = [struct.pack("HBBI", 0x20, 0, 0, 0), struct.pack("HBBI", 0x15, 0, 1, number),
            struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | error),
            struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)]
    filters = ctypes.create_string_buffer(b"".join(code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filters))
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(_keep=filters):
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
            os._exit(99)
    return enter


def send_block(s):
    """A handler: the block, then the end of stream."""
    s.sendall(BLOCK)
    s.shutdown(socket.SHUT_WR)
    peers.read_all(s)


def relayed(page, path):
    return page.total("weir_relayed_bytes_total", path=path)


def fallbacks(page, *reasons):
    return sum(page.total("weir_splice_fallbacks_total", reason=reason) for reason in reasons)


# Takes what the kernel lets a user have of pipes: all of it with an argument, else
# but for half a MiB. Says so, and holds them until its input ends.
HOG = """
import fcntl, os, sys
def make(size):
    ends = os.pipe()
    try:
        fcntl.fcntl(ends[0], 1031, size)  # F_SETPIPE_SZ
        return ends
    except OSError:
        os.close(ends[0])
        os.close(ends[1])
first = make(1 << 19)
for size in (1 << 20, 1 << 18, 1 << 16):
    while make(size):
        pass
if len(sys.argv) < 2 and first:
    os.close(first[0])
    os.close(first[1])
print("held", flush=True)
sys.stdin.read()
"""


class SpliceTest(unittest.TestCase):
    def stream(self, proxy_args, poller, size, up):
        """One stream, compared by checksum; the last page."""
        listener = tool("listen", "receive" if up else "send", str(size))
        self.addCleanup(listener.stdout.close)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.kill)
        port = listener.stdout.readline().split()[1]
        with weir.Weir("s@127.0.0.1:0=127.0.0.1:" + port, *proxy_args,
                       poller=poller) as proxy:
            before = proxy.open_fds()
            client = tool("connect", "send" if up else "receive", str(size),
                          str(proxy.port("s")))
            self.addCleanup(client.wait)
            self.addCleanup(client.kill)
            at_client, _ = client.communicate(timeout=600)
            at_listener, _ = listener.communicate(timeout=600)
            self.assertEqual((client.returncode, listener.returncode), (0, 0))
            self.assertEqual(at_client, at_listener)
            page = proxy.wait_at_rest()
            self.assertEqual(page.total("weir_sent_bytes_total"), size)
            # Pipes are closed when nobody needs them.
            weir.wait_until(lambda: proxy.open_fds() <= before, "the pipes to be closed")
            self.assertEqual(proxy.metrics().total("weir_reactor_pipes"), 0)
            return page

    def test_bulk_is_spliced(self):
        size = 256 * MIB // weir.SCALE
        for poller in weir.POLLERS:
            for up in (True, False):
                with self.subTest(poller=poller, up=up):
                    page = self.stream((), poller, size, up)
                    self.assertGreater(relayed(page, "splice"), 0.9 * size)

    def test_without_pipes_it_is_copied(self):
        size = 64 * MIB // weir.SCALE
        for poller in weir.POLLERS:
            for up in (True, False):
                with self.subTest(poller=poller, up=up):
                    page = self.stream(("--splice_pipes=0",), poller, size, up)
                    self.assertEqual(relayed(page, "copy"), size)

    def bulk(self, proxy, count=1):
        """`count` streams at once, all whole."""
        clients = [peers.connect(proxy.address("s")) for _ in range(count)]
        proxy.wait_metric(
            lambda page: page.total("weir_connections_active", state="relaying") == count,
            "all streams to begin")
        for client in clients:
            with client:
                self.assertEqual(hashlib.sha256(peers.read_all(client)).digest(),
                                 hashlib.sha256(BLOCK).digest())
        return proxy.wait_at_rest()

    def test_splice_denied(self):
        if platform.machine() not in CALLS:
            self.skipTest("the numbers of system calls are not known here")
        splice, pipe2 = CALLS[platform.machine()]
        for number, error in ((splice, errno.EPERM), (splice, errno.ENOSYS),
                              (pipe2, errno.EPERM)):
            with self.subTest(number=number, error=error), \
                    peers.Server(send_block) as server, \
                    weir.Weir("s@127.0.0.1:0=" + server.target + "+splice:on",
                              preexec=deny(number, error)) as proxy:
                page = self.bulk(proxy, 3)
                self.assertEqual(relayed(page, "copy"), 3 * len(BLOCK))
                self.assertGreater(fallbacks(page, "refused"), 0)

    def test_out_of_descriptors(self):
        def on_request(s):
            peers.read_exactly(s, 1)
            send_block(s)

        with peers.Server(on_request) as server, \
                weir.Weir("s@127.0.0.1:0=" + server.target + "+splice:on",
                          reactors=1) as proxy:
            def request():
                client.sendall(b"x")
                self.assertTrue(peers.read_all(client) == BLOCK)

            with peers.connect(proxy.address("s")) as client:
                proxy.wait_metric(lambda page: page.total("weir_connections_active",
                                                          state="relaying") == 1,
                                  "the connection to be open")
                old = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
                taken = {int(fd) for fd in os.listdir("/proc/%d/fd" % proxy.pid)}
                free = [fd for fd in range(len(taken) + 2) if fd not in taken]
                # One number is left, and a pipe needs two.
                resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (free[1], old[1]))
                request()
                resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, old)
            page = proxy.wait_at_rest()
            self.assertGreater(fallbacks(page, "descriptors"), 0)
            spliced = relayed(page, "splice")
            # A shortage costs the moment: a tenth of a second.
            while relayed(proxy.wait_at_rest(), "splice") == spliced:
                with peers.connect(proxy.address("s")) as client:
                    request()

    def run_as_nobody(self, proxy_uses, *hog_args):
        if os.getuid() != 0:
            self.skipTest("only root can run it as another user")
        with open("/proc/sys/fs/pipe-user-pages-soft") as f:
            if int(f.read()) == 0:
                self.skipTest("this kernel limits no user's pipes")
        user = pwd.getpwnam("nobody")

        hog = subprocess.Popen([sys.executable, "-c", HOG, *hog_args], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, preexec_fn=lambda: weir.become(user),
                               cwd="/")
        with hog, peers.Server(send_block) as server:
            self.assertEqual(hog.stdout.readline(), b"held\n")
            with weir.Weir("s@127.0.0.1:0=" + server.target + "+splice:on", user=user) as proxy:
                before = proxy.open_fds()
                proxy_uses(proxy)
                weir.wait_until(lambda: proxy.open_fds() <= before, "the pipes to be closed")

    def test_a_user_with_little_left(self):
        def use(proxy):
            page = self.bulk(proxy, 80 // weir.SCALE)
            self.assertGreater(fallbacks(page, "pipe_size", "user_limit"), 0)
        self.run_as_nobody(use)

    def test_a_user_with_nothing_left(self):
        def use(proxy):
            page = self.bulk(proxy, 3)
            self.assertGreater(fallbacks(page, "user_limit"), 0)
            self.assertEqual(relayed(page, "splice"), 0)
        self.run_as_nobody(use, "all")

    def test_a_reset_amid_bulk(self):
        """What was read arrives, and then the reset, from either side."""
        for poller in weir.POLLERS:
            for up in (True, False):
                with self.subTest(poller=poller, up=up), peers.Server() as server, \
                        weir.Weir("s@127.0.0.1:0=" + server.target + "+splice:on",
                                  poller=poller) as proxy, \
                        peers.connect(proxy.address("s")) as client, server.take() as upstream:
                    source, target = (client, upstream) if up else (upstream, client)
                    peers.fill(source, proxy)
                    self.assertGreater(relayed(proxy.metrics(), "splice"), 0)
                    peers.reset(source)
                    count = 0
                    with self.assertRaises(ConnectionResetError):
                        while True:
                            piece = target.recv(MIB)
                            self.assertNotEqual(piece, b"", "it looks complete")
                            count += len(piece)
                    page = proxy.wait_at_rest()
                    self.assertEqual(page.total("weir_received_bytes_total"), count)
                    self.assertEqual(page.total("weir_discarded_bytes_total"), 0)

    def test_stalled_streams_cost_no_work(self):
        for poller in weir.POLLERS:
            with self.subTest(poller=poller), peers.Server() as server, \
                    weir.Weir("s@127.0.0.1:0=" + server.target + "+splice:on",
                              poller=poller, reactors=1) as proxy:
                links = []
                for _ in range(20):
                    client = peers.connect(proxy.address("s"))
                    links += [client, server.take()]
                peers.fill_all(links[::2], proxy)
                page = proxy.metrics()
                self.assertGreater(relayed(page, "splice"), 0)
                self.assertGreater(page.total("weir_reactor_pipes"), 0)
                # What spins never stands still.
                still = peers.Standstill()
                proxy.wait_metric(
                    lambda page: still(page.total("weir_reactor_iterations_total",
                                                  reactor="0")),
                    "the loop to sleep")
                for s in links:
                    peers.reset(s)
                proxy.wait_at_rest()


if __name__ == "__main__":
    unittest.main()
