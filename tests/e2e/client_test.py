"""The commands that speak to a running weir: status, top, drain, kill, wait."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import termios
import unittest

import namespace
import peers
import weir
from top_terminal import Top


def start(server, *args, **kwargs):
    return weir.Weir("pg@127.0.0.1:0=" + server.target, *args, reactors=2, **kwargs)


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The default address is ours alone.
        namespace.enter_network_namespace()

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="weir-run-")
        self.addCleanup(directory.cleanup)
        self.environment = {"XDG_RUNTIME_DIR": directory.name}
        self.files = os.path.join(directory.name, "weir")

    def start(self, server, *args, **kwargs):
        return start(server, *args, env=self.environment, **kwargs)

    def ask(self, *args, code=0):
        """stdout of a command that must end with `code`: 0 says nothing on stderr,
        another one line."""
        got, out, err = weir.run(*args, env=self.environment)
        self.assertEqual(got, code, out + err)
        if code == 0:
            self.assertEqual(err, "")
        return out

    def refused(self, *args):
        """The line of a command that fails."""
        got, out, err = weir.run(*args, env=self.environment)
        self.assertEqual((got, out), (1, ""), err)
        self.assertRegex(err, r"\Aweir: [^\n]+\n\Z")
        return err

    # Which weir ---------------------------------------------------------------

    def test_finds_the_one_that_runs(self):
        with peers.Server(peers.echo) as server:
            with self.start(server) as proxy:
                self.assertEqual(os.listdir(self.files), [str(proxy.pid)])
                self.assertIn("pid %d " % proxy.pid, self.ask("status"))
                with self.start(server) as other:
                    err = self.refused("status")
                    for one in (proxy, other):
                        self.assertIn("pid %d at 127.0.0.1:%d" % (one.pid, one.admin[1]), err)
                    self.assertIn("--admin=ADDRESS", err)
                    self.assertIn("pid %d " % other.pid,
                                  self.ask("status", "--admin=%d" % other.admin[1]))
            self.assertEqual(os.listdir(self.files), [])

    def test_a_crash_leaves_nothing_that_is_believed(self):
        with peers.Server(peers.echo) as server, self.start(server) as proxy:
            with self.start(server) as crashed:
                crashed.signal(signal.SIGKILL)
                crashed.wait()
                crashed.check_output()
                self.assertEqual(len(os.listdir(self.files)), 2)
                self.assertIn("pid %d " % proxy.pid, self.ask("status"))
            self.assertEqual(os.listdir(self.files), [str(proxy.pid)])

    def test_the_signal_of_a_rotation_is_not_for_it(self):
        with socket.create_server(("127.0.0.1", 0)) as admin:
            admin.settimeout(weir.LONG)
            command = subprocess.Popen(
                [weir.binary(), "wait", "--timeout=%ds" % weir.LONG,
                 "--admin=%d" % admin.getsockname()[1]],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(command.wait)
            self.addCleanup(command.kill)
            asked, _ = admin.accept()  # it runs
            command.send_signal(signal.SIGUSR1)
            asked.close()
            admin.accept()[0].close()  # and asks again
            self.assertIsNone(command.poll())

    def test_falls_back_to_the_default_address(self):
        err = self.refused("status")
        self.assertIn("127.0.0.1:9464: Connection refused", err)
        self.assertIn("--admin=ADDRESS", err)
        # A file system that cannot be written is no reason not to run.
        with peers.Server(peers.echo) as server, \
                start(server, "-v", admin="127.0.0.1:9464",
                      env={"XDG_RUNTIME_DIR": "/nonexistent"}) as proxy:
            proxy.wait_stderr("need --admin: /nonexistent/weir: No such file")
            self.assertIn("pid %d " % proxy.pid, self.ask("status"))
            self.assertEqual(self.ask("wait"), "ready\n")
            # Whose that is nobody knows: it is asked, and told nothing.
            for command in ("drain",), ("kill", "1"):
                self.assertIn("--admin=127.0.0.1:9464 if it is meant", self.refused(*command))
            self.assertIn('"phase":"ready"', self.ask("status", "--json").replace(" ", ""))

    def test_asks_a_unix_socket(self):
        with tempfile.TemporaryDirectory(prefix="weir-") as directory, \
                peers.Server(peers.echo) as server:
            path = os.path.join(directory, "admin")
            command = [weir.binary(), "pg@127.0.0.1:0=" + server.target,
                       "--admin=unix:" + path]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL,
                                       env=dict(os.environ, **self.environment))
            self.addCleanup(process.kill)
            self.assertEqual(self.ask("wait", "--admin=" + path), "ready\n")
            self.ask("wait")
            weir.wait_until(lambda: os.listdir(self.files) == [str(process.pid)],
                            "the instance file")
            self.assertIn("unix:" + path, self.ask("status"))
            self.assertIn("gone after", self.ask("drain", "--wait"))
            self.assertEqual(process.wait(weir.LONG), 0)

    # status -------------------------------------------------------------------

    def test_status(self):
        with peers.Server(peers.echo) as server, self.start(server) as proxy:
            with peers.connect(proxy.address("pg")) as client:
                peers.round_trip(client, b"x" * 2048)
                text = self.ask("status")
            self.assertRegex(text, r"\Aweir \d\S+  pid %d  up \S+  ready  1 connection  "
                             r"127\.0\.0\.1:%d\n" % (proxy.pid, proxy.admin[1]))
            for loop in ("0", "1", "control"):
                self.assertRegex(text, r"(?m)^%s +\d+%% +\S+ +\S+ +\S+ +\d+ +\d+ +\d+ " % loop)
            self.assertRegex(text, r"(?m)^pg +127\.0\.0\.1:%d +%s +(up|-) +1 +1 +0 "
                             r"+2\.00KiB +2\.00KiB$" % (proxy.port("pg"), re.escape(server.target)))
            status = json.loads(self.ask("status", "--json"))
            self.assertEqual(status["pid"], proxy.pid)

    def test_status_tells_of_a_drain_by_its_exit_code(self):
        with peers.Server(peers.echo) as server, \
                self.start(server, "--drain_timeout=%ds" % weir.LONG, "--drain_idle=%ds" % weir.LONG,
                           quick_drain=False) as proxy, \
                peers.connect(proxy.address("pg")) as client:
            peers.round_trip(client)
            self.assertEqual(self.ask("drain"),
                             "draining: pid %d, 1 connection, up to %s\n" % (
                                 proxy.pid, "1m00s" if weir.LONG == 60 else "3m00s"))
            self.assertIn("  draining  ", self.ask("status", code=1))
            self.assertEqual(json.loads(self.ask("status", "--json", code=1))["phase"],
                             "draining")
            got, _, err = weir.run("drain", "--wait", "--timeout=100ms", env=self.environment)
            self.assertEqual(got, 1)
            self.assertIn("still there after 100ms", err)
            client.close()
            self.assertEqual(proxy.wait(), 0)

    # drain, kill, wait --------------------------------------------------------

    def test_drain_waits_until_it_is_gone(self):
        for found in (True, False):
            with self.subTest(found=found), peers.Server(peers.echo) as server, \
                    self.start(server) as proxy:
                # Without its file only its port tells whether it is there.
                if not found:
                    os.unlink(os.path.join(self.files, str(proxy.pid)))
                self.assertIn("gone after", self.ask(
                    "drain", "--wait", "--admin=%d" % proxy.admin[1],
                    "--timeout=%ds" % weir.LONG))
                self.assertEqual(proxy.wait(), 0)

    def test_kill(self):
        with peers.Server(peers.echo) as server, self.start(server) as proxy, \
                peers.connect(proxy.address("pg")) as client:
            peers.round_trip(client)
            _, body = proxy.http("/debug/connections")
            (connection,) = json.loads(body)["connections"]
            self.assertRegex(
                self.ask("kill", str(connection["id"])),
                r"\Aclosed pg#%d 127\.0\.0\.1:%d -> %s, open for \S+, up 4B, down 4B\n\Z" % (
                    connection["id"], client.getsockname()[1], re.escape(server.target)))
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(client.recv(1), b"")
            proxy.wait_metric(
                lambda page: page.get("weir_connections_closed_total", reason="killed") == 1,
                "the connection to count as killed")
            self.assertIn("no connection 4711 is open", self.refused("kill", "4711"))

    def test_kill_by_another_forwards_name(self):
        with peers.Server(peers.echo) as server, \
                self.start(server, "web@127.0.0.1:0=" + server.target) as proxy, \
                peers.connect(proxy.address("pg")) as client:
            peers.round_trip(client)
            _, body = proxy.http("/debug/connections")
            number = json.loads(body)["connections"][0]["id"]
            self.assertEqual(self.refused("kill", "web#%d" % number),
                             "weir: connection %d is pg#%d, not web#%d\n" % ((number,) * 3))
            peers.round_trip(client)
            self.assertIn("closed pg#%d" % number, self.ask("kill", "pg#%d" % number))

    def test_wait(self):
        self.assertIn("127.0.0.1:9464: Connection refused", self.refused("wait", "--timeout=0"))
        waiting = subprocess.Popen([weir.binary(), "wait", "--timeout=%ds" % weir.LONG],
                                   stdout=subprocess.PIPE,
                                   env=dict(os.environ, **self.environment))
        self.addCleanup(waiting.stdout.close)
        self.addCleanup(waiting.kill)
        with peers.Server(peers.echo) as server, self.start(server):
            self.assertEqual(waiting.wait(weir.LONG), 0)
            self.assertEqual(waiting.stdout.read(), b"ready\n")

    # top ----------------------------------------------------------------------

    def test_top_without_a_terminal_is_a_snapshot(self):
        with peers.Server(peers.echo) as server, self.start(server) as proxy, \
                peers.connect(proxy.address("pg")) as client:
            peers.round_trip(client)
            text = self.ask("top")
            self.assertNotIn("\x1b", text)
            self.assertRegex(text, r"(?m)^control +\d+%  \[[#.]{10}\] ")
            self.assertRegex(text, r"(?m)^pg#\d+ +[01] +127\.0\.0\.1:%d " %
                             client.getsockname()[1])
        self.assertIn("Connection refused", self.refused("top"))

    def test_top(self):
        """Live, by its keys, and the terminal is as it was."""
        with peers.Server(peers.echo) as server, self.start(server) as proxy, \
                peers.connect(proxy.address("pg")) as client:
            peers.round_trip(client)
            with Top(self.environment) as top:
                top.wait(rb"\x1b\[\?1049h")
                top.wait(rb"control +\d+%  \[")
                top.wait(rb"pg#\d+ +[01] +127\.0\.0\.1:%d " % client.getsockname()[1])
                top.press(b"\x1b[B")
                top.wait(rb"\x1b\[7mpg#\d+")
                top.resize(12, 50)
                # A new screen, of twelve lines.
                top.wait(rb"\x1b\[H([^\n]*\n){11}[^\n]*q quit")
                top.press(b"k")
                top.wait(rb"kill pg#\d+\?")
                top.press(b"y")
                top.wait(rb"closed connection \d+")
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(client.recv(1), b"")
                top.press(b"q")
                self.assertEqual(top.end(), 0)

    def test_top_gives_the_terminal_back(self):
        with peers.Server(peers.echo) as server, self.start(server) as proxy:
            for number in (signal.SIGTERM, signal.SIGINT, None):
                with self.subTest(signal=number), Top(self.environment) as top:
                    top.wait(rb"control +\d+%  \[")
                    if number:
                        top.process.send_signal(number)
                    else:
                        top.press(b"\x03")
                    self.assertEqual(top.end(), 0)
            # No proxy that stands still holds it up.
            with Top(self.environment) as top:
                top.wait(rb"control +\d+%  \[")
                with proxy.stopped():
                    top.press(b"q")
                    self.assertEqual(top.end(), 0)

    def test_top_stops_as_other_programs_do(self):
        """In a shell with job control, in a wrapper that must stop too."""
        script = "sh -c '\"$0\" top; exit $?' \"$0\"; echo stopped; read go; fg"
        with peers.Server(peers.echo) as server, self.start(server), \
                Top(self.environment, "sh", "-mc", script, weir.binary()) as top:
            for stops in (1, 2):
                top.wait(rb"control +\d+%  \[")
                self.assertNotEqual(termios.tcgetattr(top.slave), top.before)
                if stops == 2:
                    break
                top.press(b"\x1a")
                top.wait(rb"\x1b\[\?1049l(?s:.*)stopped\r\n")
                self.assertNotIn(b"\x1b[H", top.output.split(b"\x1b[?1049l")[1])
                self.assertEqual(termios.tcgetattr(top.slave), top.before)
                top.press(b"\n")
                # First its own screen, then what is drawn on it.
                top.wait(rb"\x1b\[H")
                self.assertLess(top.output.index(b"\x1b[?1049h"), top.output.index(b"\x1b[H"))
            top.press(b"q")
            self.assertEqual(top.end(), 0)


if __name__ == "__main__":
    unittest.main()
