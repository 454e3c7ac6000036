"""A client that vanishes with bytes under way: no FIN, no RST, no answer at all."""

import socket
import time
import unittest

import namespace
import peers
import weir

ADDRESS = "10.9.9.1"
# 200 + 400 + 800 + 1,600 ms of waiting for an acknowledgement.
RETRIES, GIVEN_UP_AFTER = 3, 3.0


class LostPeerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace.enter_network_namespace()
        namespace.set_ipv4("tcp_retries2", str(RETRIES))

    def vanish(self, poller):
        with peers.Server() as server, peers.Server(peers.echo) as echo, \
                weir.Weir("lost@127.0.0.1:0=" + server.target,
                          "ok@127.0.0.1:0=" + echo.target, poller=poller) as proxy, \
                socket.socket() as client, peers.connect(proxy.address("ok")) as other:
            namespace.ip("address", "add", ADDRESS + "/32", "dev", "lo")
            try:
                client.settimeout(weir.LONG)
                client.bind((ADDRESS, 0))
                client.connect(proxy.address("lost"))
                upstream = server.take()
                upstream.sendall(b"hello")
                self.assertEqual(peers.read_exactly(client, 5), b"hello")
            finally:
                # From now on nothing reaches it, nor comes from it.
                namespace.ip("address", "del", ADDRESS + "/32", "dev", "lo")
            with upstream:
                begin = time.monotonic()
                upstream.sendall(b"x" * 1000)
                while not peers.readable([upstream], 0.05):
                    self.assertLess(time.monotonic() - begin, weir.LONG)
                    peers.round_trip(other)
                took = time.monotonic() - begin
                with self.assertRaises(ConnectionResetError):
                    upstream.recv(1)
                self.assertGreater(took, GIVEN_UP_AFTER / 2)
                # Keepalive would take two minutes, the default of retries a quarter
                # of an hour.
                self.assertLess(took, GIVEN_UP_AFTER + (10 if weir.PLAIN else 30))
            page = proxy.wait_metric(lambda p: p.total(
                "weir_connections_active", forward="lost") == 0, "the connection to end")
            self.assertEqual(page.total("weir_connections_closed_total", forward="lost",
                                        reason="client_lost"), 1)
            self.assertEqual(page.total("weir_connections_active"), 1)
            peers.round_trip(other)
            with peers.connect(proxy.address("ok")) as new:
                peers.round_trip(new)

    def test_epoll(self):
        self.vanish("epoll")

    def test_poll(self):
        self.vanish("poll")

    def test_select(self):
        self.vanish("select")

    def test_io_uring(self):
        self.vanish("io_uring")


if __name__ == "__main__":
    unittest.main()
