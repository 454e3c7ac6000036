"""A real Prometheus scrapes weir under load: the configuration, the alerts and
each query of the dashboard work with what it has seen."""

import contextlib
import json
import math
import os
import re
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request

import deployed
import families
import peers
import programs
import weir

# A sanitizer's page takes longer.
INTERVAL_MS = 200 if weir.PLAIN else 500
SCRAPES = 12
# Grafana takes at least four scrapes.
RATE_INTERVAL = "%dms" % (INTERVAL_MS * SCRAPES)

# What nothing of this load moves for certain: 0 is right, but there it must be.
# The title of a panel, or with the letter of one of its queries.
QUIET = {
    "Over 5 ms late", "Longest running iteration", "Time with lag over 5 ms",
    "Busy but not on a CPU", "Stalls by kind", "Stall time by cause", "Watchdog",
    "Age of the running iteration", "Bytes discarded", "Rejected", "Pauses of the process",
    "Accept errors", "Log lines dropped", "Draining", "Name look-ups by result",
    "Access log lines B", "Access log opened again", "File requests B", "File requests C",
    "File requests D", "File requests outstanding", "Oldest file request",
    "Iterations and events C", "Queues and timers A", "Splice fallbacks",
}


class Prometheus(programs.Program):
    """Debian's Prometheus with the shipped configuration, but for the times and
    the address."""

    def __init__(self, target):
        program, = programs.need("prometheus")
        super().__init__()
        path = os.path.join(self.directory, "prometheus.yml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(self._config(target))
        self.start(lambda port: [
            program, "--config.file=" + path, "--web.listen-address=127.0.0.1:%d" % port,
            "--storage.tsdb.path=" + os.path.join(self.directory, "data"), "--log.level=warn",
        ], self._is_ready)

    @staticmethod
    def _config(target):
        text = deployed.read(deployed.CONFIG)
        interval = "%dms" % INTERVAL_MS
        for old, new in ((r"(?<=scrape_interval: )\S+", interval),
                         (r"(?<=evaluation_interval: )\S+", interval),
                         (r"127\.0\.0\.1:9464(?=\"])", target),
                         (r"weir\.rules\.yml", deployed.RULES)):
            text, count = re.subn(old, new, text)
            if count != 1:
                raise AssertionError("%d times %s in %s" % (count, old, deployed.CONFIG))
        return text

    def _is_ready(self):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/-/ready" % self.port,
                                        timeout=weir.LONG) as response:
                return response.status == 200
        except OSError:
            return False

    def api(self, path, **parameters):
        url = "http://127.0.0.1:%d/api/v1/%s?%s" % (
            self.port, path, urllib.parse.urlencode(parameters))
        try:
            with urllib.request.urlopen(url, timeout=weir.LONG) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError("%s: %s" % (parameters, error.read().decode())) from error

    def query(self, expr):
        """[(labels, value)]; raises when the query is wrong."""
        return [(sample["metric"], float(sample["value"][1]))
                for sample in self.api("query", query=expr)["result"]]

    def wait_scrapes(self, count):
        """Until there have been `count` more."""
        expr = 'count_over_time(up{job="weir"}[1h])'

        def seen():
            return sum(value for _, value in self.query(expr))

        first = seen()
        weir.wait_until(lambda: seen() >= first + count, "%d scrapes" % count, interval=0.05)


