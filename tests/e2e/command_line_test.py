"""What a person types, and what weir says to it."""

import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import unittest

import peers
import programs
import weir


class CommandLineTest(unittest.TestCase):
    def fails(self, code, *args, **kwargs):
        """Runs weir, which must fail with `code`; its stderr."""
        got, out, err = weir.run(*args, **kwargs)
        self.assertEqual(got, code, err)
        self.assertEqual(out, "")
        self.assertTrue(err.startswith("weir: "), err)
        return err

    # Bad input ---------------------------------------------------------------

    def test_pipes_leave_no_descriptor(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))

        err = self.fails(1, "0=127.0.0.1:1", "--splice_pipes=500", "--admin=off", preexec=few)
        self.assertIn("no descriptor is left for a connection: 1000 may be open", err)
        self.assertIn("1000 are kept for pipes (--splice_pipes)", err)

    def test_splice_on_without_pipes(self):
        with weir.Weir("s@127.0.0.1:0=127.0.0.1:1+splice:on", "--splice_pipes=0") as proxy:
            self.assertRegex(proxy.stderr(), r"(?m)^weir: s: \+splice:on splices nothing with "
                             r"--splice_pipes=0$")

    def test_bad_specs_show_the_spot(self):
        for spec, said, column in (
                ("::1:80=db:5432", "brackets", 0),
                ("99999=db:5432", "99999", 0),
                ("80=db:0x1", "0x1", None),
                ("80=", "", None),
                ("=80", "", None),
                ("Name@80=db:1", "a letter from a to z", 0),
                ("80=db:1+nosuchkey:1", "nosuchkey", 8),
                ("80=db:1+conect:1s", "connect", 8),
                ("80=db:1+idle:5", "5", None),
                ("80=db:1+lb:least", "not supported yet", None),
                ("80=db:1,db:2", "not supported yet", None),
                ("systemd:x=db:2", "not supported yet", None),
                ("80=[::1:80", "", None),
        ):
            with self.subTest(spec=spec):
                err = self.fails(2, spec)
                lines = err.splitlines()
                self.assertEqual(len(lines), 3, err)
                self.assertIn(said, lines[0])
                self.assertEqual(lines[1], "  " + spec)
                self.assertRegex(lines[2], r"^  \s*\^$")
                if column is not None:
                    self.assertEqual(lines[2].index("^") - 2, column, err)

    def test_neither_a_forward_nor_a_command(self):
        err = self.fails(2, "nonsense")
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn("nonsense", err)

    def test_no_forward_is_a_usage_error(self):
        err = self.fails(2)
        self.assertIn("weir demo", err)

    def test_unknown_flag(self):
        err = self.fails(2, "0=127.0.0.1:1", "--reactor=2")
        self.assertIn("--reactor", err)
        self.assertIn("--reactors", err.replace("--reactor=", ""))
        self.assertEqual(len(err.splitlines()), 1)

    def test_bad_flag_values(self):
        for flag in ("--reactors=many", "--reactors=-1", "--poller=kqueue", "--drain_timeout=soon",
                     "--admin=nowhere", "--shard=best", "--buffer_memory=much"):
            with self.subTest(flag=flag):
                err = self.fails(2, "0=127.0.0.1:1", flag)
                self.assertIn(flag.split("=")[0].lstrip("-"), err)
                self.assertIn(flag.split("=")[1], err)

    def test_flag_that_comes_later(self):
        self.assertIn("not supported yet", self.fails(2, "0=127.0.0.1:1", "--log_format=json"))

    def test_flagfile_with_an_unknown_flag(self):
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("--nosuchflag=1\n")
            f.flush()
            err = self.fails(2, "0=127.0.0.1:1", "--flagfile=" + f.name)
            self.assertIn("nosuchflag", err)

    def test_two_forwards_of_one_name(self):
        self.assertIn("another forward is named a",
                      self.fails(2, "a@0=127.0.0.1:1", "a@0=127.0.0.1:2"))

    def test_a_forward_to_itself(self):
        self.fails(2, "5432=127.0.0.1:5432")
        self.fails(2, "any:5432=127.0.0.1:5432")

    # Bad surroundings --------------------------------------------------------

    def test_busy_port_names_the_holder_and_starts_nothing(self):
        with peers.Server(peers.echo) as server, \
                tempfile.TemporaryDirectory(prefix="weir-") as directory:
            first = os.path.join(directory, "first")
            err = self.fails(1, "first@%s=127.0.0.1:1" % first,
                             "second@127.0.0.1:%d=127.0.0.1:1" % server.port)
            self.assertEqual(len(err.splitlines()), 1, err)
            self.assertRegex(err, r"^weir: second: cannot listen on 127\.0\.0\.1:%d: "
                             r"Address already in use \(held by pid %d " % (
                                 server.port, os.getpid()))
            # The first was let go again.
            self.assertFalse(os.path.exists(first))

    def test_busy_admin_port(self):
        with peers.Server(peers.echo) as server:
            err = self.fails(1, "0=127.0.0.1:1", "--admin=127.0.0.1:%d" % server.port)
            self.assertRegex(err, r"--admin: cannot listen on 127\.0\.0\.1:%d: "
                             r"Address already in use \(held by pid %d .*--admin=0" % (
                                 server.port, os.getpid()))
            self.assertEqual(err, self.fails(1, "check", "0=127.0.0.1:1",
                                             "--admin=127.0.0.1:%d" % server.port))

    def test_default_admin_port_gives_way(self):
        with peers.Server(peers.echo) as server:
            with weir.Weir("a@0=" + server.target, admin=None) as one, \
                    weir.Weir("a@0=" + server.target, admin=None) as two:
                self.assertNotEqual(one._find_admin(), two._find_admin())
                two.admin = two._find_admin()
                self.assertEqual(two.http("/ready")[0], 200)

    def test_admin_off(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@0=" + server.target, admin="") as proxy:
            proxy.wait_stderr("^ready in ")
            self.assertNotIn("http://", proxy.stderr())
            with peers.connect(proxy.address("a")) as client:
                peers.round_trip(client)

    def test_privileged_port(self):
        prefix, user = programs.unprivileged()
        if not user:
            self.skipTest("only root can drop privileges")
        # A namespace of its own has no relaxed ip_unprivileged_port_start.
        netns = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
        err = self.fails(1, "any:80=127.0.0.1:1", wrapper=netns + prefix)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertRegex(err, r"p80: cannot listen on .*:80: Permission denied")
        self.assertRegex(err, "1024|CAP_NET_BIND_SERVICE")  # The way out.

    def test_address_that_is_not_ours(self):
        err = self.fails(1, "a@192.0.2.1:0=127.0.0.1:1")
        self.assertIn("192.0.2.1", err)
        self.assertIn("Cannot assign requested address", err)

    def test_unix_socket_in_no_folder(self):
        err = self.fails(1, "a@/nonexistent/s=127.0.0.1:1")
        self.assertIn("/nonexistent/s", err)
        self.assertIn("No such file or directory", err)

    def test_ports_file_in_no_folder(self):
        err = self.fails(1, "a@0=127.0.0.1:1", "--ports_file=/nonexistent/p")
        self.assertIn("/nonexistent/p", err)

    # Good input --------------------------------------------------------------

    def test_help_and_version(self):
        for flag in ("--help", "-h"):
            code, out, err = weir.run(flag)
            self.assertEqual(code, 0)
            text = out + err
            for word in ("ports_file", "poller", "drain_timeout", "weir demo"):
                self.assertIn(word, text)
            for alien in ("logtostderr", "stderrthreshold", "tab_completion", "fromenv"):
                self.assertNotIn(alien, text)
        code, out, err = weir.run("--version")
        self.assertEqual(code, 0)
        self.assertRegex(out + err, r"^weir \d+\.\d+\.\d+")

    def test_check(self):
        self.assertEqual(weir.run("check", "0=127.0.0.1:1")[0], 0)
        self.fails(2, "check", "0=127.0.0.1")
        with peers.Server(peers.echo) as server, peers.DeadPort() as dead:
            err = self.fails(1, "check", "a@127.0.0.1:%d=127.0.0.1:1" % server.port)
            self.assertIn("held by pid", err)
            self.assertEqual(weir.run("check", "--dial", "0=" + server.target)[0], 0)
            self.fails(1, "check", "--dial", "0=" + dead.target)

    def test_start_lines(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("web@0=" + server.target, reactors=2, poller="poll") as proxy:
            proxy.wait_stderr(r"^ready in \S+ ms\. ")  # The last of them.
            text = proxy.stderr()
            self.assertRegex(text, r"(?m)^weir \d\S*  pid %d  2 reactors \(poll\)  splice on  "
                             r"fds \d+ \(max \d+ connections\)$" % proxy.pid)
            self.assertRegex(text, r"(?m)^web +127\.0\.0\.1:%d \[::1\]:%d +-> +%s" % (
                proxy.port("web"), proxy.port("web"), re.escape(server.target)))
            self.assertRegex(text, r"(?m)^admin http://127\.0\.0\.1:\d+ ")

    def test_quiet(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("web@0=" + server.target, "--quiet") as proxy:
            proxy.stop()
            self.assertEqual(proxy.stderr(), "")

    def test_verbose_lines(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("web@127.0.0.1:0=" + server.target, "-v") as proxy:
            with peers.connect(proxy.address("web")) as client:
                peers.round_trip(client, b"x" * 1000)
                port = client.getsockname()[1]
            proxy.wait_stderr(r"^\d\d:\d\d:\d\d\.\d{3} web#\d+ open 127\.0\.0\.1:%d -> %s .*"
                              r"\S+(ms|us|µs|s) r\d+$" % (port, re.escape(server.target)))
            proxy.wait_stderr(r"^\d\d:\d\d:\d\d\.\d{3} web#\d+ close \S+ up 1000B down 1000B "
                              r"client_fin$")

    def test_ports_and_families(self):
        with peers.Server(peers.echo) as four, peers.Server(peers.echo, ipv6=True) as six, \
                weir.Weir("both@0=" + six.target, "any@any:0=%d" % four.port,
                          "six@[::1]:0=" + six.target, "four@127.0.0.1:0=localhost:%d" % four.port
                          ) as proxy:
            self.assertEqual({a for a, _ in proxy.ports["both"]}, {"127.0.0.1", "::1"})
            self.assertEqual(len({p for _, p in proxy.ports["both"]}), 1)
            reached = [("127.0.0.1", proxy.port("any")), ("::1", proxy.port("any"))]
            for name in ("both", "six", "four"):
                reached += proxy.ports[name]
            for address in reached:
                with self.subTest(address=address), peers.connect(address) as client:
                    peers.round_trip(client)

    def test_port_range(self):
        with peers.Server(peers.echo) as server:
            code, _, err = weir.run("check", "%d-%d=127.0.0.1:%d-%d" % (
                server.port, server.port, server.port, server.port + 1))
            self.assertEqual(code, 2, err)

    def test_ssh_form(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir("0:127.0.0.1:%d" % server.port) as proxy:
            (name,) = [n for n in proxy.ports if n != "admin"]
            with peers.connect(proxy.address(name)) as client:
                peers.round_trip(client)

    def test_environment(self):
        with peers.Server(peers.echo) as server, \
                weir.Weir(env={"WEIR_FORWARDS": "a@0=%s b@0=%s" % (server.target, server.target),
                               "WEIR_REACTORS": "2"}) as proxy:
            proxy.wait_stderr(" 2 reactors ")
            for name in ("a", "b"):
                with peers.connect(proxy.address(name)) as client:
                    peers.round_trip(client)
        # The flag wins over the environment.
        with peers.Server(peers.echo) as server, \
                weir.Weir("a@0=" + server.target, reactors=1, env={"WEIR_REACTORS": "2"}) as proxy:
            proxy.wait_stderr(" 1 reactor ")

    def test_unix_listener_is_taken_over_and_removed(self):
        with tempfile.TemporaryDirectory(prefix="weir-") as directory, \
                peers.Server(peers.echo) as server:
            path = os.path.join(directory, "s")
            stale = socket.socket(socket.AF_UNIX)
            stale.bind(path)
            stale.close()  # As a killed process leaves it.
            with weir.Weir("u@%s=%s" % (path, server.target)):
                with peers.connect(path) as client:
                    peers.round_trip(client)
                # One that is alive is not taken over.
                self.assertIn(path, self.fails(1, "u@%s=127.0.0.1:1" % path))
                with peers.connect(path) as client:
                    peers.round_trip(client)
            self.assertFalse(os.path.exists(path))

    def test_abstract_unix_sockets(self):
        with peers.Server(peers.echo) as server:
            name = "weir-test-%d" % os.getpid()
            with weir.Weir("u@unix:@%s=%s" % (name, server.target)):
                with peers.connect("\0" + name) as client:
                    peers.round_trip(client)

    def test_demo(self):
        process = subprocess.Popen([weir.binary(), "demo", "--admin=127.0.0.1:0"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        # A line a second, on one of the two: read both until some have come.
        lines = []

        def read(stream):
            for line in stream:
                lines.append(line)

        readers = [peers.Task(read, s) for s in (process.stdout, process.stderr)]
        weir.wait_until(
            lambda: sum(1 for line in lines if re.search(r"lag", line)) >= 2,
            lambda: "two lines about the lag in " + repr(lines))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(weir.LONG), 0)
        for reader in readers:
            reader.result()
        process.stdout.close()
        process.stderr.close()
        text = "".join(lines)
        self.assertIn("demo", text)
        self.assertNotRegex(text, "Sanitizer|runtime error")


if __name__ == "__main__":
    unittest.main()
