"""One stream of over 4 GiB, compared by checksum: no counter has 32 bits."""

import os
import subprocess
import unittest

import weir

SIZE = (4 << 30) + 12345
TIMEOUT = 600


def tool(*args):
    path = os.environ.get("STREAM_TOOL", "bazel-bin/tests/e2e/stream_tool")
    return subprocess.Popen([path, *args], stdout=subprocess.PIPE, text=True)


class BigStreamTest(unittest.TestCase):
    def run_direction(self, listener_does, client_does, receiving_side, path, keys=""):
        listener = tool("listen", listener_does, str(SIZE))
        self.addCleanup(listener.wait)
        self.addCleanup(listener.kill)
        port = listener.stdout.readline().split()[1]
        with weir.Weir("big@127.0.0.1:0=127.0.0.1:" + port + keys,
                       poller="epoll") as proxy:
            client = tool("connect", client_does, str(SIZE), str(proxy.port("big")))
            self.addCleanup(client.wait)
            self.addCleanup(client.kill)
            at_client, _ = client.communicate(timeout=TIMEOUT)
            at_listener, _ = listener.communicate(timeout=TIMEOUT)
            self.assertEqual((client.returncode, listener.returncode), (0, 0))
            self.assertEqual(at_client, at_listener)
            self.assertEqual(int(at_client.split()[1]), SIZE)
            page = proxy.wait_at_rest()
            self.assertEqual(page.total("weir_received_bytes_total", side=receiving_side), SIZE)
            self.assertEqual(page.total("weir_sent_bytes_total"), SIZE)
            self.assertGreater(page.total("weir_relayed_bytes_total", path=path), SIZE // 2)

    def test_up_spliced(self):
        self.run_direction("receive", "send", "client", path="splice")

    def test_down_copied(self):
        self.run_direction("send", "receive", "upstream", path="copy", keys="+splice:off")


if __name__ == "__main__":
    unittest.main()
