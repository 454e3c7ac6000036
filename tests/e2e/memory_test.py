"""2,000 stalled readers in 64 MiB: traffic of others goes on.

In a network namespace whose socket buffers end at 64 KiB: control groups of
version 2 charge them to the proxy, those of version 1 do not.
"""

import os
import socket
import time
import unittest

import namespace
import peers
import weir

STALLED = 2000
# A sanitizer's own memory (shadow, quarantine) is no business of the proxy.
LIMIT = (64 << 20) if weir.PLAIN else (1 << 30)


class MemoryGroup:
    """A memory control group, version 1 or 2."""

    def __init__(self, limit):
        for root, limit_file, peak_file in (
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
                ("/sys/fs/cgroup", "memory.max", "memory.peak")):
            self.path = "%s/weir-test-%d" % (root, os.getpid())
            try:
                os.mkdir(self.path)
            except OSError:
                continue
            try:
                with open(os.path.join(self.path, limit_file), "w") as f:
                    f.write(str(limit))
            except OSError:
                os.rmdir(self.path)
                continue
            self.peak_file = os.path.join(self.path, peak_file)
            return
        raise unittest.SkipTest("no memory control group can be made here")

    def enter(self):
        """For the child between fork and exec."""
        with open(os.path.join(self.path, "cgroup.procs"), "w") as f:
            f.write("0")

    def peak(self):
        try:
            with open(self.peak_file) as f:
                return int(f.read())
        except FileNotFoundError:
            return 0

    def close(self):
        weir.wait_until(self._try_remove, "the control group to be empty")

    def _try_remove(self):
        try:
            os.rmdir(self.path)
            return True
        except OSError:
            return False


class MemoryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace.enter_network_namespace()
        for name in ("tcp_rmem", "tcp_wmem"):
            namespace.set_ipv4(name, "4096 16384 65536")

    def test_stalled_readers(self):
        group = MemoryGroup(LIMIT)
        self.addCleanup(group.close)
        with peers.Server() as stalled, peers.Server(peers.echo) as server, \
                weir.Weir("stalled@127.0.0.1:0=" + stalled.target,
                          "ok@127.0.0.1:0=" + server.target, "--drain_timeout=1s",
                          poller="epoll", reactors=2, preexec=group.enter,
                          quick_drain=False) as proxy:
            with peers.connect(proxy.address("ok")) as old:
                peers.round_trip(old)
                before = proxy.rss()
                clients = [peers.connect(proxy.address("stalled")) for _ in range(STALLED)]
                for i, client in enumerate(clients):
                    client.sendall(i.to_bytes(4, "big"))
                # Two reactors: they do not come in the order of the clients.
                upstreams = [None] * STALLED
                for s in stalled.take_many(STALLED):
                    upstreams[int.from_bytes(peers.read_exactly(s, 4), "big")] = s
                self.addCleanup(lambda: [s.close() for s in clients + upstreams])
                for s in upstreams:
                    s.setblocking(False)

                sent = [0] * STALLED
                still = peers.Standstill()

                def stuck():
                    """Every upstream sends what goes, until nothing does."""
                    for i, s in enumerate(upstreams):
                        sent[i] += peers.send_some(s)
                    # The others' traffic goes on meanwhile.
                    peers.round_trip(old)
                    return still(sum(sent))

                weir.wait_until(stuck, "all queues to be full")
                self.assertGreater(sum(sent), STALLED * 65536)

                # Nothing more can move: it rests, and others are served at once.
                proxy.assert_idle()
                times = []
                for _ in range(200):
                    begin = time.monotonic()
                    peers.round_trip(old, b"y" * 1000)
                    with peers.connect(proxy.address("ok")) as new:
                        peers.round_trip(new, b"z" * 1000)
                    times.append(time.monotonic() - begin)
                if weir.PLAIN:
                    self.assertLess(sorted(times)[189], 0.5)
                with peers.connect(proxy.address("ok")) as bulk:
                    sender = peers.Task(peers.send_stream, bulk, 8 << 20, 1)
                    peers.read_exactly(bulk, 8 << 20)
                    sender.result()

                page = proxy.wait_metric(lambda p: p.total(
                    "weir_connections_active") == STALLED + 1, "the short ones to end")
                self.assertEqual(page.total("weir_connections_closed_total",
                                            reason="resources"), 0)
                if weir.PLAIN:
                    self.assertLess(proxy.rss() - before, 24 << 20)
                    self.assertLessEqual(group.peak(), LIMIT)

                # Those that read again get everything.
                for upstream, client, count in list(zip(upstreams, clients, sent))[:50]:
                    upstream.shutdown(socket.SHUT_WR)
                    self.assertEqual(peers.receive_stream(client)[0], count)
                    client.close()
                    upstream.close()
                for s in clients[50:] + upstreams[50:]:
                    peers.reset(s)
            page = proxy.wait_at_rest()
            self.assertEqual(
                page.total("weir_received_bytes_total") - page.total("weir_sent_bytes_total"),
                page.total("weir_discarded_bytes_total"))
            weir.wait_until(lambda: proxy.open_fds() < 60, "the descriptors to be given back")
            if weir.PLAIN:
                self.assertLess(proxy.rss() - before, 24 << 20)
            with peers.connect(proxy.address("ok")) as client:
                peers.round_trip(client)


if __name__ == "__main__":
    unittest.main()
