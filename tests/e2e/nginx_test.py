"""wrk and curl against nginx through weir."""

import hashlib
import os
import subprocess
import unittest

import programs
import weir


class NginxTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        programs.need("wrk", "curl")
        cls.server = programs.Nginx()
        cls.addClassCleanup(cls.server.close)
        cls.ways = programs.FourWays(cls.server)
        cls.addClassCleanup(cls.ways.close)

    def url(self, proxy, way, path):
        if way[0] == "u":
            return "http://localhost/" + path
        return "http://%s:%d/%s" % (*proxy.address(way), path)

    def curl(self, proxy, way, path, *args):
        command = ["curl", "-sSf", *args, self.url(proxy, way, path)]
        if way[0] == "u":
            command += ["--unix-socket", self.ways.path(way)]
        done = subprocess.run(command, capture_output=True, timeout=weir.LONG, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def wrk(self, proxy, way, *args):
        done = subprocess.run(
            ["wrk", "-t", "1", "-d", "1s", *args, self.url(proxy, way, "small")],
            capture_output=True, text=True, timeout=weir.LONG, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("Socket errors", done.stdout)
        self.assertNotIn("Non-2xx", done.stdout)
        self.assertNotIn(" 0 requests in", done.stdout)

    def run_all(self, poller):
        for reactors in (1, 2, 4):
            with weir.Weir(*self.ways.specs(), poller=poller, reactors=reactors) as proxy:
                for way in self.ways.WAYS:
                    with self.subTest(reactors=reactors, way=way):
                        content = self.curl(proxy, way, "big")
                        self.assertEqual(hashlib.sha256(content).hexdigest(),
                                         self.server.digests["big"])
                        self.curl(proxy, way, "sink", "-T",
                                  os.path.join(self.server.directory, "www", "big"))
                with self.subTest(reactors=reactors, way="wrk"):
                    self.wrk(proxy, "tt", "-c", "30")
                with self.subTest(reactors=reactors, way="wrk, new connections"):
                    self.wrk(proxy, "tu", "-c", "8", "-H", "Connection: close")
                # wrk drops its connections in the middle of answers when its time
                # is over: that ends connections, and nothing else.
                proxy.wait_at_rest()
                self.assertTrue(self.curl(proxy, "tt", "small"))

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
