"""--forwards_file: a real weir whose forwards are the lines of a file."""

import contextlib
import glob
import os
import signal
import subprocess
import tempfile
import unittest

import peers
import weir


class ForwardsFileTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="weir-")
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "forwards")

    def write(self, text):
        with open(self.path, "wb") as f:
            f.write(text.encode())
        return "--forwards_file=" + self.path

    def fails(self, *args, **kwargs):
        """What weir says about a file that it must refuse."""
        code, out, err = weir.run(*args, "--admin=off", **kwargs)
        self.assertEqual((code, out), (2, ""), err)
        return err

    def assert_forwards(self, proxy, *names):
        for name in names:
            with self.subTest(name=name), peers.connect(proxy.address(name)) as client:
                peers.round_trip(client)

    def test_each_line_is_a_forward(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir(self.write("# three\r\n"
                                     "a@127.0.0.1:0={0}\r\n"
                                     "\r\n"
                                     "  b@127.0.0.1:0={0}+idle:1m\t# and a half\r\n"
                                     "c@127.0.0.1:0={0}".format(server.target))) as proxy:
            self.assert_forwards(proxy, "a", "b", "c")
            self.assertEqual(set(proxy.ports) - {"admin"}, {"a", "b", "c"})
            # The page of settings says where they are from.
            self.assertIn(self.path, proxy.http("/config")[1])

    def test_beside_the_command_line(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@127.0.0.1:0=" + server.target,
                          env={"WEIR_FORWARDS_FILE":
                               self.write("b@127.0.0.1:0=" + server.target).split("=")[1],
                               "WEIR_FORWARDS": "c@127.0.0.1:0=" + server.target}) as proxy:
            self.assert_forwards(proxy, "a", "b")
            self.assertNotIn("c", proxy.ports)

    def test_errors_show_the_line_and_the_spot(self):
        self.assertEqual(self.fails(self.write("a@0=127.0.0.1:1\n\nb@0=127.0.0.1:1+idel:1s  # b\n")),
                         "weir: %s:3: unknown key 'idel'; did you mean 'idle'?\n"
                         "  b@0=127.0.0.1:1+idel:1s\n"
                         "                  ^\n" % self.path)
        self.assertEqual(self.fails("check", self.write("a@0=127.0.0.1:1\na@0=127.0.0.1:2\n")),
                         "weir: %s:2: another forward is named a (%s:1: a@0=127.0.0.1:1): put a "
                         "name of its own in front, NAME@\n"
                         "  a@0=127.0.0.1:2\n"
                         "  ^\n" % (self.path, self.path))

    def test_files_that_cannot_be_read(self):
        self.assertEqual(self.fails("--forwards_file=/nonexistent/f"),
                         "weir: --forwards_file: cannot open /nonexistent/f: No such file or "
                         "directory\n")
        self.assertEqual(self.fails("--forwards_file=/proc/self"),
                         "weir: --forwards_file: cannot open /proc/self: Is a directory\n")
        # Opens, and is an error to read.
        self.assertEqual(self.fails("--forwards_file=/proc/self/mem"),
                         "weir: --forwards_file: /proc/self/mem: cannot read: Input/output "
                         "error\n")
        self.assertEqual(self.fails(self.write("")),
                         "weir: %s: there is no forward in it; a line is one, such as "
                         "5432=db:5432\n" % self.path)

    def test_a_program_is_no_file_of_forwards(self):
        self.assertEqual(self.fails("--forwards_file=/bin/true").splitlines()[0],
                         "weir: /bin/true:1: a zero byte: this is no text in UTF-8")

    def test_check(self):
        code, _, err = weir.run("check", self.write("a@127.0.0.1:0=127.0.0.1:1"), "--admin=off")
        self.assertEqual((code, err), (0, "a: ok, a@127.0.0.1:0=127.0.0.1:1\n"))

    def test_process_substitution(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir(wrapper=("bash", "-c",
                                   'exec "$@" --forwards_file=<(echo "a@127.0.0.1:0=$TARGET")',
                                   "bash"),
                          env={"TARGET": server.target}) as proxy:
            self.assert_forwards(proxy, "a")

    def test_a_fifo_is_read_until_its_writer_is_done(self):
        os.mkfifo(self.path)
        # (To read too, for else it waits for a reader.)
        with open(os.open(self.path, os.O_RDWR), "wb", buffering=0) as writer:
            writer.write(b"a@127.0.0.1:0=127.0.0.1:1\nb@127.0.0.1:0=")
            check = self.start_with_fifo("check")
            weir.wait_until(lambda: self.path in self.files_of(check.pid), "weir to open the FIFO")
            writer.write(b"127.0.0.1:2\n")
        self.assertEqual(check.communicate(timeout=weir.LONG)[1],
                         "a: ok, a@127.0.0.1:0=127.0.0.1:1\n"
                         "b: ok, b@127.0.0.1:0=127.0.0.1:2\n")
        self.assertEqual(check.returncode, 0)

    def test_a_fifo_is_waited_for_until_it_has_a_writer(self):
        proc = self.start_with_fifo("check")
        with open(self.open_writer(), "w") as writer:
            writer.write("a@127.0.0.1:0=127.0.0.1:1\n")
        self.assertEqual(proc.communicate(timeout=weir.LONG)[1],
                         "a: ok, a@127.0.0.1:0=127.0.0.1:1\n")
        self.assertEqual(proc.returncode, 0)

    def test_a_signal_ends_the_wait_for_a_writer(self):
        for number in signal.SIGTERM, signal.SIGINT:
            with self.subTest(number=number):
                proc = self.start_with_fifo()
                weir.wait_until(lambda: "files" in self.threads_of(proc.pid),
                                "the thread that opens the FIFO")
                proc.send_signal(number)
                self.assertEqual(proc.communicate(timeout=weir.LONG)[1], "")
                self.assertEqual(proc.returncode, -number)

    def start_with_fifo(self, *args):
        if not os.path.exists(self.path):
            os.mkfifo(self.path)
        proc = subprocess.Popen(
            [weir.binary(), *args, "--admin=off", "--forwards_file=" + self.path],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(proc.stderr.close)
        self.addCleanup(proc.kill)
        return proc

    def open_writer(self):
        """The writing end, as soon as somebody waits for it."""
        fds = []

        def opens():
            with contextlib.suppress(OSError):  # ENXIO: nobody reads.
                fds.append(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
            return fds
        weir.wait_until(opens, "a reader of the FIFO")
        return fds[0]

    @staticmethod
    def threads_of(pid):
        """Their names."""
        names = []
        for path in glob.glob("/proc/%d/task/*/comm" % pid):
            with open(path) as f:
                names.append(f.read().strip())
        return names

    @staticmethod
    def files_of(pid):
        """What the process has open now."""
        folder = "/proc/%d/fd" % pid
        files = []
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # Closed meanwhile.
                files.append(os.readlink(os.path.join(folder, fd)))
        return files


if __name__ == "__main__":
    unittest.main()
