"""How many waits, receives and sends a round trip of one connection costs."""

import os
import tempfile
import unittest

import peers
import programs
import weir

# What moves bytes or waits for them. One more of any is a regression.
COUNTED = ("epoll_wait", "epoll_pwait", "epoll_pwait2", "recvfrom", "recvmsg", "read", "readv",
           "sendto", "sendmsg", "write", "writev", "splice", "epoll_ctl")


class SyscallsTest(unittest.TestCase):
    def count(self, strace, round_trips):
        with tempfile.TemporaryDirectory(prefix="weir-") as directory:
            output = os.path.join(directory, "strace")
            # -D: the tracer is the grandchild, so weir keeps its place and pid.
            with peers.Server(peers.echo) as server, \
                    weir.Weir("s@127.0.0.1:0=" + server.target, poller="epoll", reactors=1,
                              wrapper=[strace, "-D", "-f", "-c", "-o", output]) as proxy:
                with peers.connect(proxy.address("s")) as client:
                    for _ in range(round_trips):
                        peers.round_trip(client, b"x" * 64)
                proxy.stop()

            def table():
                try:
                    with open(output) as f:
                        text = f.read()
                except FileNotFoundError:
                    return None
                return text if "total" in text else None

            calls = 0
            for line in weir.wait_until(table, "strace's table").splitlines():
                fields = line.split()
                if fields and fields[-1] in COUNTED:
                    calls += int(fields[3])
            return calls

    @unittest.skipUnless(weir.PLAIN, "a sanitizer makes system calls of its own")
    def test_six_a_round_trip(self):
        strace, = programs.need("strace")
        # The difference of two runs: the start and the end cancel.
        base, more = 1000, 3000
        cost = (self.count(strace, base + more) - self.count(strace, base)) / more
        self.assertAlmostEqual(cost, 6, delta=0.01)


if __name__ == "__main__":
    unittest.main()
