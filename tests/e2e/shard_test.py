"""Arrangements of accepting (--accept) and policies (--shard): even, and nothing
is lost when they stop."""

import contextlib
import unittest

import peers
import weir

MODES = ("shared", "reuseport", "dedicated")
REACTORS = 2
BURST = 400


def start(server, mode, shard="least", **kwargs):
    return weir.Weir("s@127.0.0.1:0=" + server.target, "--accept=" + mode, "--shard=" + shard,
                     **{"reactors": REACTORS, **kwargs})


class ShardTest(unittest.TestCase):
    def counts(self, proxy, count):
        """How many of `count` connections each loop has."""
        page = proxy.wait_metric(lambda page: page.total(
            "weir_connections_active", state="relaying") == count, "the connections")
        served = [page.total("weir_reactor_connections", reactor=str(i))
                  for i in range(REACTORS)]
        self.assertEqual(served, [page.total("weir_connections_assigned_total", reactor=str(i))
                                  for i in range(REACTORS)])
        self.assertEqual(sum(served), count)
        return served

    def test_a_burst_is_shared_out_evenly(self):
        for mode in MODES:
            for shard in ("least", "round_robin", "lag"):
                with self.subTest(accept=mode, shard=shard), \
                        peers.Server(peers.echo) as server, \
                        start(server, mode, shard) as proxy, contextlib.ExitStack() as open_ones:
                    with proxy.stopped():
                        for _ in range(BURST):
                            open_ones.enter_context(peers.connect(proxy.address("s")))
                    served = self.counts(proxy, BURST)
                    if shard == "lag":  # which goes by how late they were
                        continue
                    # Loops that pick at the same moment do not see each other; of
                    # turns each accepting loop has its own.
                    most = 1 if mode == "dedicated" else 8
                    self.assertLessEqual(max(served) - min(served), most, served)

    def test_every_poller_and_one_reactor(self):
        for mode in MODES:
            for poller in weir.POLLERS:
                for reactors in (1, REACTORS):
                    with self.subTest(accept=mode, poller=poller, reactors=reactors), \
                            peers.Server(peers.echo) as server, \
                            start(server, mode, "lag", poller=poller,
                                  reactors=reactors) as proxy:
                        for _ in range(10):
                            with peers.connect(proxy.address("s")) as client:
                                peers.round_trip(client)

    def test_the_limit_of_connections(self):
        for mode in MODES:
            with self.subTest(accept=mode), peers.Server(peers.echo) as server, \
                    weir.Weir("s@127.0.0.1:0=" + server.target, "--accept=" + mode,
                              "--max_connections=4", reactors=REACTORS) as proxy:
                with contextlib.ExitStack() as first:
                    for _ in range(4):
                        peers.round_trip(
                            first.enter_context(peers.connect(proxy.address("s"))))
                    waiting = [peers.connect(proxy.address("s")) for _ in range(4)]
                    proxy.wait_metric(lambda page: page.total(
                        "weir_accept_errors_total", reason="limit") >= 1, "the limit")
                    proxy.assert_idle()
                for client in waiting:
                    with client:
                        peers.round_trip(client)

    def test_a_port_that_is_taken_is_an_error(self):
        # The socket of the first lets others of this user in, had they asked with the
        # same option.
        with peers.Server(peers.echo) as server, start(server, "reuseport") as proxy:
            spec = "s@127.0.0.1:%d=%s" % (proxy.port("s"), server.target)
            for args in ((spec, "--accept=reuseport", "--reactors=2", "--admin=off"),
                         (spec, "--admin=off"),
                         ("check", spec, "--accept=reuseport", "--admin=off")):
                with self.subTest(args=args):
                    code, _, err = weir.run(*args)
                    self.assertNotEqual(code, 0)
                    self.assertIn("Address already in use", err)

    def test_a_drain_under_a_storm_of_connects(self):
        # Each client is refused, or served whole; only one that reaches a queue in
        # the instant between its last look and its close may be reset.
        for mode in MODES:
            with self.subTest(accept=mode), peers.Server(peers.echo) as server, \
                    start(server, mode, quick_drain=False) as proxy:
                def knock(address=proxy.address("s")):
                    served = broken = 0
                    while True:
                        try:
                            client = peers.connect(address)
                        except ConnectionRefusedError:
                            return served, broken
                        except ConnectionResetError:
                            broken += 1
                            continue
                        with client:
                            try:
                                peers.round_trip(client)
                                served += 1
                            except ConnectionError:
                                broken += 1

                tasks = [peers.Task(knock) for _ in range(8)]
                proxy.wait_metric(lambda page: page.total(
                    "weir_connections_accepted_total") > 200, "some load")
                proxy.signal()
                results = [task.result() for task in tasks]
                self.assertEqual(proxy.wait(), 0)
                self.assertLessEqual(sum(broken for _, broken in results), len(tasks), results)
                self.assertGreater(sum(served for served, _ in results), 150)

    def test_what_waits_in_the_queues_is_served(self):
        for mode in MODES:
            with self.subTest(accept=mode), peers.Server(peers.echo) as server, \
                    start(server, mode, quick_drain=False) as proxy:
                with proxy.stopped():
                    clients = [peers.connect(proxy.address("s")) for _ in range(300)]
                    for client in clients:
                        client.sendall(b"x" * 1000)
                    proxy.signal()
                for client in clients:
                    with client:
                        self.assertEqual(peers.read_exactly(client, 1000), b"x" * 1000)
                self.assertEqual(proxy.wait(), 0, proxy.stderr())


if __name__ == "__main__":
    unittest.main()
