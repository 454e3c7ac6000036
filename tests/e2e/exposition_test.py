"""/metrics as Prometheus' own tool sees it: at the start, under load, at rest."""

import contextlib
import os
import subprocess
import tempfile
import threading
import unittest

import peers
import programs
import weir


class ExpositionTest(unittest.TestCase):
    def check(self, page):
        promtool, = programs.need("promtool")
        done = subprocess.run([promtool, "check", "metrics"], input=page.text, text=True,
                              capture_output=True, timeout=weir.LONG, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_promtool(self):
        with peers.Server(peers.echo) as server, \
                tempfile.TemporaryDirectory() as folder, \
                weir.Weir("a@127.0.0.1:0=" + server.target, "b@[::1]:0=localhost:1",
                          "--access_log=" + os.path.join(folder, "log"), reactors=2) as proxy:
            start = proxy.metrics()
            self.check(start)
            # Every child of a closed set is there from the start, at zero.
            self.assertEqual(len(start.find("weir_connections_closed_total", forward="b")), 20)
            for name in ("weir_connections_accepted_total", "weir_received_bytes_total",
                         "weir_sent_bytes_total", "weir_discarded_bytes_total",
                         "weir_connections_rejected_total", "weir_connections_active",
                         "weir_connection_duration_seconds_count",
                         "weir_first_byte_seconds_count", "weir_backpressure_pauses_total",
                         "weir_backpressure_seconds_total", "weir_upstream_connects_total",
                         "weir_upstream_connect_seconds_count", "weir_upstream_connections"):
                self.assertEqual(start.total(name, forward="a"), 0)
            for name in ("weir_reactor_connections", "weir_reactor_buffered_bytes",
                         "weir_reactor_handoff_seconds_count"):
                self.assertEqual([labels["reactor"] for _, labels, _ in start.find(name)],
                                 ["0", "1"], name)
            self.assertEqual(len(start.find("weir_relayed_bytes_total")), 4)
            self.assertEqual(len(start.find("weir_dns_resolutions_total")), 4)
            self.assertEqual(start.total("weir_upstream_up"), 2)
            for name in ("process_cpu_seconds_total", "process_resident_memory_bytes",
                         "process_open_fds", "process_max_fds", "process_start_time_seconds",
                         "weir_build_info", "weir_ready", "weir_draining",
                         "weir_access_log_lines_total", "weir_access_log_bytes_total",
                         "weir_access_log_reopens_total", "weir_access_log_up",
                         "weir_file_request_errors_total", "weir_file_requests_outstanding",
                         "weir_file_request_seconds_count"):
                self.assertEqual(len(start.find(name)), 1, name)

            self.assertEqual({labels["reason"] for _, labels, _ in
                              start.find("weir_access_log_dropped_total")},
                             {"full", "output", "exit"})

            stop = threading.Event()

            def talk():
                while not stop.is_set():
                    with peers.connect(proxy.address("a")) as client:
                        for _ in range(50):
                            peers.round_trip(client)

            tasks = [peers.Task(talk) for _ in range(4)]
            pages = [start]
            for _ in range(50):
                pages.append(proxy.metrics())
            stop.set()
            for task in tasks:
                task.result()
            self.check(pages[-1])
            rest = proxy.wait_at_rest()
            pages.append(rest)
            self.check(rest)
            # Counters and buckets never fall, under load or not.
            for before, after in zip(pages, pages[1:]):
                now = {(n, tuple(sorted(labels.items()))): v for n, labels, v in after.samples}
                for name, labels, value in before.samples:
                    if name.endswith(("_total", "_bucket", "_count", "_sum")):
                        self.assertGreaterEqual(now[name, tuple(sorted(labels.items()))], value,
                                                (name, labels))
            self.assertGreater(rest.total("weir_received_bytes_total", forward="a"), 0)
            for forward in ("a", "b"):
                self.balance(rest, forward)
            self.assertEqual(rest.total("weir_reactor_buffered_bytes"), 0)
            self.assertEqual(rest.total("weir_reactor_connections"), 0)
            self.assertEqual(rest.total("weir_relayed_bytes_total", path="copy"),
                             rest.total("weir_sent_bytes_total"))
            answered = rest.total("weir_first_byte_seconds_count", forward="a")
            self.assertGreater(answered, 0)
            self.assertLessEqual(answered, rest.total("weir_connections_accepted_total"))

    def balance(self, page, forward):
        """What holds at rest: nothing is buffered, and nothing got lost."""
        def total(name, **labels):
            return page.total("weir_" + name, forward=forward, **labels)

        closed = total("connections_closed_total")
        self.assertEqual(total("connections_accepted_total"),
                         total("connections_active") + closed +
                         total("connections_rejected_total"))
        self.assertEqual(total("connection_duration_seconds_count"), closed)
        self.assertEqual(total("upstream_connect_seconds_count"),
                         total("upstream_connects_total", result="ok"))
        for side, other in (("client", "upstream"), ("upstream", "client")):
            self.assertEqual(total("received_bytes_total", side=side),
                             total("sent_bytes_total", side=other) +
                             total("discarded_bytes_total", side=side))

    def test_promtool_while_it_drains(self):
        """With a refused upstream, a reset, and bytes that nobody reads before."""
        with peers.DeadPort() as dead, peers.Server() as lazy, \
                weir.Weir("dead@127.0.0.1:0=" + dead.target, "lazy@127.0.0.1:0=" + lazy.target,
                          reactors=2) as proxy:
            with contextlib.suppress(ConnectionResetError), \
                    peers.connect(proxy.address("dead")) as client:
                peers.read_all(client)
            peers.reset(peers.connect(proxy.address("lazy")))
            proxy.wait_metric(lambda p: p.total("weir_connections_closed_total") == 2,
                              "both to end")
            with peers.connect(proxy.address("lazy")) as client:
                peers.fill(client, proxy)
                self.check(proxy.metrics())
                self.assertEqual(proxy.http("/drain", "POST")[0], 202)
                self.check(proxy.wait_metric(lambda p: p.total("weir_draining") == 1,
                                             "the drain"))

    def test_lag_of_an_idle_loop_is_none(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=" + server.target, reactors=2) as proxy:
            def lag(page, kind, **labels):
                return page.total("weir_reactor_lag_seconds_" + kind, reactor="0", **labels)

            first = proxy.wait_metric(lambda p: p.total(
                "weir_reactor_iteration_age_seconds", reactor="0") == 0, "the loop to wait")
            # The clock runs on while it waits: one arrival a millisecond, none late.
            page = proxy.wait_metric(
                lambda p: lag(p, "count") >= lag(first, "count") + 200, "200 ms to pass")
            in_time = lag(page, "bucket", le="0.005") - lag(first, "bucket", le="0.005")
            self.assertGreater(in_time / (lag(page, "count") - lag(first, "count")), 0.9)
            self.assertLess(page.total("weir_reactor_iteration_age_seconds", reactor="0"), 5)
            for reactor in ("0", "1", "control"):
                self.assertEqual(len(page.find("weir_reactor_lag_seconds_count",
                                               reactor=reactor)), 1)


if __name__ == "__main__":
    unittest.main()
