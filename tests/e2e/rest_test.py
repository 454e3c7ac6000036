"""Churn leaves nothing behind: descriptors, memory and accounts at rest. Most
connections end well; among them some are reset, and some find no upstream."""

import unittest

import loads
import peers
import weir

CONNECTIONS = 20000
ODD = 1000


class RestTest(unittest.TestCase):
    def be_reset(self, address, count):
        """Clients that reset, every other one before a byte."""
        for i in range(count):
            client = peers.connect(address)
            if i % 2:
                peers.round_trip(client)
            peers.reset(client)

    def be_refused(self, address, count):
        for _ in range(count):
            # The reset may be there before connect() has returned.
            with self.assertRaises(ConnectionResetError), peers.connect(address) as client:
                client.recv(1)

    def run_poller(self, poller):
        load = loads.Load()
        self.addCleanup(load.close)
        with peers.Server(peers.echo) as server, peers.DeadPort() as dead, \
                weir.Weir("c@127.0.0.1:0=127.0.0.1:%d" % load.port,
                          "reset@127.0.0.1:0=" + server.target,
                          "dead@127.0.0.1:0=" + dead.target, poller=poller,
                          reactors=2) as proxy:
            ended = 0

            def churn(count, odd):
                nonlocal ended
                others = [peers.Task(self.be_reset, proxy.address("reset"), odd),
                          peers.Task(self.be_refused, proxy.address("dead"), odd)]
                load.run("connect", proxy.port("c"), 50, count, 0)
                for task in others:
                    task.result()
                # (Those that reset do not wait for the proxy to accept them.)
                ended += count + 2 * odd
                proxy.wait_metric(lambda page: page.total(
                    "weir_connections_closed_total") >= ended, "all to be accepted")
                return proxy.wait_at_rest()

            # The first ones fill caches and pools that stay.
            churn(CONNECTIONS // 4, ODD // 4)
            fds, memory = proxy.open_fds(), proxy.rss()
            page = churn(CONNECTIONS, ODD)
            total, odd = CONNECTIONS + CONNECTIONS // 4, ODD + ODD // 4
            for forward, count in (("c", total), ("reset", odd), ("dead", odd)):
                for name in ("accepted_total", "closed_total"):
                    self.assertEqual(
                        page.total("weir_connections_" + name, forward=forward), count)
            self.assertEqual(page.total("weir_connections_closed_total", forward="c",
                                        reason="client_fin"), total)
            self.assertEqual(page.total("weir_connections_closed_total", forward="dead",
                                        reason="connect_refused"), odd)
            self.assertGreaterEqual(page.total("weir_connections_closed_total", forward="reset",
                                               reason="client_reset"), odd // 2)
            # One byte each way; the echo of four for each second one that resets.
            self.assertEqual(page.total("weir_received_bytes_total"), 2 * total + 8 * (odd // 2))
            self.assertEqual(page.total("weir_sent_bytes_total"), 2 * total + 8 * (odd // 2))
            self.assertEqual(page.total("weir_discarded_bytes_total"), 0)
            # (The admin connection of the last look may still be closing.)
            weir.wait_until(lambda: proxy.open_fds() <= fds,
                            "the descriptors to go back to %d" % fds)
            if weir.PLAIN:
                self.assertLess(proxy.rss() - memory, 256 << 10)
            proxy.assert_idle()

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
