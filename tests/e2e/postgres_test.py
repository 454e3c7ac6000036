"""pgbench against PostgreSQL through weir."""

import os
import subprocess
import unittest

import programs
import weir


class PostgresTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = programs.Postgres()
        cls.addClassCleanup(cls.server.close)
        cls.ways = programs.FourWays(cls.server, ".s.PGSQL.5432")
        cls.addClassCleanup(cls.ways.close)
        subprocess.run(["pgbench", "-h", "127.0.0.1", "-p", str(cls.server.port), "-U", "weir",
                        "-i", "-q", "postgres"], check=True, capture_output=True)

    def pgbench(self, proxy, way, *args):
        if way[0] == "u":
            host, port = os.path.dirname(self.ways.path(way)), 5432
        else:
            host, port = proxy.address(way)
        done = subprocess.run(
            ["pgbench", "-h", host, "-p", str(port), "-U", "weir", "-n", *args, "postgres"],
            capture_output=True, text=True, timeout=weir.LONG, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("number of failed transactions: 0", done.stdout)
        self.assertNotIn("error", done.stderr)

    def run_all(self, poller):
        for reactors in (1, 2, 4):
            with weir.Weir(*self.ways.specs(), poller=poller, reactors=reactors) as proxy:
                for way in self.ways.WAYS:
                    with self.subTest(reactors=reactors, way=way):
                        # A connection each, many messages, on prepared statements.
                        self.pgbench(proxy, way, "-S", "-M", "prepared", "-c", "8",
                                     "-t", str(200 // weir.SCALE))
                with self.subTest(reactors=reactors, way="new connections"):
                    self.pgbench(proxy, "tt", "-S", "-C", "-c", "4", "-t", str(25 // weir.SCALE))
                with self.subTest(reactors=reactors, way="writes"):
                    self.pgbench(proxy, "tu", "-c", "4", "-t", str(50 // weir.SCALE))
                page = proxy.wait_at_rest()
                self.assertGreaterEqual(page.total("weir_connections_accepted_total"), 32)

    def test_epoll(self):
        self.run_all("epoll")

    def test_poll(self):
        self.run_all("poll")

    def test_select(self):
        self.run_all("select")

    def test_io_uring(self):
        self.run_all("io_uring")


if __name__ == "__main__":
    unittest.main()
