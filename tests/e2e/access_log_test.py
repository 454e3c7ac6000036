"""The access log of a whole weir: a line for each connection, in each format,
across rotations, and what it says when there can be none."""

import json
import os
import re
import signal
import subprocess
import tempfile
import unittest

import access_logs
import peers
import weir

# What logfmt quotes is escaped as in JSON.
LOGFMT = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=]*)(?: |$)')
FIELDS = {"time", "event", "forward", "connection", "reactor", "client", "target", "upstream",
          "duration", "connect", "first_byte", "bytes_up", "bytes_down",
          "client_retransmits", "upstream_retransmits", "reason"}


def parse(line, how):
    if how == "json":
        return json.loads(line)
    fields = {}
    for name, value in LOGFMT.findall(line):
        text = json.loads(value) if value.startswith('"') else value
        fields[name] = int(text) if re.fullmatch(r"\d+", text) else text
    return fields


class AccessLogTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = os.path.join(self.folder, "access.log")
        self.server = self.enterContext(peers.Server(peers.echo))

    def lines(self, path=None):
        with open(path or self.path, encoding="utf-8", newline="\n") as f:
            text = f.read()
        self.assertTrue(not text or text.endswith("\n"))
        return text.split("\n")[:-1]

    def start(self, *args, **options):
        return weir.Weir("pg@127.0.0.1:0=" + self.server.target,
                         "--access_log=" + self.path, *args, reactors=2, **options)

    def talk(self, proxy, count):
        for _ in range(count):
            with peers.connect(proxy.address("pg")) as client:
                peers.round_trip(client)

    def wait_all_accounted(self, proxy):
        """Lines and dropped ones are as many as connections that closed."""
        return proxy.wait_metric(
            lambda page: page.total("weir_connections_active") == 0 and
            page.total("weir_connections_closed_total") ==
            page.total("weir_access_log_lines_total") +
            page.total("weir_access_log_dropped_total"), "a line for each connection")

    def test_a_line_for_each(self):
        for how in ("json", "logfmt"):
            with self.subTest(how), self.start("--access_log_format=" + how) as proxy:
                self.talk(proxy, 30)
                page = self.wait_all_accounted(proxy)
                self.assertEqual(page.total("weir_access_log_dropped_total"), 0)
                self.assertEqual(page.total("weir_access_log_bytes_total"),
                                 os.path.getsize(self.path))
                found = [parse(line, how) for line in self.lines()]
                self.assertEqual(len(found), 30)
                self.assertEqual(len({fields["connection"] for fields in found}), 30)
                for fields in found:
                    self.assertEqual(set(fields), FIELDS)
                    self.assertEqual((fields["event"], fields["forward"], fields["reason"],
                                      fields["upstream"]),
                                     ("close", "pg", "client_fin", self.server.target))
                    self.assertGreater(fields["bytes_up"], 0)
                    self.assertEqual(fields["bytes_up"], fields["bytes_down"])
                log = json.loads(proxy.http("/status")[1])["access_log"]
                self.assertEqual(log, {"file": self.path, "up": True, "state": "writing",
                                       "lines": 30, "dropped": 0})
            os.remove(self.path)

    def test_open_and_update_lines(self):
        with self.start("--access_log_open", "--access_log_every=1s") as proxy:
            with peers.connect(proxy.address("pg")) as client:
                peers.round_trip(client)
                proxy.wait_metric(lambda p: p.total("weir_access_log_lines_total") >= 2,
                                  "an update")
            page = proxy.wait_metric(
                lambda p: p.total("weir_connections_closed_total") == 1 and
                p.total("weir_access_log_lines_total") == len(self.lines()) and
                parse(self.lines()[-1], "json")["event"] == "close", "the end")
            self.assertEqual(page.total("weir_access_log_dropped_total"), 0)
            events = [parse(line, "json")["event"] for line in self.lines()]
            self.assertEqual(events, ["open"] + ["update"] * (len(events) - 2) + ["close"])

    def test_standard_output(self):
        proxy = subprocess.Popen(
            [weir.binary(), "pg@127.0.0.1:0=" + self.server.target, "--admin=off",
             "--access_log=/dev/stdout", "--ports_file=" + self.path],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(proxy.stdout.close)
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.kill)
        weir.wait_until(lambda: os.path.exists(self.path), "the ports")
        with open(self.path) as f:
            _, host, port = f.read().split()
        for _ in range(3):
            with peers.connect((host, int(port))) as client:
                peers.round_trip(client)
            self.assertEqual(parse(proxy.stdout.readline().decode(), "json")["event"], "close")
        proxy.send_signal(signal.SIGTERM)
        self.assertEqual(proxy.stdout.read(), b"")

    def test_each_way_of_hearing_across_a_rotation(self):
        for how in access_logs.FILE_IO:
            with self.subTest(how), self.start("--file_io=" + how) as proxy:
                self.talk(proxy, 20)
                os.rename(self.path, self.path + ".1")
                proxy.process.send_signal(signal.SIGUSR1)
                self.talk(proxy, 20)
                proxy.wait_metric(lambda p: p.total("weir_access_log_reopens_total") > 0,
                                  "the new file")
                self.talk(proxy, 20)
                self.wait_all_accounted(proxy)
                new = self.lines()
                self.assertGreaterEqual(len(new), 20)
                both = [parse(line, "json") for line in self.lines(self.path + ".1") + new]
                self.assertEqual(len({fields["connection"] for fields in both}), 60)
                self.assertEqual(len(both), 60)
            os.remove(self.path)

    def test_a_half_line_of_a_process_that_was_killed_costs_no_other(self):
        half = '{"time":"2026-01-31T14:0'

        def leave_half():
            with open(self.path, "x") as f:
                f.write(half)
        for how in access_logs.FILE_IO:
            leave_half()
            with self.subTest(how), self.start("--file_io=" + how) as proxy:
                self.talk(proxy, 3)
                self.wait_all_accounted(proxy)
                os.rename(self.path, self.path + ".1")
                leave_half()
                proxy.process.send_signal(signal.SIGUSR1)
                proxy.wait_metric(lambda p: p.total("weir_access_log_reopens_total") > 0,
                                  "the new file")
                self.talk(proxy, 3)
                page = self.wait_all_accounted(proxy)
                self.assertEqual(page.total("weir_access_log_lines_total"), 6)
                for path in (self.path + ".1", self.path):
                    first, *others = self.lines(path)
                    self.assertEqual(first, half)
                    self.assertEqual([parse(line, "json")["event"] for line in others],
                                     ["close"] * 3)
            os.remove(self.path)

    def test_what_is_cut_at_the_exit_has_its_line(self):
        with self.start(quick_drain=False) as proxy:
            clients = [peers.connect(proxy.address("pg")) for _ in range(3)]
            for client in clients:
                peers.round_trip(client)
            proxy.process.send_signal(signal.SIGTERM)
            proxy.wait_stderr("draining")
            proxy.process.send_signal(signal.SIGTERM)
            self.assertEqual(proxy.process.wait(weir.LONG), 128 + signal.SIGTERM)
            for client in clients:
                client.close()
            self.assertEqual([parse(line, "json")["event"] for line in self.lines()],
                             ["close"] * 3)

    def test_a_fifo_that_nobody_reads_does_not_hold_the_exit(self):
        os.mkfifo(self.path)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        # (A line is longer than 200 bytes, and a pipe has room for 64 KiB.)
        with self.start("--drain_timeout=1s", quick_drain=False) as proxy:
            self.talk(proxy, 600)
            proxy.wait_metric(lambda p: p.total("weir_access_log_up") == 0, "the write to hang")
            proxy.process.send_signal(signal.SIGTERM)
            self.assertEqual(proxy.process.wait(weir.LONG), 0)
            lost = proxy.wait_stderr(r"access log: (\d+) lines were not written")
            self.assertGreater(int(lost[1]), 0)

    def test_a_start_that_fails_and_the_check_before_it(self):
        for path, words in (("/nonexistent/a.log", "make its directory"),
                            (self.folder, "name a file in it")):
            with self.subTest(path):
                args = "0=127.0.0.1:1", "--admin=off", "--access_log=" + path
                code, _, error = weir.run(*args)
                self.assertEqual(code, 1)
                self.assertRegex(error, r"\A.*%s.*%s.*\n\Z" % (path, words))
                code, _, checked = weir.run("check", *args)
                self.assertEqual((code, checked), (1, error))

    def test_status_command(self):
        with self.start() as proxy:
            self.talk(proxy, 3)
            self.wait_all_accounted(proxy)
            done = subprocess.run(
                [weir.binary(), "status", "--admin=%s:%d" % proxy.admin], capture_output=True,
                text=True, timeout=weir.LONG, check=False)
            self.assertIn("access log %s  writing  3 lines, 0 dropped" % self.path, done.stdout)


if __name__ == "__main__":
    unittest.main()
