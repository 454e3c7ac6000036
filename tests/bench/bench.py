#!/usr/bin/env python3
"""Compares weir with its peers: see tests/bench/run.

All proxies run at the same time, and each round of a workload measures one after
the other, so that what the machine does meanwhile hits all alike.
"""

import argparse
import json
import os
import sys

import counts
import figures
import load_tool
import machine
import peers
import processes
import progress
import proxies
import report
import sharding
import workloads

CONGESTIONS = ("reno", "cubic")
PARTS = ("idle", "calls", "instructions", "sharding")

DEFAULTS = {"rounds": 11, "ms": 250, "idle": 5000, "calls": 3000, "bulk": 128,
            "instructions": 2000, "count_runs": 2, "shard_rounds": 7, "idle_runs": 3,
            "reactors": [2, 4],
            "proxies": [name for name in peers.ALL if name != "weir-splice-auto"]}
QUICK = {"rounds": 3, "ms": 80, "idle": 1000, "calls": 500, "bulk": 32, "instructions": 500,
         "count_runs": 1, "shard_rounds": 2, "idle_runs": 3, "reactors": [2],
         "proxies": ["weir", "weir-2", *peers.USUAL, "haproxy-splice-1m", "nginx-512k"]}


def listed(text):
    return [word for word in text.split(",") if word]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tests/bench/run",
                                     description=__doc__.split(":", 1)[0] + ".")
    # The binaries: tests/bench/run builds them.
    for name in ("weir", "load"):
        parser.add_argument("--" + name, default="", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true",
                        help="for a look: few short rounds, fewer proxies, under 3 minutes")
    parser.add_argument("--proxies", type=listed, default=[],
                        help="of %s (default: those that are there)" % ", ".join(peers.ALL))
    parser.add_argument("--against", type=listed, default=list(peers.USUAL),
                        help="whom the ratios are to (default: %s)" % ",".join(peers.USUAL))
    parser.add_argument("--only", type=listed, default=[],
                        help="of %s; bulk, up, down, pingpong and so on are all of a kind "
                        "(default: all)" % ", ".join(
                            [w.name for w in workloads.all_workloads(())] + list(PARTS)))
    parser.add_argument("--rounds", type=int, help="of each workload (%(default)s)")
    parser.add_argument("--ms", type=int, help="of a round and a proxy (%(default)s)")
    parser.add_argument("--congestion", type=listed, default=list(CONGESTIONS),
                        help="bulk is measured under the machine's own congestion control and "
                        "these, as root (default: %s; '' for none)" % ",".join(CONGESTIONS))
    parser.add_argument("--reactors", type=lambda text: list(map(int, listed(text))),
                        help="of sharding (default: 2,4; quick: 2)")
    parser.add_argument("--json", default="", help="a file for all figures")
    parser.add_argument("--report", default="", metavar="DIR",
                        help="a folder for report.md and plots")
    # How much is counted: for tests of this program.
    for name in ("idle", "idle_runs", "calls", "bulk", "instructions", "count_runs",
                 "shard_rounds"):
        parser.add_argument("--" + name, type=int, help=argparse.SUPPRESS)
    parser.set_defaults(**{k: v for k, v in DEFAULTS.items() if k != "proxies"})
    if "--quick" in arguments:
        parser.set_defaults(**{k: v for k, v in QUICK.items() if k != "proxies"})
    options = parser.parse_args(arguments)
    if not options.weir or not options.load:
        parser.error("bench.py needs --weir=BINARY and --load=BINARY, which tests/bench/run gives")
    options.asked = set(options.proxies)
    options.proxies = options.proxies or (QUICK if options.quick else DEFAULTS)["proxies"]
    for name in options.proxies + options.against:
        if name not in peers.ALL:
            parser.error("no proxy %s: there are %s" % (name, ", ".join(peers.ALL)))
    names = workloads.all_workloads(CONGESTIONS)
    for word in options.only:
        if word not in PARTS and not any(workloads.matches(w.name, [word]) for w in names):
            parser.error("no workload " + word)
    if min(options.rounds, options.ms, options.idle_runs) < 1:
        parser.error("at least one round of one millisecond")
    return options


