"""Stopping: nothing that moves is lost, what is idle ends, the deadline holds."""

import signal
import socket
import time
import unittest

import peers
import weir

SLACK = 1.0 if weir.PLAIN else 10.0  # seconds that a slow machine may add


def start(server, *args, **kwargs):
    return weir.Weir("d@127.0.0.1:0=" + server.target, *args, quick_drain=False, **kwargs)


class DrainTest(unittest.TestCase):
    def assert_exit(self, proxy, begin, least, most, code=0):
        self.assertEqual(proxy.wait(), code, proxy.stderr())
        took = time.monotonic() - begin
        self.assertGreaterEqual(took, least)
        self.assertLess(took, most + SLACK)

    def test_without_connections_it_exits_at_once(self):
        with peers.Server(peers.echo) as server:
            for number in (signal.SIGTERM, signal.SIGINT):
                with self.subTest(signal=number), start(server) as proxy:
                    begin = time.monotonic()
                    proxy.signal(number)
                    self.assert_exit(proxy, begin, 0, 0.5)

    def test_post_drain(self):
        with peers.Server(peers.echo) as server, start(server) as proxy:
            begin = time.monotonic()
            self.assertEqual(proxy.http("/drain")[0], 405)
            status, _ = proxy.http("/drain", "POST")
            self.assertIn(status, (200, 202, 204))
            self.assert_exit(proxy, begin, 0, 0.5)

    def test_readiness_goes_first_and_the_delay_still_accepts(self):
        with peers.Server(peers.echo) as server, start(server, "--drain_delay=1s") as proxy:
            self.assertEqual(proxy.http("/ready")[0], 200)
            self.assertEqual(proxy.metrics().total("weir_ready"), 1)
            begin = time.monotonic()
            proxy.signal()
            weir.wait_until(lambda: proxy.http("/ready")[0] == 503, "/ready to say 503")
            with peers.connect(proxy.address("d")) as client:
                peers.round_trip(client)
                if weir.PLAIN:
                    self.assertLess(time.monotonic() - begin, 1)
                self.assertEqual(proxy.http("/live")[0], 200)
                page = proxy.metrics()
                self.assertEqual(page.total("weir_ready"), 0)
                self.assertEqual(page.total("weir_draining"), 1)

                def refused():
                    try:
                        peers.connect(proxy.address("d")).close()
                    except ConnectionError:
                        return True
                    return False
                weir.wait_until(refused, "the listener to close")
                self.assertGreaterEqual(time.monotonic() - begin, 0.95)
                peers.round_trip(client)  # What it has, it serves on.
            self.assert_exit(proxy, begin, 1, 1)

    def test_no_transfer_loses_a_byte(self):
        count, size = 24, (16 << 20) // weir.SCALE
        for poller in weir.POLLERS:
            with self.subTest(poller=poller), peers.Server(peers.echo) as server, \
                    start(server, poller=poller, reactors=2) as proxy:
                clients = [peers.connect(proxy.address("d")) for _ in range(count)]
                for client in clients:
                    peers.round_trip(client)  # So it is accepted and transferring.

                def send(client, seed):
                    digest = peers.send_stream(client, size, seed)
                    client.shutdown(socket.SHUT_WR)
                    return digest

                senders = [peers.Task(send, c, i) for i, c in enumerate(clients)]
                receivers = [peers.Task(peers.receive_stream, c) for c in clients]
                proxy.wait_metric(
                    lambda page: page.total("weir_received_bytes_total") > count * size // 10,
                    "the load to flow")
                proxy.signal()
                for sender, receiver in zip(senders, receivers):
                    self.assertEqual(receiver.result(), (size, sender.result()))
                end = time.monotonic()
                for client in clients:
                    client.close()
                self.assert_exit(proxy, end, 0, 0.5)

    def test_what_waits_in_the_queue_is_served(self):
        # Connections come all the time. Each is refused, or served whole; only a
        # connection that reaches the kernel's queue between the last look and the
        # close may be reset, before a byte of an answer.
        with peers.Server(peers.echo) as server, start(server, reactors=2) as proxy:
            def knock():
                served = broken = 0
                while True:
                    try:
                        with peers.connect(proxy.address("d")) as client:
                            try:
                                client.sendall(b"x" * 1000)
                                first = client.recv(1000)
                            except ConnectionResetError:
                                broken += 1
                                continue
                            if first:
                                peers.read_exactly(client, 1000 - len(first))
                                served += 1
                            else:
                                broken += 1
                    except ConnectionRefusedError:
                        return served, broken

            tasks = [peers.Task(knock) for _ in range(4)]
            proxy.wait_metric(
                lambda page: page.total("weir_connections_accepted_total") > 50, "some load")
            proxy.signal()
            results = [task.result() for task in tasks]
            self.assertEqual(proxy.wait(), 0)
            self.assertLessEqual(sum(broken for _, broken in results), len(tasks))
            self.assertGreater(sum(served for served, _ in results), 40)

    def test_idle_connections_are_half_closed(self):
        with peers.Server() as server, \
                start(server, "-v", "--drain_idle=300ms", "--drain_spread=300ms") as proxy:
            clients = [peers.connect(proxy.address("d")) for _ in range(20)]
            upstreams = server.take_many(20)
            proxy.wait_metric(lambda page: page.total(
                "weir_connections_active", state="relaying") == 20, "20 connections")
            begin = time.monotonic()
            proxy.signal()
            for s in clients + upstreams:
                self.assertEqual(s.recv(1), b"")
            took = time.monotonic() - begin
            self.assertGreater(took, 0.25)
            self.assertLess(took, 0.6 + SLACK)
            for s in clients + upstreams:
                s.close()
            self.assert_exit(proxy, begin, 0.25, 0.7)
            self.assertEqual(proxy.stderr().count(" drain_idle"), 20)

    def test_idle_peers_that_stay_are_closed_after_a_second(self):
        with peers.Server() as server, \
                start(server, "-v", "--drain_idle=100ms", "--drain_spread=100ms") as proxy:
            with peers.connect(proxy.address("d")) as client, server.take() as upstream:
                proxy.wait_metric(lambda page: page.total(
                    "weir_connections_active", state="relaying") == 1, "the connection")
                begin = time.monotonic()
                proxy.signal()
                self.assertEqual(client.recv(1), b"")
                self.assertEqual(upstream.recv(1), b"")
                # Too late: discarded, counted, and answered with a reset.
                client.sendall(b"late")
                proxy.wait_metric(lambda page: page.total(
                    "weir_discarded_bytes_total", side="client") == 4, "the bytes to count")
                self.assert_exit(proxy, begin, 1.0, 1.5)
                with self.assertRaises(ConnectionError):
                    client.sendall(b"x")
                    client.recv(1)
                    client.sendall(b"x")
            self.assertIn(" drain_idle", proxy.stderr())

    def test_deadline(self):
        # A connection that is never idle lives to the deadline, then is reset.
        with peers.Server(peers.echo) as server, \
                start(server, "-v", "--drain_timeout=2s", "--drain_idle=1s") as proxy:
            client = peers.connect(proxy.address("d"))
            with client:
                peers.round_trip(client)
                begin = time.monotonic()
                proxy.signal()
                with self.assertRaises(ConnectionResetError):
                    while True:
                        peers.round_trip(client)
                        time.sleep(0.02)  # A slow talker.
                self.assertGreater(time.monotonic() - begin, 1.9)
            self.assert_exit(proxy, begin, 1.9, 3.2)
            self.assertIn(" drain_forced", proxy.stderr())

    def test_metrics_answer_to_the_end(self):
        with peers.Server(peers.echo) as server, \
                start(server, "--drain_timeout=1s", "--drain_idle=5s") as proxy:
            # Never reads: what is buffered is flushed for a second, in vain.
            client = peers.connect(proxy.address("d"))
            with client:
                peers.fill(client, proxy)
                begin = time.monotonic()
                proxy.signal()
                answers = 0
                forced = 0
                while proxy.alive():
                    try:
                        page = proxy.metrics()
                    except OSError:
                        break
                    answers += 1
                    forced = page.get("weir_connections_closed_total", reason="drain_forced")
                    # The state of the connection is there to the end.
                    self.assertEqual(forced + page.total("weir_connections_active"), 1)
                self.assertGreater(answers, 10 if weir.PLAIN else 1)
                self.assert_exit(proxy, begin, 1, 2.2)
                self.assertGreater(time.monotonic() - begin, 1.9)

    def test_second_signal_stops_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number), peers.Server(peers.echo) as server, \
                    start(server) as proxy, peers.connect(proxy.address("d")) as client:
                peers.round_trip(client)
                proxy.signal(number)
                weir.wait_until(lambda p=proxy: p.http("/ready")[0] == 503, "the drain")
                begin = time.monotonic()
                proxy.signal(number)
                self.assert_exit(proxy, begin, 0, 0.5, 128 + number)


if __name__ == "__main__":
    unittest.main()