class Load:
    """Traffic of every sort, until it is told to end: round trips, bulk, a reader
    that rests, idle connections that time out, upstreams that refuse."""

    SPECS = ("echo@127.0.0.1:0={echo}", "name@127.0.0.1:0=localhost:{echo_port}",
             "idle@127.0.0.1:0={echo}+idle:200ms", "dead@127.0.0.1:0={dead}",
             "lazy@127.0.0.1:0={lazy}")

    def __init__(self, proxy):
        self._proxy = proxy
        self._end = threading.Event()
        self._tasks = [peers.Task(self._repeat, function) for function in (
            self._talk, self._rest, self._refused, self._overfill)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end.set()
        for task in self._tasks:
            task.result()

    def _repeat(self, function):
        while not self._end.is_set():
            function()
            self._end.wait(0.005)

    def _talk(self):
        for name in ("echo", "name"):
            with peers.connect(self._proxy.address(name)) as client:
                for size in (1, 100, 50_000):
                    peers.round_trip(client, b"x" * size)

    def _rest(self):
        # Until the proxy ends it; on a busy machine it has no byte before that.
        with contextlib.suppress(ConnectionResetError), \
                peers.connect(self._proxy.address("idle")) as client:
            peers.round_trip(client)
            peers.read_all(client)

    def _refused(self):
        # (The reset may come as early as out of connect().)
        with contextlib.suppress(ConnectionResetError), \
                peers.connect(self._proxy.address("dead")) as client:
            peers.read_all(client)

    def _overfill(self):
        """More than the queues take, to somebody who does not read; again and
        again, for a pause is counted when it begins."""
        client = peers.connect(self._proxy.address("lazy"))
        client.setblocking(False)
        for _ in range(5):
            peers.send_some(client)
            self._end.wait(0.05)
        peers.reset(client)


class ScrapeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        server = cls.enterClassContext(peers.Server(peers.echo))
        lazy = cls.enterClassContext(peers.Server())
        dead = cls.enterClassContext(peers.DeadPort())
        specs = [spec.format(echo=server.target, echo_port=server.port, dead=dead.target,
                             lazy=lazy.target) for spec in Load.SPECS]
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.proxy = cls.enterClassContext(weir.Weir(
            *specs, "--access_log=" + os.path.join(folder, "log"), reactors=2))
        cls.addClassCleanup(lazy.close)  # What waits for it cannot hold the drain.
        cls.first_page = cls.proxy.metrics()
        cls.prometheus = cls.enterClassContext(Prometheus("%s:%d" % cls.proxy.admin))
        cls.enterClassContext(Load(cls.proxy))
        cls.prometheus.wait_scrapes(SCRAPES + 1)

    def test_target_is_up(self):
        targets = self.prometheus.api("targets")["activeTargets"]
        self.assertEqual([(t["labels"]["job"], t["health"], t["lastError"]) for t in targets],
                         [("weir", "up", "")])

    def test_dashboard(self):
        for title, target in deployed.queries():
            with self.subTest(title=title, query=target["refId"]):
                expr = deployed.substituted(target["expr"], RATE_INTERVAL)
                found = self.prometheus.query(expr)
                self.assertNotEqual(found, [], expr)
                shown = [value for _, value in found if math.isfinite(value)]
                self.assertNotEqual(shown, [], expr)
                if not {title, title + " " + target["refId"]} & QUIET:
                    self.assertTrue(any(value > 0 for value in shown), (expr, found))
                for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                    for labels, _ in found:
                        self.assertIn(label, labels)

    def test_alerts(self):
        def evaluated():
            rules = [rule for group in self.prometheus.api("rules")["groups"]
                     for rule in group["rules"]]
            return rules if all(rule["health"] != "unknown" for rule in rules) else None

        rules = weir.wait_until(evaluated, "the rules to be evaluated")
        self.assertEqual(sorted(rule["name"] for rule in rules),
                         sorted(name for name, _ in deployed.alerts()))
        for rule in rules:
            with self.subTest(name=rule["name"], severity=rule["labels"]["severity"]):
                self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""))
                self.assertEqual(set(rule["annotations"]),
                                 {"summary", "description", "runbook"})
                # Without its thresholds there is something: no name is wrong.
                if rule["name"] != "WeirNoTarget":
                    expr = re.sub(r" (>|==) [\d.]+", "", rule["query"]).split(" unless ")[0]
                    self.assertNotEqual(self.prometheus.query(expr), [], expr)

    def test_page_has_the_families(self):
        """And no others, each with all children of its closed sets."""
        for page in (self.first_page, self.proxy.metrics()):
            types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page.text, re.M))
            with self.subTest("families"):
                self.assertEqual(types, {n: kind for n, (kind, _) in families.FAMILIES.items()})
            for name, (kind, labels) in families.FAMILIES.items():
                found = page.find(name + "_count" if kind == "histogram" else name)
                with self.subTest(name):
                    self.assertEqual({tuple(sorted(s[1])) for s in found},
                                     {tuple(sorted(labels))})
                    for label, values in labels.items():
                        if values:
                            self.assertEqual({s[1][label] for s in found}, set(values))

    def test_promtool(self):
        """The page of a proxy under load, and the one before it."""
        promtool, = programs.need("promtool")
        for page in (self.first_page, self.proxy.metrics()):
            done = subprocess.run([promtool, "check", "metrics"], input=page.text, text=True,
                                  capture_output=True, timeout=weir.LONG, check=False)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
