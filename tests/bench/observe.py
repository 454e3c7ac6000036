#!/usr/bin/env python3
"""What observing the loops costs: see tests/bench/observe.

weir with everything on is held against one with --loop_metrics=false:

  calls         system calls a round trip, by name (strace -fc): on makes no more
                than off, but the sampler's two each 5 ms of busy time and what
                the watchdog's thread sleeps by: two each 50 ms at most;
  instructions  of the loop's thread in user mode, a round trip (callgrind): at
                most 400 more;
  cpu           user plus system time of all threads a round trip of 64 B over 64
                connections, both in any order within a pair: the upper 95 %
                bound of the median ratio is at most 1.03.

The first two are differences of two runs: the start and the end cancel. (Under
both tools a round trip takes far longer, so the sampler has more turns in it.)
"""

import argparse
import glob
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

import load_tool
import processes
import proxies
import scrape

CONNECTIONS = 64
MOST_INSTRUCTIONS = 400
MOST_RATIO = 1.03
SAMPLE_SECONDS = 0.005
SAMPLER_CALLS = 2
WATCHDOG_SECONDS = 0.05
WATCHDOG_CALLS = 2
INSTRUCTED_RUNS = 3
# Below this a difference of two runs is chance: a timer more or less.
NOISE_CALLS = 0.002

OBSERVING = {"on": ("--loop_metrics=true",), "off": ("--loop_metrics=false",)}


def weir_class(observing, command=()):
    class Observed(proxies.Weir):
        name = observing
        arguments = ("--reactors=1",) + OBSERVING[observing]
        wrapper = tuple(command)
    return Observed


def traced_run(load, binary, observing, round_trips):
    """({system call: times}, busy seconds, seconds)"""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as directory:
        output = os.path.join(directory, "strace")
        # -D: the tracer is the grandchild, so the proxy keeps its pid.
        proxy = weir_class(observing, ("strace", "-D", "-f", "-c", "-o", output))(
            load.port, binary)
        try:
            began = time.monotonic()
            load.run("pingpong %d 1 64 %d 0" % (proxy.port, round_trips))
            took = time.monotonic() - began
            page = scrape.samples(proxy.http("GET", "/metrics"))
            busy = scrape.value(page, "weir_reactor_busy_seconds_total") or 0
        finally:
            proxy.stop()
        calls = {}
        for line in processes.wait_file(output, "total").splitlines():
            fields = line.split()
            if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
                calls[fields[-1]] = int(fields[3])
        return calls, busy, took


def count_calls(load, binary, round_trips):
    result, busy, took = {}, 0, 0
    for observing in OBSERVING:
        few, few_busy, few_took = traced_run(load, binary, observing, round_trips)
        many, many_busy, many_took = traced_run(load, binary, observing, 2 * round_trips)
        for name in sorted(few.keys() | many.keys()):
            row = result.setdefault(name, {"on": 0, "off": 0})
            row[observing] = (many.get(name, 0) - few.get(name, 0)) / round_trips
        if observing == "on":
            busy, took = many_busy - few_busy, max(0, many_took - few_took)
    added = sum(max(0, row["on"] - row["off"]) for row in result.values()
                if row["on"] - row["off"] > NOISE_CALLS)
    allowed = (SAMPLER_CALLS * busy / SAMPLE_SECONDS +
               WATCHDOG_CALLS * took / WATCHDOG_SECONDS) / round_trips
    return {"calls": {n: row for n, row in result.items() if max(row.values()) > NOISE_CALLS},
            "busy_seconds": busy, "seconds": took, "added": added,
            "allowed": allowed, "good": added <= allowed}


def instructed_run(load, binary, observing, round_trips):
    """{thread: instructions}, in the order of their creation"""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as directory:
        output = os.path.join(directory, "out")
        proxy = weir_class(observing, (
            "valgrind", "--tool=callgrind", "--separate-threads=yes", "--quiet",
            "--callgrind-out-file=" + output))(load.port, binary)
        try:
            load.run("pingpong %d 1 64 %d 0" % (proxy.port, round_trips))
        finally:
            proxy.stop(60)
        totals = {}
        for path in glob.glob(output + "-*"):
            with open(path) as f:
                found = re.findall(r"^(?:totals|summary): (\d+)", f.read(), re.M)
            totals[path[len(output):]] = max(map(int, found), default=0)
        if not totals:
            raise SystemExit("callgrind wrote nothing")
        return totals


def least_instructions(load, binary, observing, round_trips):
    """Of some runs, for each thread: what chance adds (a stall of the machine, of
    which a stack is taken) it only adds."""
    runs = [instructed_run(load, binary, observing, round_trips) for _ in range(INSTRUCTED_RUNS)]
    return {thread: min(run.get(thread, math.inf) for run in runs) for thread in runs[0]}


def count_instructions(load, binary, round_trips):
    result = {}
    for observing in OBSERVING:
        few = least_instructions(load, binary, observing, round_trips)
        many = least_instructions(load, binary, observing, 2 * round_trips)
        added = [(many[thread] - few.get(thread, 0)) / round_trips for thread in many]
        # The loop's is the one that the round trips are the work of.
        result[observing] = {"loop": max(added), "all": sum(added)}
    result["added"] = result["on"]["loop"] - result["off"]["loop"]
    result["good"] = result["added"] <= MOST_INSTRUCTIONS
    return result


