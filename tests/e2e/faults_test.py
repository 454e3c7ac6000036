"""Shortage, dead peers and garbage: the rest of the traffic goes on, nothing
leaks, nothing spins."""

import fcntl
import os
import resource
import select
import socket
import time
import unittest

import peers
import weir


def pingable(proxy, name="ok"):
    with peers.connect(proxy.address(name)) as client:
        peers.round_trip(client)


class FaultsTest(unittest.TestCase):
    def assert_accounts(self, page):
        """At rest every connection and every byte is accounted for."""
        self.assertEqual(
            page.total("weir_connections_accepted_total"),
            page.total("weir_connections_active") + page.total("weir_connections_closed_total") +
            page.get("weir_connections_rejected_total"))
        self.assertEqual(
            page.total("weir_received_bytes_total") - page.total("weir_sent_bytes_total"),
            page.get("weir_reactor_buffered_bytes") + page.total("weir_discarded_bytes_total"))

    # Descriptors -------------------------------------------------------------

    def test_more_clients_than_descriptors(self):
        for poller in weir.POLLERS:
            with self.subTest(poller=poller), peers.Server(peers.echo) as server, \
                    weir.Weir("ok@127.0.0.1:0=" + server.target, poller=poller, nofile=300,
                              reactors=2) as proxy:
                most = int(proxy.wait_stderr(r"max (\d+) connections")[1])
                self.assertGreater(most, 20)
                self.assertLess(most, 150)
                clients = [peers.connect(proxy.address("ok")) for _ in range(2 * most)]
                for client in clients[:most]:
                    peers.round_trip(client)
                # The others wait in the kernel's queue, and nothing spins.
                for client in clients[most:]:
                    client.sendall(b"ping")
                proxy.assert_idle()
                self.assertEqual(peers.readable(clients[most:], 0), [])
                self.assertEqual(proxy.metrics().total("weir_connections_active"), most)
                # As one leaves, the next is served.
                for client in clients[:most]:
                    client.close()
                for client in clients[most:]:
                    self.assertEqual(peers.read_exactly(client, 4), b"ping")
                    client.close()
                self.assert_accounts(proxy.wait_at_rest())

    def test_accept_runs_out_of_descriptors(self):
        # Below what admission counts on: accept and socket fail with EMFILE.
        for poller in weir.POLLERS:
            with self.subTest(poller=poller), peers.Server(peers.echo) as server, \
                    weir.Weir("ok@127.0.0.1:0=" + server.target, poller=poller,
                              reactors=2) as proxy:
                with peers.connect(proxy.address("ok")) as old:
                    peers.round_trip(old)
                    _, hard = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
                    # The lowest free number: not one more can be had.
                    used = {int(n) for n in os.listdir("/proc/%d/fd" % proxy.pid)}
                    free = min(set(range(1000)) - used)
                    soft, _ = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (free, hard))
                    waiting = [peers.connect(proxy.address("ok")) for _ in range(30)]
                    for client in waiting:
                        client.sendall(b"ping")
                    peers.round_trip(old)
                    proxy.assert_idle(0.06)
                    peers.round_trip(old)
                    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (soft, hard))
                    # They waited in the kernel's queue and lost nothing.
                    for client in waiting:
                        with client:
                            self.assertEqual(peers.read_exactly(client, 4), b"ping")
                    peers.round_trip(old)
                pingable(proxy)
                self.assert_accounts(proxy.wait_at_rest())

    def test_upstream_runs_out_of_descriptors(self):
        # One can be had: accept succeeds, and the socket for the upstream fails.
        # That client is reset; to accept on would reset the whole queue.
        count = 60
        for poller in weir.POLLERS:
            with self.subTest(poller=poller), peers.Server(peers.echo) as server, \
                    weir.Weir("ok@127.0.0.1:0=" + server.target, poller=poller,
                              reactors=1) as proxy:
                fds = proxy.open_fds()
                pingable(proxy)
                weir.wait_until(lambda p=proxy, n=fds: p.open_fds() <= n, "an idle proxy")
                soft, hard = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
                used = {int(n) for n in os.listdir("/proc/%d/fd" % proxy.pid)}
                free = min(set(range(1000)) - used)
                resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (free + 1, hard))
                with proxy.stopped():
                    waiting = [peers.connect(proxy.address("ok")) for _ in range(count)]
                    for client in waiting:
                        client.sendall(b"ping")
                    begin = time.monotonic()
                # The first to hear of it is reset.
                self.assertTrue(peers.readable(waiting, weir.LONG))
                resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (soft, hard))
                took = time.monotonic() - begin
                resets = 0
                for client in waiting:
                    with client:
                        try:
                            self.assertEqual(peers.read_exactly(client, 4), b"ping")
                        except ConnectionResetError:
                            resets += 1
                # It pauses after each: 10, 20, 40, 80 ms, then 100 ms.
                self.assertGreater(resets, 0)
                self.assertLess(resets, min(7 + 10 * took, count))
                self.assertGreaterEqual(
                    proxy.metrics().get("weir_accept_errors_total", reason="descriptors"), 1)
                self.assert_accounts(proxy.wait_at_rest())

    # Names and upstreams -----------------------------------------------------

    def test_dead_resolver(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, \
                peers.Server(peers.echo) as server:
            silent.bind(("127.0.0.1", 0))
            with weir.Weir("dead@127.0.0.1:0=db.example.test:5432+connect:700ms",
                           "ok@127.0.0.1:0=" + server.target,
                           "--resolvers=127.0.0.1:%d" % silent.getsockname()[1]) as proxy:
                # No name is waited for.
                proxy.wait_stderr(r"db\.example\.test:5432 \(resolving\)")
                begin = time.monotonic()
                clients = [peers.connect(proxy.address("dead")) for _ in range(50)]
                pingable(proxy)
                for client in clients:
                    with client, self.assertRaises(ConnectionResetError):
                        client.recv(1)
                took = time.monotonic() - begin
                self.assertGreater(took, 0.6)
                self.assertLess(took, 4.5 if weir.PLAIN else 20)  # The default is 5.
                page = proxy.wait_at_rest()
                self.assertEqual(
                    page.total("weir_connections_closed_total", forward="dead",
                               reason="dns_failed") +
                    page.total("weir_connections_closed_total", forward="dead",
                               reason="connect_timeout"), 50)
                proxy.assert_idle()
                pingable(proxy)

    def test_dead_upstream(self):
        with peers.Server(peers.echo) as server, peers.DeadPort() as dead, \
                weir.Weir("dead@127.0.0.1:0=" + dead.target,
                          "gone@127.0.0.1:0=/nonexistent/socket",
                          "ok@127.0.0.1:0=" + server.target, "-v") as proxy:
            for name in ("dead", "gone"):
                for _ in range(20):
                    # The reset may be there before connect() has returned.
                    with self.assertRaises(ConnectionResetError), \
                            peers.connect(proxy.address(name)) as client:
                        client.recv(1)
            pingable(proxy)
            page = proxy.wait_at_rest()
            self.assertEqual(page.total("weir_connections_closed_total", forward="dead",
                                        reason="connect_refused"), 20)
            self.assertEqual(page.total("weir_upstream_connects_total", forward="dead",
                                        result="refused"), 20)
            self.assertEqual(page.total("weir_upstream_connects_total", forward="dead",
                                        result="ok"), 0)
            self.assert_accounts(page)

    def test_upstream_that_resets(self):
        # Everything that arrived comes first, then a reset, never a clean end. What
        # the upstream's kernel had not sent yet went with its reset.
        with peers.Server() as server, weir.Weir("r@127.0.0.1:0=" + server.target) as proxy:
            for i in range(20):
                with peers.connect(proxy.address("r")) as client:
                    upstream = server.take()
                    upstream.sendall(b"x" * 100000)
                    proxy.wait_metric(lambda page, n=(i + 1) * 100000: page.total(
                        "weir_received_bytes_total", side="upstream") == n, "the bytes")
                    peers.reset(upstream)
                    peers.read_exactly(client, 100000)
                    with self.assertRaises(ConnectionResetError):
                        client.recv(1)
            page = proxy.wait_at_rest()
            self.assertEqual(page.total("weir_connections_closed_total",
                                        reason="upstream_reset"), 20)

    # Peers that stall or vanish ----------------------------------------------

    def test_peer_that_never_reads(self):
        for poller in weir.POLLERS:
            with self.subTest(poller=poller), peers.Server() as stalled, \
                    peers.Server(peers.echo) as server, \
                    weir.Weir("stalled@127.0.0.1:0=" + stalled.target,
                              "ok@127.0.0.1:0=" + server.target, poller=poller) as proxy:
                pingable(proxy)
                before = proxy.rss()
                client = peers.connect(proxy.address("stalled"))
                upstream = stalled.take()
                with client, upstream:
                    peers.fill(client, proxy)
                    proxy.assert_idle()
                    if weir.PLAIN:
                        self.assertLess(proxy.rss() - before, 4 << 20)
                    pingable(proxy)
                    # And nothing of it is lost.
                    client.setblocking(True)
                    client.settimeout(weir.LONG)
                    client.shutdown(socket.SHUT_WR)
                    size, _ = peers.receive_stream(upstream)
                    self.assertEqual(size, proxy.metrics().total(
                        "weir_sent_bytes_total", forward="stalled", side="upstream"))
                self.assert_accounts(proxy.wait_at_rest())

    def test_stalled_peer_that_resets(self):
        for poller in weir.POLLERS:
            with self.subTest(poller=poller), peers.Server() as server, \
                    weir.Weir("s@127.0.0.1:0=" + server.target, poller=poller) as proxy:
                client = peers.connect(proxy.address("s"))
                upstream = server.take()
                with client:
                    peers.fill(client, proxy)
                    peers.reset(upstream)
                    client.setblocking(True)
                    client.settimeout(weir.LONG)
                    with self.assertRaises(ConnectionError):
                        while True:
                            client.sendall(b"x" * 65536)
                page = proxy.wait_at_rest()
                self.assertEqual(page.total("weir_connections_closed_total",
                                            reason="upstream_reset"), 1)
                self.assert_accounts(page)
                proxy.assert_idle()

    def test_1000_clients_vanish(self):
        for poller in weir.POLLERS:
            # select has room for fewer than 1,024 descriptors.
            count = 300 if poller == "select" else 1000
            with self.subTest(poller=poller), peers.Server() as server, \
                    weir.Weir("v@127.0.0.1:0=" + server.target, poller=poller,
                              reactors=2) as proxy:
                proxy.metrics()
                fds = proxy.open_fds()
                clients = []
                upstreams = []
                for i in range(count):
                    client = peers.connect(proxy.address("v"))
                    client.sendall(b"x" * (i % 3000))
                    clients.append(client)
                upstreams = server.take_many(count)
                for i, client in enumerate(clients):
                    if i % 4:
                        peers.reset(client)
                    else:
                        client.close()
                for upstream in upstreams:
                    try:
                        while upstream.recv(65536):
                            pass
                    except ConnectionResetError:
                        pass
                    upstream.close()
                self.assert_accounts(proxy.wait_at_rest())
                weir.wait_until(lambda p=proxy, n=fds: p.open_fds() <= n,
                                "the descriptors to go back to %d" % fds)
                proxy.assert_idle()

    def test_half_closed_and_silent(self):
        with peers.Server() as server, \
                weir.Weir("h@127.0.0.1:0=%s+halfclose:3s" % server.target) as proxy:
            with peers.connect(proxy.address("h")) as client:
                client.shutdown(socket.SHUT_WR)
                with server.take() as upstream:
                    self.assertEqual(upstream.recv(1), b"")
                    # Time with progress does not count.
                    for _ in range(8):
                        upstream.sendall(b"x")
                        self.assertEqual(client.recv(1), b"x")
                        time.sleep(0.5)  # A slow peer.
                    with self.assertRaises(ConnectionResetError):
                        client.recv(1)
                    # Behind an end that was read, only a hang-up and a failing
                    # send tell of a reset.
                    reset = select.poll()
                    reset.register(upstream, 0)
                    self.assertTrue(reset.poll(weir.LONG * 1000))
                    with self.assertRaises(ConnectionError):
                        upstream.sendall(b"x")
            page = proxy.wait_at_rest()
            self.assertEqual(page.total("weir_connections_closed_total",
                                        reason="half_close_timeout"), 1)

    # stderr and the admin port -----------------------------------------------

    def test_stderr_is_a_full_pipe(self):
        read_end, write_end = os.pipe()
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
        with open(read_end, "rb"), peers.Server(peers.echo) as server:
            try:
                proxy = weir.Weir("ok@127.0.0.1:0=" + server.target, "-v", stderr=write_end,
                                  reactors=1)
            finally:
                os.close(write_end)
            with proxy:
                # Two lines each, which nobody reads: more than the pipe and the ring
                # of the one reactor take.
                for _ in range(3000):
                    pingable(proxy)
                proxy.wait_metric(lambda page: page.total(
                    "weir_log_dropped_total", reason="full") > 0, "lines to be dropped")
                proxy.assert_idle()
                begin = time.monotonic()
                proxy.signal()
                self.assertEqual(proxy.wait(), 0)
                self.assertLess(time.monotonic() - begin, 10)

    def test_stderr_is_closed(self):
        with peers.Server(peers.echo) as server:
            read_end, write_end = os.pipe()
            try:
                proxy = weir.Weir("ok@127.0.0.1:0=" + server.target, "-v", stderr=write_end)
            finally:
                os.close(write_end)
                os.close(read_end)
            with proxy:
                for _ in range(50):
                    pingable(proxy)  # SIGPIPE would have ended it.

    def test_garbage_on_the_admin_port(self):
        garbage = (b"\x00" * 5000, b"\xff" * 70000, b"GET " + b"/" * 70000,
                   b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000, b"\r\n" * 1000,
                   b"POST /drain HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                   b"POST /drain HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n",
                   b"\x16\x03\x01\x02\x00\x01\x00", b"GET /ready HTTP/9.9\r\n\r\n",
                   b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"G", b"")
        with peers.Server(peers.echo) as server, \
                weir.Weir("ok@127.0.0.1:0=" + server.target) as proxy:
            kept = []
            for round_ in range(20):
                for piece in garbage:
                    s = peers.connect(proxy.admin)
                    try:
                        s.sendall(piece)
                    except ConnectionError:
                        pass
                    if round_ % 2:
                        kept.append(s)  # Says no more, and stays.
                    else:
                        s.close()
            status, _ = proxy.http("/ready")
            self.assertEqual(status, 200)
            pingable(proxy)
            proxy.metrics()
            proxy.assert_idle()
            for s in kept:
                s.close()
            weir.wait_until(lambda: proxy.open_fds() < 60, "the admin port to let go")

    def test_admin_routes(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("ok@127.0.0.1:0=" + server.target) as proxy:
            for path in ("/metrics", "/startup", "/ready", "/live"):
                self.assertEqual(proxy.http(path)[0], 200)
                self.assertEqual(proxy.http(path, "HEAD"), (200, ""))
                self.assertEqual(proxy.http(path, "POST", body="")[0], 405)
            status, text = proxy.http("/nosuchpath")
            self.assertEqual(status, 404)
            self.assertIn("/metrics", text)
            # No web page may drain a proxy.
            for headers in ({"Origin": "http://evil.test"},
                            {"Host": "evil.test"},
                            {"Host": "evil.test:%d" % proxy.admin[1]},
                            {"Origin": "null"}):
                self.assertEqual(proxy.http("/drain", "POST", headers=headers)[0], 403, headers)
            self.assertEqual(proxy.http("/ready")[0], 200)
            pingable(proxy)


if __name__ == "__main__":
    unittest.main()
