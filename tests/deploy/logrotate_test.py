"""Debian's logrotate with the shipped configuration, on a weir that runs."""

import os
import subprocess
import tempfile
import unittest

import access_logs
import deployed
import peers
import programs
import weir

# What the configuration calls, so that no other process of the machine is told.
PKILL = """#!/bin/sh
echo "$@" >>%(said)s
kill -USR1 %(pid)d
"""
DEAF_PKILL = """#!/bin/sh
exit 1
"""


class LogrotateTest(unittest.TestCase):
    def setUp(self):
        self.logrotate, = programs.need("logrotate")
        folder = tempfile.TemporaryDirectory(prefix="weir-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.log = self.path("log", "access.log")
        os.mkdir(self.path("log"))
        os.mkdir(self.path("bin"))
        server = peers.Server(peers.echo)
        self.addCleanup(server.close)
        self.proxy = weir.Weir("a@127.0.0.1:0=" + server.target, "--access_log=" + self.log)
        self.addCleanup(self.proxy.close)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def install(self, pkill):
        with open(self.path("bin", "pkill"), "w") as f:
            f.write(pkill)
        os.chmod(self.path("bin", "pkill"), 0o755)

    def rotate(self):
        """As it is shipped, but for the path."""
        config = deployed.read(deployed.LOGROTATE)
        self.assertIn("\n/var/log/weir/*.log {", config)
        with open(self.path("config"), "w") as f:
            f.write(config.replace("/var/log/weir/", self.path("log") + "/"))
        os.chmod(self.path("config"), 0o644)
        path = self.path("bin") + ":" + os.environ.get("PATH", "/usr/bin:/bin")
        done = subprocess.run(
            [self.logrotate, "--force", "--verbose", "--state", self.path("state"),
             self.path("config")], env={**os.environ, "PATH": path}, check=False,
            capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotRegex(done.stderr, "(?m)^(error|warning)")

    def connect(self, count):
        for _ in range(count):
            with peers.connect(self.proxy.address("a")) as client:
                peers.round_trip(client)

    def test_each_rotation_begins_a_file_and_compresses_the_last_but_one(self):
        self.install(PKILL % {"said": self.path("said"), "pid": self.proxy.pid})
        for i in range(3):
            self.connect(10)
            access_logs.wait_lines(self.proxy, 10 * (i + 1))
            self.rotate()
            weir.wait_until(lambda: os.path.exists(self.log), "a new file")
        self.connect(10)
        page = access_logs.wait_accounted(self.proxy)
        self.assertEqual(access_logs.dropped(page), 0)
        self.assertEqual(sorted(os.listdir(self.path("log"))),
                         ["access.log", "access.log.1", "access.log.2.gz", "access.log.3.gz"])
        for name in ("2", "3"):
            subprocess.run(["gzip", "-d", "%s.%s.gz" % (self.log, name)], check=True)
        for name in ("", ".1", ".2", ".3"):
            self.assertEqual(len(access_logs.read(self.log + name)), 10, name)
        with open(self.path("said")) as f:
            self.assertEqual(f.read(), "-USR1 -x weir\n" * 3)

    def test_without_the_signal_it_sees_the_rename(self):
        self.install(DEAF_PKILL)
        self.connect(10)
        access_logs.wait_lines(self.proxy, 10)
        self.rotate()

        def went_on():
            self.connect(1)
            return os.path.exists(self.log)
        weir.wait_until(went_on, "a new file")
        page = access_logs.wait_accounted(self.proxy)
        self.assertEqual(access_logs.dropped(page), 0)
        self.assertEqual(len(access_logs.read(self.log, self.log + ".1")),
                         access_logs.closed(page))


if __name__ == "__main__":
    unittest.main()