def upper_bound(values, confidence=0.95):
    """Of the median, whatever the distribution: the smallest order statistic x_k
    with P(fewer than k of n values are below the median) >= confidence."""
    ordered, n = sorted(values), len(values)
    below = 0.0
    for k in range(1, n + 1):
        below += math.comb(n, k - 1) / 2 ** n
        if below >= confidence:
            return ordered[k - 1]
    return math.inf


def compare_cpu(load, binary, pairs, milliseconds):
    running = []
    ratios, cpus = [], {name: [] for name in OBSERVING}
    order = random.Random(1)
    live = sys.stderr.isatty()
    try:
        for observing in OBSERVING:
            running.append(weir_class(observing)(load.port, binary))
        for proxy in running:  # Caches and pools fill up first.
            run_pair_half(load, proxy, milliseconds)
        for i in range(pairs):
            if live:
                print("\rcpu: pair %d of %d " % (i + 1, pairs), end="", file=sys.stderr, flush=True)
            # In any order: who always comes second has another cost.
            for proxy in order.sample(running, len(running)):
                cpus[proxy.name].append(run_pair_half(load, proxy, milliseconds))
            ratios.append(cpus["on"][-1] / cpus["off"][-1])
    finally:
        for proxy in running:
            proxy.stop()
        if live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
    bound = upper_bound(ratios)
    return {"on": statistics.median(cpus["on"]), "off": statistics.median(cpus["off"]),
            "ratio": statistics.median(ratios), "bound": bound, "pairs": pairs,
            "ms": milliseconds, "ratios": ratios, "good": bound <= MOST_RATIO}


def run_pair_half(load, proxy, milliseconds):
    """CPU seconds a round trip."""
    cpu = proxy.cpu_seconds()
    answer = load.run("pingpong %d %d 64 0 %d" % (proxy.port, CONNECTIONS, milliseconds))
    return (proxy.cpu_seconds() - cpu) / answer["units"]


def table(report):
    lines = []
    verdict = {True: "ok", False: "MISSED"}
    if "calls" in report:
        result = report["calls"]
        lines.append("%-24s %10s %10s %10s" % ("calls a round trip", "off", "on", "added"))
        for name, row in result["calls"].items():
            lines.append("%-24s %10.4f %10.4f %+10.4f" % (
                name, row["off"], row["on"], row["on"] - row["off"]))
        lines.append("added %.4f, allowed for %.3f s busy in %.3f s: "
                     "%.4f  %s" % (result["added"], result["busy_seconds"],
                                   result["seconds"], result["allowed"],
                                   verdict[result["good"]]))
    if "instructions" in report:
        result = report["instructions"]
        for what in ("loop", "all"):
            lines.append("%-24s %10.0f %10.0f %+10.0f  %s" % (
                "instructions, " + what, result["off"][what], result["on"][what],
                result["on"][what] - result["off"][what],
                verdict[result["good"]] if what == "loop" else ""))
    if "cpu" in report:
        result = report["cpu"]
        lines.append("CPU a round trip: off %.2f us, on %.2f us, median ratio of %d pairs %.4f, "
                     "95 %% bound %.4f  %s" % (
                         1e6 * result["off"], 1e6 * result["on"], result["pairs"],
                         result["ratio"], result["bound"], verdict[result["good"]]))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--weir", required=True, help="the binary")
    parser.add_argument("--load", required=True, help="the load generator")
    parser.add_argument("--only", default="calls,instructions,cpu", help="(%(default)s)")
    parser.add_argument("--pairs", type=int, default=100, help="of rounds (%(default)s)")
    parser.add_argument("--ms", type=int, default=300, help="of a round (%(default)s)")
    parser.add_argument("--traced", type=int, default=10000,
                        help="round trips under strace, and twice as many (%(default)s)")
    parser.add_argument("--instructed", type=int, default=5000,
                        help="round trips under callgrind, and twice as many (%(default)s)")
    parser.add_argument("--json", default="", help="a file for all figures")
    options = parser.parse_args()
    wanted = options.only.split(",")
    for name in wanted:
        if name not in ("calls", "instructions", "cpu"):
            parser.error("no part " + name)

    processes.end_well_when_told()
    load = load_tool.Load(options.load)
    report = {"kernel": os.uname().release, "cpus": os.cpu_count()}
    try:
        for name in wanted:
            print(name, "...", file=sys.stderr, flush=True)
            if name == "calls":
                report[name] = count_calls(load, options.weir, options.traced)
            elif name == "instructions":
                report[name] = count_instructions(load, options.weir, options.instructed)
            else:
                report[name] = compare_cpu(load, options.weir, options.pairs, options.ms)
    finally:
        load.close()
    print(table(report))
    if options.json:
        with open(options.json, "w") as f:
            json.dump(report, f, indent=1)
    if not all(report[name]["good"] for name in wanted):
        sys.exit(1)


if __name__ == "__main__":
    main()
