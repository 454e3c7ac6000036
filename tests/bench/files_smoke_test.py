"""Each way writes what it says, and the whole benchmark runs and leaves nothing
behind. No figure of it is judged."""

import json
import os
import signal
import subprocess
import sys
import unittest

import files_ways
from whole_run import HERE, LONG, Scratch, WholeRun

sys.path.insert(0, os.path.join(HERE, "..", "support"))
import slow_fs  # noqa: E402  (of another folder)

FILE_WRITES = os.path.abspath(os.environ.get(
    "FILE_WRITES", "bazel-bin/tests/bench/file_writes/file_writes"))
LINE_BYTES = 300


class WaysTest(Scratch):
    def check_file(self, path, total):
        """Whole lines, in order, as many as were written."""
        with open(path, "rb") as f:
            text = f.read()
        self.assertEqual(len(text), LINE_BYTES * total["written"])
        numbers = []
        for start in range(0, len(text), LINE_BYTES):
            line = text[start:start + LINE_BYTES]
            self.assertEqual(line[-1:], b"\n")
            numbers.append(int(json.loads(line)["line"]))
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertLess(numbers[-1], total["logged"])

    def check(self, way, path):
        command = [FILE_WRITES, files_ways.WAYS[way].way, path,
                   str(files_ways.WAYS[way].batch_ms), "30", "4"]
        done = subprocess.run(command, text=True, capture_output=True, timeout=LONG,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, *answers = done.stdout.splitlines()
        if first.startswith("{"):
            self.skipTest(json.loads(first)["unavailable"])
        self.assertEqual(first, "begun")
        answer = json.loads(answers[0])
        self.assertGreater(answer["round_trips"], 0)
        self.assertGreater(sum(answer["lag_ns"]), 0)
        total = answer["total"]
        self.assertGreater(total["written"], 0)
        self.assertEqual(total["logged"], total["written"] + total["dropped"])
        if way != "none":
            self.check_file(path, total)

    def test_each_way_writes_whole_lines_in_order(self):
        for way in files_ways.WAYS:
            with self.subTest(way=way):
                self.check(way, os.path.join(self.folder, way))

    def test_a_write_that_fails_is_an_error(self):
        for way in files_ways.WAYS:
            if way == "none":
                continue
            with self.subTest(way=way):
                done = subprocess.run(
                    [FILE_WRITES, files_ways.WAYS[way].way, "/dev/full", "10", "10000", "1"],
                    text=True, capture_output=True, timeout=LONG, check=False)
                if "unavailable" in done.stdout:
                    continue
                self.assertEqual(done.returncode, 1)
                self.assertIn("No space left on device", done.stderr)

    def test_no_such_way(self):
        for arguments in (["some", "file", "1", "1", "1"], ["none", "file", "1", "0", "1"],
                          ["none"]):
            with self.subTest(arguments=arguments):
                done = subprocess.run([FILE_WRITES, *arguments], text=True, cwd=self.folder,
                                      capture_output=True, timeout=LONG, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertTrue(done.stderr.startswith("file_writes: "), done.stderr)


class FilesTest(WholeRun):
    PROGRAM = "files.py"

    def start(self, *arguments):
        return self.launch("--file_writes=" + FILE_WRITES, "--clients=2", *arguments)

    def need_fuse(self):
        try:
            slow_fs.SlowFs().close()
        except OSError as why:
            self.skipTest(str(why))

    def assert_nothing_is_left(self):
        self.assertEqual(os.listdir(self.scratch), [])
        with open("/proc/self/mountinfo") as f:
            self.assertNotIn(self.scratch, f.read())

    def test_fast_disk(self):
        process = self.start("--quick", "--disks=fast", "--ms=20")
        out, err = process.communicate(timeout=LONG)
        self.assertEqual(process.returncode, 0, err)
        self.assert_nothing_is_left()
        with open(self.json) as f:
            result = json.load(f)
        self.assertNotIn("incomplete", result)
        missing = {reason.partition(":")[0] for reason in result["skipped"]}
        for way, rounds in result["disks"]["fast"].items():
            self.assertEqual(len(rounds), 0 if way in missing else 2, way)
        self.assertIn("## fast", out)
        self.assert_report_shows_its_plots()

    def test_slow_and_hanging_disk(self):
        self.need_fuse()
        process = self.start("--disks=slow,hang", "--only=blocking,aio-polled", "--rounds=1",
                             "--ms=50", "--delay_ms=1", "--hang_s=0.1")
        _, err = process.communicate(timeout=LONG)
        self.assertEqual(process.returncode, 0, err)
        self.assert_nothing_is_left()
        with open(self.json) as f:
            disks = json.load(f)["disks"]
        self.assertEqual(list(disks), ["slow", "hang"])
        for samples in disks.values():
            self.assertEqual({len(rounds) for rounds in samples.values()}, {1})

    def test_a_signal_leaves_nothing(self):
        self.need_fuse()
        process = self.start("--disks=slow", "--only=blocking", "--rounds=1", "--ms=100000000")
        self.await_line(process, "slow ...")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=LONG)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM, err)
        self.assertIn("**Incomplete**: stopped by signal 15", out)
        self.assert_nothing_is_left()

    def test_help_needs_no_binaries(self):
        self.check_help("usage: tests/bench/files ", hidden="--file_writes")


if __name__ == "__main__":
    unittest.main()
