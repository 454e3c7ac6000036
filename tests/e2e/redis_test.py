"""redis-benchmark against redis-server through weir."""

import subprocess
import unittest

import programs
import weir


class RedisTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = programs.Redis()
        cls.addClassCleanup(cls.server.close)
        cls.ways = programs.FourWays(cls.server)
        cls.addClassCleanup(cls.ways.close)

    def benchmark(self, proxy, way, *args):
        if way[0] == "u":
            where = ["-s", self.ways.path(way)]
        else:
            host, port = proxy.address(way)
            where = ["-h", host, "-p", str(port)]
        done = subprocess.run(["redis-benchmark", *where, "--csv", *args], capture_output=True,
                              text=True, timeout=weir.LONG, check=False)
        output = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, output)
        self.assertNotIn("rror", output)
        self.assertIn('"GET"', done.stdout)

    def run_all(self, poller):
        count = 4000 // weir.SCALE
        for reactors in (1, 2, 4):
            with weir.Weir(*self.ways.specs(), poller=poller, reactors=reactors) as proxy:
                for way in self.ways.WAYS:
                    with self.subTest(reactors=reactors, way=way):
                        self.benchmark(proxy, way, "-t", "set,get", "-n", str(count), "-c", "30")
                with self.subTest(reactors=reactors, way="pipelined"):
                    self.benchmark(proxy, "tt", "-t", "set,get", "-n", str(10 * count), "-c", "20",
                                   "-P", "32")
                with self.subTest(reactors=reactors, way="large values"):
                    self.benchmark(proxy, "tu", "-t", "set,get", "-n", str(count // 10), "-c",
                                   "20", "-d", "200000")
                with self.subTest(reactors=reactors, way="new connections"):
                    self.benchmark(proxy, "tt", "-t", "set,get", "-n", str(count // 4), "-c", "20",
                                   "-k", "0")
                proxy.wait_at_rest()

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
