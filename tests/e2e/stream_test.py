"""Streams of 64 MiB each way at once, compared by SHA-256, in random chunks."""

import socket
import unittest

import peers
import weir

SIZE = 64 << 20


class StreamTest(unittest.TestCase):
    def both_ways(self, address, server, seed):
        """A stream each way at the same time, ended by FIN."""
        client = peers.connect(address)
        upstream = server.take()
        with client, upstream:
            def send(s, seed):
                digest = peers.send_stream(s, SIZE, seed)
                s.shutdown(socket.SHUT_WR)
                return digest

            up = peers.Task(send, client, seed)
            down = peers.Task(send, upstream, seed + 1)
            at_upstream = peers.Task(peers.receive_stream, upstream, seed)
            at_client = peers.Task(peers.receive_stream, client, seed)
            self.assertEqual(at_upstream.result(), (SIZE, up.result()))
            self.assertEqual(at_client.result(), (SIZE, down.result()))

    def run_poller(self, poller):
        with peers.Server() as tcp, peers.Server(unix=True) as unix, \
                weir.Weir("tcp@127.0.0.1:0=" + tcp.target, "unix@[::1]:0=" + unix.target,
                          poller=poller, reactors=2) as proxy:
            self.both_ways(proxy.address("tcp"), tcp, 1)
            self.both_ways(proxy.address("unix"), unix, 2)
            page = proxy.wait_at_rest()
            self.assertEqual(page.total("weir_received_bytes_total"), 4 * SIZE)
            self.assertEqual(page.total("weir_sent_bytes_total"), 4 * SIZE)

    def test_epoll(self):
        self.run_poller("epoll")

    def test_poll(self):
        self.run_poller("poll")

    def test_select(self):
        self.run_poller("select")

    def test_io_uring(self):
        self.run_poller("io_uring")


if __name__ == "__main__":
    unittest.main()
