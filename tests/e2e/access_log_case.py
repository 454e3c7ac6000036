"""A test of the access log of a proxy under load, on a disk of the test's."""

import tempfile
import unittest

import access_logs
import loads
import namespace
import peers
import slow_fs
import weir


class AccessLogCase(unittest.TestCase):
    # More lines than the rings of two loops and a batch have room for.
    BURST = 3000

    @classmethod
    def setUpClass(cls):
        namespace.enter_mount_namespace()

    def setUp(self):
        self.load = loads.Load()
        self.addCleanup(self.load.close)
        server = peers.Server(peers.echo)
        self.addCleanup(server.close)
        self.steady = "steady@127.0.0.1:0=" + server.target
        folder = tempfile.TemporaryDirectory(prefix="weir-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def slow_fs(self):
        try:
            return slow_fs.SlowFs()
        except OSError as error:
            raise unittest.SkipTest(str(error))

    def start(self, path, *args, **kwargs):
        return weir.Weir("a@127.0.0.1:0=127.0.0.1:%d" % self.load.port, self.steady,
                         "--access_log=" + path, "--access_log_buffer=64KiB", *args,
                         reactors=2, **kwargs)

    def connect(self, proxy, count):
        """So many connections, with a round trip each."""
        self.load.run("connect", proxy.port("a"), 20, count, 0)

    def assert_accounts(self, page, records):
        """Each connection has one line, in the file or dropped."""
        self.assertEqual(access_logs.lines(page) + access_logs.dropped(page),
                         access_logs.closed(page))
        self.assertEqual(len(records), access_logs.lines(page))
        self.assertEqual(len({record["connection"] for record in records}), len(records))
