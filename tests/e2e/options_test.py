"""The socket keys of a forward, held against what the kernel does with them."""

import contextlib
import json
import re
import socket
import subprocess
import unittest

import namespace
import peers
import weir

ADDRESS = "10.9.9.1"
# How long an answer may take. The kernel gives up on its own after a quarter of an
# hour of retransmissions, and keepalive after two minutes: far over every bound here.
USER_TIMEOUT = "500ms"


@contextlib.contextmanager
def passing_address():
    """Whoever is at ADDRESS vanishes at the end: nothing reaches it, nor comes."""
    namespace.ip("address", "add", ADDRESS + "/32", "dev", "lo")
    try:
        yield
    finally:
        namespace.ip("address", "del", ADDRESS + "/32", "dev", "lo")


def passive_fast_opens():
    """How many connections of this network brought bytes with their SYN."""
    with open("/proc/net/netstat") as f:
        lines = [line.split() for line in f if line.startswith("TcpExt:")]
    return int(dict(zip(*lines))["TCPFastOpenPassive"])


class UserTimeoutTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace.enter_network_namespace()

    def assert_lost(self, proxy, reason):
        page = proxy.wait_metric(
            lambda p: p.total("weir_connections_closed_total", forward="a") == 1,
            "the connection to end")
        self.assertEqual(page.total("weir_connections_closed_total", forward="a",
                                    reason=reason), 1)

    def test_a_client_vanishes(self):
        with peers.Server() as server, \
                weir.Weir("a@127.0.0.1:0=%s+user-timeout:%s" % (
                    server.target, USER_TIMEOUT)) as proxy, \
                socket.socket() as client:
            with passing_address():
                client.settimeout(weir.LONG)
                client.bind((ADDRESS, 0))
                client.connect(proxy.address("a"))
                upstream = server.take()
                upstream.sendall(b"hello")
                self.assertEqual(peers.read_exactly(client, 5), b"hello")
            with upstream:
                upstream.sendall(b"x" * 1000)
                self.assert_lost(proxy, "client_lost")
                with self.assertRaises(ConnectionResetError):
                    upstream.recv(1)

    def test_an_upstream_vanishes(self):
        with contextlib.ExitStack() as stack:
            with passing_address():
                listener = stack.enter_context(socket.create_server((ADDRESS, 0)))
                proxy = stack.enter_context(weir.Weir(
                    "a@127.0.0.1:0=%s:%d+user-timeout:%s" % (
                        ADDRESS, listener.getsockname()[1], USER_TIMEOUT)))
                client = stack.enter_context(peers.connect(proxy.address("a")))
                listener.settimeout(weir.LONG)
                upstream = stack.enter_context(listener.accept()[0])
                client.sendall(b"hello")
                self.assertEqual(peers.read_exactly(upstream, 5), b"hello")
            client.sendall(b"x" * 1000)
            self.assert_lost(proxy, "upstream_lost")
            with self.assertRaises(ConnectionResetError):
                client.recv(1)

    def test_a_client_that_is_alive_does_not_read(self):
        with peers.Server(lambda s: peers.send_stream(s, 64 << 20, seed=1)) as server, \
                weir.Weir("a@127.0.0.1:0=%s+user-timeout:%s" % (
                    server.target, USER_TIMEOUT)) as proxy, \
                socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(proxy.address("a"))
            self.assert_lost(proxy, "client_lost")
            # The server's sends fail with it.
            weir.wait_until(lambda: server.errors, "the upstream to be reset")
            self.assertIsInstance(server.errors.pop(), ConnectionError)


