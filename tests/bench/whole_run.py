"""For the tests that run a whole benchmark: where it writes, and what it may
leave behind."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LONG = 120


class Scratch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name


class WholeRun(Scratch):
    PROGRAM = None  # the file's name

    def setUp(self):
        super().setUp()
        self.program = os.path.join(HERE, self.PROGRAM)
        self.json = os.path.join(self.folder, "all.json")
        self.report = os.path.join(self.folder, "report")
        self.scratch = os.path.join(self.folder, "tmp")
        os.mkdir(self.scratch)

    def launch(self, *arguments):
        process = subprocess.Popen(
            [sys.executable, self.program, "--json=" + self.json, "--report=" + self.report,
             *arguments],
            env=dict(os.environ, TMPDIR=self.scratch), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Who runs this test may ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()

    def await_line(self, process, wanted):
        for line in process.stderr:
            if line.strip() == wanted:
                return
        self.fail("it ended without: " + wanted)

    def assert_report_shows_its_plots(self):
        with open(os.path.join(self.report, "report.md")) as f:
            text = f.read()
        for plot in os.listdir(self.report):
            if plot != "report.md":
                self.assertIn("(%s)" % plot, text)

    def check_help(self, usage, hidden):
        done = subprocess.run([sys.executable, self.program, "--help"], text=True,
                              capture_output=True, timeout=LONG, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(usage, done.stdout)
        self.assertNotIn(hidden, done.stdout)
