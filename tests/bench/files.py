#!/usr/bin/env python3
"""Six ways for a loop to write a log file: what does each do to the loop?

Blocking write(), POSIX AIO whose end is polled, signalled or told by a thread,
io_uring, and a writer thread; on this machine's disk, on one that is slow, and on
one that hangs for a while. tests/bench/file_writes is the loop: weir's, with its
lag histogram.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time

import files_report
import files_ways
import machine
import processes
import progress

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import slow_fs  # noqa: E402  (of another folder)

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DISKS = ("fast", "slow", "hang")
PLOTS = "tests/bench/measured"
# It hangs so long after the start of what is measured, which goes on as long after it.
BEFORE_HANG_MS = 150


class Bench:
    """Runs one way after another on the disks."""

    def __init__(self, options, folder):
        self.options = options
        self.fast = os.path.join(folder, "lines.log")
        self.slow = None
        self.skipped = []

    def open_slow(self):
        """False, and why is noted, where there is none."""
        try:
            self.slow = slow_fs.SlowFs()
        except OSError as why:
            self.skipped.append("slow and hanging disk: %s" % why)
        return self.slow is not None

    def close(self):
        processes.end_all()
        if self.slow:
            self.slow.close()

    def milliseconds(self, disk):
        if disk == "hang":
            return int(1000 * self.options.hang_s) + 2 * BEFORE_HANG_MS
        # The largest batch takes the slow one 650 ms: with few of them in a round one whose
        # end is seen just after it would weigh too much.
        return 10 * self.options.ms if disk == "slow" else self.options.ms

    def measure(self, disk, way):
        options = self.options
        path = self.fast
        if disk != "fast":
            path = os.path.join(self.slow.path, "lines.log")
            self.slow.delay("write", options.delay_ms / 1000 if disk == "slow" else 0)
        answer = files_ways.run(options.file_writes, way, path, self.milliseconds(disk),
                                options.clients, self.hang if disk == "hang" else lambda: None)
        return files_ways.sample(answer)

    def hang(self):
        """Returns when the disk answers again."""
        time.sleep(BEFORE_HANG_MS / 1000)
        self.slow.hang()
        time.sleep(self.options.hang_s)
        self.slow.resume()

    def rounds(self, disk):
        """Of the slow disks there are half as many: they are long, and no two differ much."""
        return self.options.rounds if disk == "fast" else (self.options.rounds + 1) // 2

    def run(self, disk, ways, samples, shown):
        """Fills in {way: [round, ...]}, whole rounds only. A way that the kernel lacks is
        taken off `ways`."""
        rounds = self.rounds(disk)
        samples.update({way: [] for way in ways})
        for i in range(rounds):
            shown.at(i + 1, rounds)
            found = {}
            for way in random.sample(ways, len(ways)):
                try:
                    found[way] = self.measure(disk, way)
                except files_ways.Unavailable as why:
                    self.skipped.append("%s: %s" % (way, why))
                    shown.say(self.skipped[-1])
                    ways.remove(way)
            for way, figures in found.items():
                samples[way].append(figures)


def file_system(folder):
    done = subprocess.run(["df", "--output=fstype", folder], capture_output=True, text=True,
                          check=True)
    return done.stdout.split()[-1]


def describe(folder):
    about = machine.describe("tests/bench/files")
    del about["congestion control"]
    return {**about, "file system": file_system(folder)}


def parse():
    parser = argparse.ArgumentParser(prog="tests/bench/files",
                                     description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--file_writes", help=argparse.SUPPRESS)
    parser.add_argument("--only", default=",".join(files_ways.WAYS), help="ways (%(default)s)")
    parser.add_argument("--disks", default=",".join(DISKS), help="(%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a look: 2 rounds")
    parser.add_argument("--rounds", type=int, help="(7); half as many of the slow disks")
    parser.add_argument("--ms", type=int, help="of a round of one way (300); the slow disk has 10 times as many")
    parser.add_argument("--clients", type=int, default=16, help="(%(default)s)")
    parser.add_argument("--delay_ms", type=float, default=20,
                        help="of an operation of the slow disk (%(default)s)")
    parser.add_argument("--hang_s", type=float, default=0.5,
                        help="of the disk that hangs (%(default)s)")
    parser.add_argument("--folder", help="where the fast disk is (default: $TMPDIR)")
    parser.add_argument("--json", default="", help="a file for all figures")
    parser.add_argument("--report", default="", help="a folder for report.md and plots")
    parser.add_argument("--readme", action="store_true",
                        help="rewrites the table of README.md, and its plots")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 7)
    options.ms = options.ms or (150 if options.quick else 300)
    for given, known in ((options.only, files_ways.WAYS), (options.disks, DISKS)):
        for name in given.split(","):
            if name not in known:
                parser.error("no %s; there are %s" % (name, ", ".join(known)))
    if not options.file_writes:
        parser.error("use tests/bench/files, which builds what it needs")
    return options


def main():
    options = parse()
    processes.end_well_when_told()
    if options.folder:
        os.environ["TMPDIR"] = os.path.abspath(options.folder)
    folder = processes.scratch()
    bench = Bench(options, folder)
    ways = [way for way in files_ways.WAYS if way in options.only.split(",")]
    disks = [disk for disk in DISKS if disk in options.disks.split(",")]
    report = {"machine": describe(folder), "rounds": options.rounds, "ms": options.ms,
              "clients": options.clients, "delay_ms": options.delay_ms,
              "hang_s": options.hang_s, "skipped": bench.skipped, "disks": {}}
    shown = progress.Progress({disk: bench.rounds(disk) * bench.milliseconds(disk)
                               for disk in disks})
    try:
        if set(disks) - {"fast"} and not bench.open_slow():
            shown.say(bench.skipped[-1])
            disks = [disk for disk in disks if disk == "fast"]
        for disk in disks:
            shown.start(disk)
            bench.run(disk, ways, report["disks"].setdefault(disk, {}), shown)
    except SystemExit as why:
        report["incomplete"] = ("stopped by signal %d" % (why.code - 128)
                                if isinstance(why.code, int) else str(why))
        raise
    finally:
        shown.close()
        bench.close()
        print(files_report.text(report))
        if options.json:
            with open(options.json, "w") as f:
                json.dump(report, f, indent=1)
        if options.report:
            files_report.write(report, options.report)
    if options.readme:
        files_report.write_readme(report, os.path.join(TOP, "README.md"), PLOTS)


if __name__ == "__main__":
    main()