class Bench:
    """One run. self.report has what was measured so far, always."""

    def __init__(self, options):
        self.options = options
        self.load = None
        self.running = []
        self.skipped = []
        isolated = machine.enter_network()
        if not isolated:
            self.skipped.append("bulk under %s: needs root" % ", ".join(options.congestion))
        congestions = [c for c in options.congestion
                       if isolated and c != machine.congestion_control()]
        for name in list(congestions):
            if not machine.set_congestion_control(name):
                self.skipped.append("bulk under %s: not in this kernel" % name)
                congestions.remove(name)
        if isolated:
            machine.set_congestion_control("")
        self.workloads = [w for w in workloads.all_workloads(congestions)
                          if workloads.matches(w.name, options.only)]
        self.parts = [p for p in PARTS if not options.only or p in options.only]
        self.report = {
            "machine": machine.describe(), "rounds": options.rounds, "ms": options.ms,
            "against": options.against, "proxies": {}, "skipped": self.skipped,
            "units": {w.name: w.unit for w in self.workloads}, "workloads": {}}
        n = len(options.proxies)
        weights = {w.name: n * (options.rounds + 1) * (
            options.ms * w.times / 1000 + 0.05 + w.idle / 4000) for w in self.workloads}
        weights.update({
            "idle": n * options.idle_runs * (0.3 + options.idle / 4000), "calls": 28,
            "instructions": 36,
            "sharding": 11 * len(options.reactors) * options.shard_rounds * 1.4})
        self.progress = progress.Progress(
            {name: w for name, w in weights.items() if name not in PARTS or name in self.parts})

    def skip(self, line):
        self.skipped.append(line)
        self.progress.say("tests/bench/run: not measured: " + line)

    def run(self):
        try:
            for line in self.skipped:
                self.progress.say("tests/bench/run: not measured: " + line)
            self.load = load_tool.Load(self.options.load)
            self.start()
            for workload in self.workloads:
                self.run_workload(workload)
            classes = [type(proxy) for proxy in self.running]
            self.stop_proxies()
            for part in self.parts:
                self.progress.start(part)
                getattr(self, "run_" + part)(classes)
        finally:
            self.stop_proxies()
            if self.load:
                self.load.close()
            self.progress.close()

    def start(self):
        for name in self.options.proxies:
            try:
                proxy = peers.ALL[name](self.load.port, self.options.weir)
            except proxies.Unavailable as reason:
                if name in self.options.asked:
                    raise SystemExit("tests/bench/run: %s: %s" % (name, reason)) from None
                self.skip("%s: %s" % (name, reason))
                continue
            self.running.append(proxy)
            self.report["proxies"][name] = {"about": proxy.about, "version": proxy.version()}

    def stop_proxies(self):
        while self.running:
            self.running.pop().stop()

    def run_workload(self, workload):
        self.progress.start(workload.name)
        able = [p for p in self.running if p.limit >= workload.connections]
        for proxy in self.running:
            if proxy not in able:
                self.skip("%s with %s: takes %d connections" % (
                    workload.name, proxy.name, proxy.limit))
        if workload.congestion:
            machine.set_congestion_control(workload.congestion)
        try:
            workloads.run_rounds(self.load, able, workload, self.options.rounds, self.options.ms,
                                 self.report["workloads"].setdefault(workload.name, {}),
                                 self.progress.at)
        finally:
            if workload.congestion:
                machine.set_congestion_control("")

    def each(self, classes):
        for i, cls in enumerate(classes):
            self.progress.at(i + 1, len(classes), "proxy")
            yield cls

    def run_idle(self, classes):
        result = self.report["idle_bytes"] = {}
        for cls in self.each([c for c in classes if c.name != "direct"]):
            result[cls.name] = [workloads.idle_bytes(self.load, cls, self.options.weir,
                                                     self.options.idle)
                                for _ in range(self.options.idle_runs)]

    def count(self, classes, program, part, measure):
        result = self.report[part] = {}
        try:
            proxies.need(program, program)
        except proxies.Unavailable as reason:
            return self.skip("%s: %s" % (part, reason))
        for cls in self.each([c for c in classes if c.counted]):
            try:
                result[cls.name] = measure(cls)
            except counts.Failed as reason:
                self.skip("%s of %s: %s" % (part, cls.name, reason))

    def run_calls(self, classes):
        self.count(classes, "strace", "calls", lambda cls: counts.system_calls(
            self.load, cls, self.options.weir, self.options.calls, self.options.bulk,
            self.options.count_runs))

    def run_instructions(self, classes):
        self.count(classes, "valgrind", "instructions", lambda cls: counts.instructions(
            self.load, cls, self.options.weir, self.options.instructions))

    def run_sharding(self, _):
        classes, lines = sharding.variants(self.options.weir, self.options.reactors)
        for line in lines:
            self.skip(line)
        sharding.run(self.load, classes, self.options.weir, self.options.shard_rounds,
                     self.options.ms, self.report.setdefault("sharding", {}), self.progress.at)


def prepare(options):
    """What is to be written can be: said now, not in 20 minutes."""
    if options.json:
        with open(options.json, "a"):
            pass
    if options.report:
        os.makedirs(options.report, exist_ok=True)


def write(result, options):
    """All that was asked for, of a run that was cut short too."""
    result["summary"] = {name: figures.summary(samples, result["against"])
                         for name, samples in result["workloads"].items()}
    if options.json:
        with open(options.json, "w") as f:
            json.dump(result, f, indent=1)
    if options.report:
        report.write(result, options.report)
    print(report.text(result), end="", flush=True)


def main():
    options = parse(sys.argv[1:])
    processes.end_well_when_told()
    processes.allow_all_descriptors()
    prepare(options)
    bench = Bench(options)
    try:
        bench.run()
    except BaseException as end:
        stopped = isinstance(end, SystemExit) and isinstance(end.code, int)
        bench.report["incomplete"] = (
            "stopped by signal %d" % (end.code - 128) if stopped else
            "%s" % (end if isinstance(end, SystemExit) else repr(end)))
        write(bench.report, options)
        raise
    write(bench.report, options)


if __name__ == "__main__":
    main()
