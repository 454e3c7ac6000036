"""Churn leaves nothing behind: descriptors, memory and accounts at rest."""

import json
import os
import subprocess
import unittest

import weir

CONNECTIONS = 20000


class Load:
    """tests/bench/load: both peers of the proxy in one fast process."""

    def __init__(self):
        self.process = subprocess.Popen(
            [os.environ.get("LOAD", "bazel-bin/tests/bench/load")], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def run(self, *command):
        self.process.stdin.write(" ".join(str(c) for c in command) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(answer)
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(weir.LONG)


class RestTest(unittest.TestCase):
    def run_poller(self, poller):
        load = Load()
        self.addCleanup(load.close)
        with weir.Weir("c@127.0.0.1:0=127.0.0.1:%d" % load.port, poller=poller,
                       reactors=2) as proxy:
            # The first ones fill caches and pools that stay.
            load.run("connect", proxy.port("c"), 50, CONNECTIONS // 4, 0)
            proxy.wait_at_rest()
            fds, memory = proxy.open_fds(), proxy.rss()
            load.run("connect", proxy.port("c"), 50, CONNECTIONS, 0)
            page = proxy.wait_at_rest()
            total = CONNECTIONS + CONNECTIONS // 4
            self.assertEqual(page.total("weir_connections_accepted_total"), total)
            self.assertEqual(page.total("weir_connections_closed_total", reason="client_fin"),
                             total)
            self.assertEqual(page.total("weir_received_bytes_total"), 2 * total)
            self.assertEqual(page.total("weir_sent_bytes_total"), 2 * total)
            self.assertEqual(page.total("weir_discarded_bytes_total"), 0)
            # (The admin connection of the last look may still be closing.)
            weir.wait_until(lambda: proxy.open_fds() <= fds,
                            "the descriptors to go back to %d" % fds)
            if weir.PLAIN:
                self.assertLess(proxy.rss() - memory, 256 << 10)
            used = proxy.cpu_share(1)
            self.assertLess(used, 0.03 if weir.PLAIN else 0.15)

    def test_epoll(self):
        self.run_poller("epoll")

    def test_poll(self):
        self.run_poller("poll")

    def test_select(self):
        self.run_poller("select")

    def test_io_uring(self):
        self.run_poller("io_uring")


if __name__ == "__main__":
    unittest.main()