class FastOpenTest(unittest.TestCase):
    def setUp(self):
        # A network remembers the cookies of its servers: each test has its own.
        namespace.enter_network_namespace()
        # Both sides. (A network that is new allows clients alone.)
        namespace.set_ipv4("tcp_fastopen", "3")

    def send_with_syn(self, proxy, data):
        s = socket.socket()
        self.addCleanup(s.close)
        # (With a time-out it would not wait for the first handshake.)
        self.assertEqual(s.sendto(data, socket.MSG_FASTOPEN, proxy.address("a")), len(data))
        s.settimeout(weir.LONG)
        self.assertEqual(peers.read_exactly(s, len(data)), data)

    def test_bytes_come_with_the_syn(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=%s+fastopen" % server.target) as proxy:
            before = passive_fast_opens()
            # The first is given a cookie, the second shows it.
            self.send_with_syn(proxy, b"first")
            self.assertEqual(passive_fast_opens(), before)
            self.send_with_syn(proxy, b"second")
            self.assertEqual(passive_fast_opens(), before + 1)
            self.assertNotIn("fastopen", proxy.stderr())

    def test_off_by_default(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=" + server.target) as proxy:
            before = passive_fast_opens()
            self.send_with_syn(proxy, b"first")
            self.send_with_syn(proxy, b"second")
            self.assertEqual(passive_fast_opens(), before)

    def test_a_machine_that_forbids_it(self):
        namespace.set_ipv4("tcp_fastopen", "1")
        line = ("weir: a: +fastopen waits for the machine to allow it: "
                "sysctl -w net.ipv4.tcp_fastopen=3 (it is 1)\n")
        with peers.Server(peers.echo) as server:
            # Two listeners, one line.
            spec = "a@0=%s+fastopen" % server.target
            with weir.Weir(spec) as proxy:
                proxy.wait_stderr("ready in")  # behind all warnings
                self.assertEqual(proxy.stderr().count(line), 1, proxy.stderr())
                # It serves all the same.
                self.send_with_syn(proxy, b"hello")
            checked = subprocess.run([weir.binary(), "check", spec], check=True,
                                     stderr=subprocess.PIPE, text=True)
            self.assertEqual(checked.stderr.count(line), 1, checked.stderr)


class SocketKeysTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace.enter_network_namespace()

    def test_defer(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=%s+defer:1h" % server.target) as proxy, \
                peers.connect(proxy.address("a")) as silent, \
                peers.connect(proxy.address("a")) as other:
            peers.round_trip(other)
            # It came first, and is not there.
            self.assertEqual(proxy.metrics().total("weir_connections_accepted_total"), 1)
            peers.round_trip(silent)
            self.assertEqual(proxy.metrics().total("weir_connections_accepted_total"), 2)

    def test_defer_ends(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=%s+defer:1s" % server.target) as proxy, \
                peers.connect(proxy.address("a")):
            proxy.wait_metric(lambda p: p.total("weir_connections_accepted_total") == 1,
                              "the silent client to be handed over")

    def test_buffers(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=%s+rcvbuf:48KiB+sndbuf:96KiB" % server.target,
                          "b@127.0.0.1:0=" + server.target) as proxy, \
                peers.connect(proxy.address("a")) as a, peers.connect(proxy.address("b")) as b:
            peers.round_trip(a)
            peers.round_trip(b)
            # The kernel doubles them.
            asked = ("%d" % (2 * 48 << 10), "%d" % (2 * 96 << 10))
            self.assertEqual(self.buffers("sport = :%d" % proxy.port("a")), {asked})
            self.assertNotIn(asked, self.buffers("sport = :%d" % proxy.port("b")))
            # Those that connect: one of each forward.
            self.assertIn(asked, self.buffers("dport = :%d" % server.port))

    @staticmethod
    def buffers(which):
        """{(SO_RCVBUF, SO_SNDBUF)} of established sockets."""
        text = subprocess.run(["ss", "-tmnHO", "state", "established", which], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        return set(re.findall(r"skmem:\(r\d+,rb(\d+),t\d+,tb(\d+)", text))

    def test_config_tells_all_keys(self):
        keys = ("+connect:2s+idle:off+life:off+halfclose:30s+nodelay:off+keepalive:5s"
                "+user-timeout:1.5s+defer:3s+fastopen:off+rcvbuf:64KiB+sndbuf:0+splice:off")
        with weir.Weir("a@127.0.0.1:0=127.0.0.1:1" + keys) as proxy:
            told = json.loads(proxy.http("/config")[1])["forwards"][0]["keys"]
            self.assertEqual("".join("+%s:%s" % item for item in told.items()), keys)

    def test_help_tells_all_keys(self):
        text = subprocess.run([weir.binary(), "--help"], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        with weir.Weir("a@127.0.0.1:0=127.0.0.1:1") as proxy:
            for key in json.loads(proxy.http("/config")[1])["forwards"][0]["keys"]:
                self.assertRegex(text, r"(?m)^  (.* )?%s:" % key)


if __name__ == "__main__":
    unittest.main()
