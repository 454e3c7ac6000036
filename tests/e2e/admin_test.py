"""What the admin port tells of a proxy that runs, and what it is told."""

import contextlib
import hashlib
import http.client
import json
import os
import socket
import stat
import tempfile
import time
import unittest

import peers
import weir

QUICK = 1 if weir.PLAIN else 10  # seconds: an answer that waits for no loop


STREAM = 100_000_000 // weir.SCALE
MOST_ADMIN_CLIENTS = 64


def receive(s, size):
    """The SHA-256 of the next bytes."""
    digest = hashlib.sha256()
    while size:
        piece = s.recv(min(size, 1 << 20))
        if not piece:
            raise AssertionError("%d bytes are missing" % size)
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


def scrape_seconds(proxy):
    start = time.monotonic()
    proxy.metrics()
    return time.monotonic() - start


def ask(proxy, path, method="GET", **kwargs):
    """The status and the JSON of an answer."""
    status, body = proxy.http(path, method, **kwargs)
    return status, json.loads(body)


def connections(proxy, query=""):
    return ask(proxy, "/debug/connections" + query)[1]


def all_connections(proxy, query=""):
    """From every loop: on a busy machine one may not answer in its 250 ms."""
    def look():
        listed = connections(proxy, query)
        return None if listed["silent"] else listed
    return weir.wait_until(look, "all loops to answer")


