#!/usr/bin/env python3
"""Is weir's lag true? See tests/bench/lag.

An outside prober sends one byte at fixed times through weir, whatever became of
the last, and stamps when it comes out. Each byte passes the loop once. Then the
prober's delays and the difference of two scrapes tell of the same seconds:

  stalls     stalls of known length and share are injected at random times: the
             shares of time over 1, 5, 25 and 100 ms differ by at most 2 points,
             the means by at most 5 %, after the prober's median delay without
             stalls is taken off;
  saturated  bulk streams keep the loop busy all the time: mean lag by weir <=
             mean delay by the prober <= mean lag by weir + one iteration.

Beside it stands a histogram with one sample an iteration, of the same seconds.
The loop has one core, everything else the other, and the prober goes first there.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time

import lag_table
import load_tool
import processes
import proxies
import scrape

THRESHOLDS = (0.001, 0.005, 0.025, 0.1)
MOST_POINTS = 0.02
MOST_OF_MEAN = 0.05
# What counts as saturated: the share of its time that the loop is busy.
LEAST_BUSY = 0.95
LAG = "weir_reactor_lag_seconds"
ITERATION = "weir_reactor_iteration_duration_seconds"


class Prober:
    """tests/bench/lag_prober."""

    def __init__(self, path, cpu):
        command = [path] + (["--cpu=%d" % cpu] if cpu is not None else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        hello = json.loads(self.process.stdout.readline())
        self.port, self.priority = hello["port"], hello["priority"]

    def start(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def answer(self):
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise SystemExit("lag_prober: " + answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Setup:
    """The prober, weir between its ends, and who runs where."""

    def __init__(self, options):
        self.options = options
        self.closers = []
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        options = self.options
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) > 1:
            os.sched_setaffinity(0, cpus[1:])  # what is started inherits it
        self.prober = Prober(options.prober, cpus[1] if len(cpus) > 1 else None)
        self.closers.append(self.prober.close)
        self.load = load_tool.Load(options.load)
        self.closers.append(self.load.close)

        class Weir(proxies.Weir):
            arguments = ("--reactors=1", "--allow_stall_injection",
                         "load@127.0.0.1:0=127.0.0.1:%d" % self.load.port)

        self.weir = Weir(self.prober.port, options.weir)
        self.closers.append(self.weir.stop)
        if len(cpus) > 1:
            for thread in self.weir.threads("weir-r0"):
                os.sched_setaffinity(thread, cpus[:1])
        if options.loop_first:
            for thread in self.weir.threads("weir-r0"):
                os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
        self.cpus = len(cpus)
        self.prober.start("connect %d %d" % (self.weir.port, options.connections))
        self.prober.answer()

    def close(self):
        while self.closers:
            self.closers.pop()()

    def page(self):
        return scrape.samples(self.weir.http("GET", "/metrics"))

    def probe(self, what, seconds, during=lambda start: None):
        """Probes for so long while during(start) runs, which gets the time of
        the first byte. {"delays", "late": sorted, in seconds; "before", "after":
        the pages}"""
        period = self.options.period_us * 1000
        before = self.page()
        start = time.monotonic_ns() + 5_000_000
        self.prober.start("probe %d %d %d" % (start, period, seconds * 1e9 // period))
        ended = threading.Event()
        threading.Thread(target=show_progress, args=(what, seconds, ended), daemon=True).start()
        try:
            during(start / 1e9)
            answer = self.prober.answer()
        finally:
            ended.set()
        after = self.page()
        return {"delays": sorted(d / 1e9 for d in answer["delays"]),
                "late": sorted(d / 1e9 for d in answer["late"]),
                "before": before, "after": after}


def show_progress(what, seconds, ended):
    begin = time.monotonic()
    live = sys.stderr.isatty()
    if not live:
        print("%s: %g s ..." % (what, seconds), file=sys.stderr)
    while live and not ended.wait(0.5):
        print("\r%s: %.0f of %g s " % (what, time.monotonic() - begin, seconds), end="",
              file=sys.stderr, flush=True)
    if live:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def plan_stalls(seed, seconds, lengths, share):
    """[(when, milliseconds, how)]: each length has as much of the time, all
    together have `share`, and none begins before the last is over."""
    order = random.Random(seed)
    stalls = []
    for length in lengths:
        count = max(1, round(share * seconds * 1000 / len(lengths) / length))
        stalls += [length] * count
    order.shuffle(stalls)
    # A request takes a moment to get there: 4 ms at least are between two.
    least, tail = 0.004, 0.3
    free = seconds - tail - sum(stalls) / 1000 - least * (len(stalls) + 1)
    if free <= 0:
        raise SystemExit("these stalls do not fit into %g s" % seconds)
    cuts = sorted(order.uniform(0, free) for _ in stalls)
    plan, busy = [], 0.0
    for i, (cut, length) in enumerate(zip(cuts, stalls)):
        plan.append((cut + least * (i + 1) + busy, length, order.choice(("cpu", "blocked"))))
        busy += length / 1000
    return plan


def share_over(sorted_delays, bound):
    return sum(1 for d in sorted_delays if d > bound) / len(sorted_delays)


def quantile(ordered, q):
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def figures(probe):
    """What the three say of the same seconds."""
    lag = scrape.Histogram(probe["before"], probe["after"], LAG, reactor="0")
    iteration = scrape.Histogram(probe["before"], probe["after"], ITERATION, reactor="0")
    delays = probe["delays"]
    result = {
        "over": {"%g" % t: {"weir": lag.over(t), "prober": share_over(delays, t),
                            "iterations": iteration.over(t)} for t in THRESHOLDS},
        "mean": {"weir": lag.mean(), "prober": statistics.fmean(delays),
                 "iterations": iteration.mean()},
        "iterations": iteration.count,
        "busy": iteration.sum / (lag.count / 1000),
        "bytes": len(delays),
        "late": {"p99": quantile(probe["late"], 0.99), "most": probe["late"][-1]},
    }
    for q in (0.5, 0.99, 0.999):
        result["p%g" % (100 * q)] = {"weir": lag.quantile(q), "prober": quantile(delays, q),
                                     "iterations": iteration.quantile(q)}
    return result


def run_stalls(setup, median):
    options = setup.options
    lengths = [int(word) for word in options.stalls.split(",")]
    plan = plan_stalls(options.seed, options.seconds, lengths, options.share)

    def inject(start):
        for when, length, how in plan:
            time.sleep(max(0, start + when - time.monotonic()))
            setup.weir.http("POST", "/debug/stall?reactor=0&ms=%d&how=%s" % (length, how))

    result = figures(setup.probe("stalls", options.seconds, inject))
    result["planned"] = {
        "stalls": {str(n): sum(1 for stall in plan if stall[1] == n) for n in lengths},
        "share": sum(n for _, n, _ in plan) / 1000 / options.seconds,
        "mean": sum((n / 1000) ** 2 / 2 for _, n, _ in plan) / options.seconds}
    for bound, row in result["over"].items():
        row["planned"] = sum(max(0, n / 1000 - float(bound))
                             for _, n, _ in plan) / options.seconds
        row["good"] = abs(row["weir"] - row["prober"]) <= MOST_POINTS
    mean = result["mean"]
    mean["planned"] = result["planned"]["mean"]
    mean["prober_net"] = mean["prober"] - median
    mean["good"] = abs(mean["weir"] / mean["prober_net"] - 1) <= MOST_OF_MEAN
    result["good"] = mean["good"] and all(row["good"] for row in result["over"].values())
    return result


def run_saturated(setup, _):
    options = setup.options
    milliseconds = int(options.seconds * 1000) + 3000
    command = "up %d %d %d" % (setup.weir.ports["load"], options.streams, milliseconds)
    load = threading.Thread(target=setup.load.run, args=(command,))
    load.start()
    time.sleep(1)  # until all streams run
    result = figures(setup.probe("saturated", options.seconds))
    load.join()
    mean = result["mean"]
    mean["most"] = mean["weir"] + mean["iterations"]
    mean["good"] = mean["weir"] <= mean["prober"] <= mean["most"]
    result["saturated"] = result["busy"] >= LEAST_BUSY
    result["good"] = mean["good"] and result["saturated"]
    return result


MODES = {"stalls": run_stalls, "saturated": run_saturated}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--weir", required=True, help="the binary")
    parser.add_argument("--load", required=True, help="the load generator")
    parser.add_argument("--prober", required=True, help="the prober")
    parser.add_argument("--only", default=",".join(MODES), help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=60, help="of a mode (%(default)s)")
    parser.add_argument("--baseline_seconds", type=float, default=5,
                        help="without stalls, before (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31),
                        help="of the stalls' times (default: any, printed)")
    parser.add_argument("--stalls", default="5,50,500", help="milliseconds (%(default)s)")
    parser.add_argument("--share", type=float, default=0.2, help="of the time (%(default)s)")
    parser.add_argument("--period_us", type=int, default=1000, help="of bytes (%(default)s)")
    parser.add_argument("--connections", type=int, default=16, help="of the prober (%(default)s)")
    parser.add_argument("--streams", type=int, default=32, help="that saturate (%(default)s)")
    parser.add_argument("--loop_first", action="store_true",
                        help="the loop has real-time priority too: where a machine is not "
                        "quiet, others keep out of the comparison")
    parser.add_argument("--json", default="", help="a file for all figures")
    options = parser.parse_args()
    wanted = options.only.split(",")
    for name in wanted:
        if name not in MODES:
            parser.error("no mode " + name)

    processes.end_well_when_told()
    setup = None
    try:
        setup = Setup(options)
        report = {"kernel": os.uname().release, "cpus": setup.cpus,
                  "priority": setup.prober.priority, "version": setup.weir.version(),
                  **{name: getattr(options, name) for name in
                     ("seconds", "seed", "period_us", "connections", "streams")}, "modes": {}}
        quiet = setup.probe("without stalls", options.baseline_seconds)["delays"]
        report["median"], report["quiet_p99"] = statistics.median(quiet), quantile(quiet, 0.99)
        for name in wanted:
            report["modes"][name] = MODES[name](setup, report["median"])
    finally:
        if setup:
            setup.close()
    print(lag_table.tables(report))
    if options.json:
        with open(options.json, "w") as f:
            json.dump(report, f, indent=1)
    if not all(result["good"] for result in report["modes"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