class UnixConnection(http.client.HTTPConnection):
    """HTTP on a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=weir.LONG)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)

    def ask(self, method, path):
        self.request(method, path)
        response = self.getresponse()
        return response.status, response.read().decode()


class AdminTest(unittest.TestCase):
    def test_connections_are_listed_and_closed(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=" + server.target, "b@127.0.0.1:0=" + server.target,
                          reactors=2) as proxy:
            self.assertEqual(all_connections(proxy)["connections"], [])
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(peers.connect(proxy.address(name)))
                           for name in ("a", "a", "b")]
                for client in clients:
                    peers.round_trip(client, b"12345")
                listed = all_connections(proxy)
                self.assertEqual((listed["total"], listed["truncated"]), (3, False))
                rows = listed["connections"]
                self.assertEqual(sorted(row["forward"] for row in rows), ["a", "a", "b"])
                self.assertEqual({row["reactor"] for row in rows} - {"0", "1"}, set())
                self.assertEqual({row["client"] for row in rows},
                                 {"%s:%d" % client.getsockname() for client in clients})
                for row in rows:
                    self.assertEqual((row["state"], row["upstream"], row["path"]),
                                     ("relaying", server.target, "copy"))
                    self.assertEqual((row["bytes_up"], row["bytes_down"]), (5, 5))
                self.assertEqual(len(all_connections(proxy, "?forward=b")["connections"]), 1)
                cut = all_connections(proxy, "?limit=2")
                self.assertEqual((len(cut["connections"]), cut["total"], cut["truncated"]),
                                 (2, 3, True))

                killed = next(row["id"] for row in rows if row["forward"] == "b")
                close = "/connections/%d/close" % killed
                status, answer = ask(proxy, close, "POST")
                if status != 504:  # that of a busy machine
                    self.assertEqual((status, answer), (200, {"id": killed, "closed": True}))
                with self.assertRaises(ConnectionResetError):
                    clients[2].recv(1)
                proxy.wait_metric(lambda page: page.get(
                    "weir_connections_closed_total", forward="b", reason="killed") == 1,
                    "the kill to be counted")
                status, answer = 504, None
                while status == 504:
                    status, answer = ask(proxy, close, "POST")
                self.assertEqual((status, answer["closed"]), (404, False))
                for client in clients[:2]:
                    peers.round_trip(client)

    def test_status_and_config(self):
        with weir.Weir("a@127.0.0.1:0=127.0.0.1:1+idle:90s", reactors=1) as proxy:
            status = ask(proxy, "/status")[1]
            self.assertEqual((status["pid"], status["phase"]), (proxy.pid, "ready"))
            self.assertEqual(status["forwards"][0]["listen"], ["127.0.0.1:%d" % proxy.port("a")])
            names = {name for name, _, _ in proxy.metrics().samples}
            for name, family in status["metrics"].items():
                suffix = "_bucket" if family["type"] == "histogram" else ""
                self.assertIn(name + suffix, names)
            config = ask(proxy, "/config")[1]
            self.assertEqual(config["flags"]["reactors"], "1")
            self.assertEqual(config["forwards"][0]["keys"]["idle"], "90s")

    def test_log_level(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=" + server.target) as proxy:
            self.assertEqual(ask(proxy, "/log_level?level=verbose", "POST"),
                             (200, {"level": "verbose"}))
            with peers.connect(proxy.address("a")) as client:
                peers.round_trip(client)
            proxy.wait_stderr(r" a#\d+ ")

    def test_a_loop_that_stalls_holds_no_answer(self):
        # It exits without the loop that hangs, on purpose.
        left = {"TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0"}
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=" + server.target, "--allow_stall_injection",
                          reactors=2, env=left) as proxy:
            order = "/debug/stall?reactor=0&how=blocked&ms="
            self.assertEqual(proxy.http(order + "60001", "POST")[0], 400)
            status, stall = ask(proxy, order + "5000", "POST")
            self.assertEqual((status, stall["ms"]), (202, 5000))

            def loop():
                return ask(proxy, "/debug/reactors")[1]["reactors"][0]

            weir.wait_until(lambda: loop()["phase"] == "busy", "the stall to begin")
            start = time.monotonic()
            page = proxy.metrics()
            took = time.monotonic() - start
            self.assertGreater(page.total("weir_reactor_iteration_age_seconds", reactor="0"), 0)
            listed = connections(proxy)
            self.assertEqual(listed["silent"], ["0"])
            status, answer = ask(proxy, "/connections/1/close", "POST")
            self.assertEqual((status, answer["closed"]), (504, False))
            self.assertIn("reactor 0 did not answer", answer["error"])
            self.assertEqual(loop()["phase"], "busy")
            # All of that within the stall; what asks a loop, in its 250 ms.
            self.assertLess(took, QUICK)
            self.assertLess(time.monotonic() - start, 5)
            # The second of two signals does not wait for the loop either.
            proxy.signal()
            proxy.wait_signals_taken()
            proxy.signal()
            self.assertEqual(proxy.wait(), 128 + 15)

    def test_idle_clients_keep_nobody_out(self):
        """A thousand that are silent on the admin port harm neither a scrape nor
        the traffic, and hold few descriptors."""
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=" + server.target, reactors=2) as proxy, \
                contextlib.ExitStack() as stack:
            client = stack.enter_context(peers.connect(proxy.address("a")))
            peers.round_trip(client)
            proxy.metrics()
            before = proxy.open_fds()
            sent = peers.Task(peers.send_stream, client, STREAM, 1)
            received = peers.Task(receive, client, STREAM)
            for _ in range(1000):
                stack.enter_context(peers.connect(proxy.admin))
            best = min(scrape_seconds(proxy) for _ in range(10))
            if weir.PLAIN:
                self.assertLess(best, 0.05)
            self.assertLess(proxy.open_fds(), before + MOST_ADMIN_CLIENTS + 10)
            self.assertEqual(received.result(), sent.result())
            self.assertLess(proxy.open_fds(), before + MOST_ADMIN_CLIENTS + 10)

    def test_stalls_are_not_for_everybody(self):
        with weir.Weir("a@127.0.0.1:0=127.0.0.1:1", reactors=1) as proxy:
            status, text = proxy.http("/debug/stall?reactor=0&ms=1", "POST")
            self.assertEqual((status, text.count("\n")), (403, 1))
            self.assertIn("--allow_stall_injection", text)

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "admin")
            stale = socket.socket(socket.AF_UNIX)
            stale.bind(path)
            stale.close()
            with weir.Weir("a@127.0.0.1:0=127.0.0.1:1", admin=path) as proxy:
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
                proxy.wait_stderr("^admin +unix:" + path + " ")
                self.assertEqual(UnixConnection(path).ask("GET", "/ready"), (200, "ready\n"))
                self.assertEqual(UnixConnection(path).ask("POST", "/drain"), (202, "draining\n"))
                self.assertEqual(proxy.wait(), 0)
                self.assertFalse(os.path.exists(path))

    def test_probes(self):
        with weir.Weir("a@127.0.0.1:0=127.0.0.1:1", "--probes=127.0.0.1:0") as proxy:
            def probe(method, path):
                connection = http.client.HTTPConnection(*proxy.address("probes"),
                                                        timeout=weir.LONG)
                with contextlib.closing(connection):
                    connection.request(method, path)
                    return connection.getresponse().status

            for path in ("/startup", "/ready", "/live", "/metrics"):
                self.assertEqual([probe(method, path) for method in ("GET", "HEAD", "POST")],
                                 [200, 200, 405], path)
            for path in ("/", "/status", "/config", "/drain", "/debug/connections"):
                self.assertEqual([probe(method, path) for method in ("GET", "POST")],
                                 [404, 404], path)
            proxy.wait_stderr(r"^probes http://127\.0\.0\.1:%d " % proxy.port("probes"))
            code, _, err = weir.run("check", "0=127.0.0.1:1", "--probes=127.0.0.1:%d" %
                                    proxy.port("probes"))
            self.assertEqual(code, 1)
            self.assertIn("--probes: cannot listen on", err)

    def test_loops_may_go_unobserved(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=" + server.target, "--noloop_metrics",
                          reactors=1) as proxy:
            with peers.connect(proxy.address("a")) as client:
                peers.round_trip(client)
            self.assertEqual(proxy.metrics().find("weir_reactor_lag_seconds_count"), [])
            self.assertEqual(ask(proxy, "/debug/reactors")[1]["reactors"][0]["phase"], "stopped")
            self.assertEqual(proxy.http("/live"), (200, "live (loops are not observed)\n"))


if __name__ == "__main__":
    unittest.main()
