#!/usr/bin/env python3
"""Compares proxies: see tests/bench/run.

All proxies run at the same time, and each round of a workload measures one after
the other, so that what the machine does meanwhile hits all alike. Figures are
medians over the rounds, of the ratios too; the spread is that of the middle half,
(third quartile - first) / median. CPU is the user plus system time of the proxy alone.
"""

import argparse
import ctypes
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import proxies

# name: (command of tests/bench/load, what a unit is, units a figure is for).
WORKLOADS = {
    "pingpong-1": ("pingpong {port} 1 64 0 {ms}", "64 B round trip", 1),
    "pingpong-64": ("pingpong {port} 64 64 0 {ms}", "64 B round trip", 1),
    "message-16": ("pingpong {port} 16 16384 0 {ms}", "16 KiB round trip", 1),
    "connect": ("connect {port} 16 0 {ms}", "connection, a byte each way", 1),
    "up-1": ("up {port} 1 {ms}", "GB", 1e9),
    "up-8": ("up {port} 8 {ms}", "GB", 1e9),
    "down-1": ("down {port} 1 {ms}", "GB", 1e9),
    "down-8": ("down {port} 8 {ms}", "GB", 1e9),
}
IDLE_CONNECTIONS = 5000
COUNTED = ("epoll_wait", "epoll_pwait", "epoll_pwait2", "recvfrom", "recvmsg", "read", "readv",
           "sendto", "sendmsg", "write", "writev", "splice")


class Load:
    """tests/bench/load, which is both peers of a proxy."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def run(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise SystemExit("load: %s: %s" % (command, answer["error"]))
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def measure(load, proxy, workload, milliseconds):
    """(units a second, CPU seconds a unit) of one round."""
    command, _, size = WORKLOADS[workload]
    cpu = proxy.cpu_seconds()
    answer = load.run(command.format(port=proxy.port, ms=milliseconds))
    cpu = proxy.cpu_seconds() - cpu
    units = answer["units"] / size
    return units / answer["seconds"], cpu / units


def spread(values):
    first, median, third = statistics.quantiles(values, n=4)
    return (third - first) / median


def ratio(values, base):
    """The median over the rounds, for the two of a round saw the same machine."""
    return statistics.median(v / b for v, b in zip(values, base))


def run_workload(load, running, workload, rounds, milliseconds):
    """{proxy: {rate, cpu, rate_spread, cpu_spread, rates, cpus}}"""
    for proxy in running:  # Caches and pools fill up first.
        measure(load, proxy, workload, 200)
    samples = {proxy.name: [] for proxy in running}
    order = random.Random(workload)
    for _ in range(rounds):
        # In any order: who always comes behind the same one has another cost.
        for proxy in order.sample(running, len(running)):
            samples[proxy.name].append(measure(load, proxy, workload, milliseconds))
    result = {}
    for name, pairs in samples.items():
        rates, cpus = zip(*pairs)
        result[name] = {
            "rate": statistics.median(rates), "rate_spread": spread(rates), "rates": rates,
            "cpu": statistics.median(cpus), "cpu_spread": spread(cpus), "cpus": cpus}
    return result


def run_idle(load, proxy):
    """Bytes of private anonymous memory a connection, of fresh connections."""
    before = proxy.anonymous_bytes()
    load.run("idle %d %d" % (proxy.port, IDLE_CONNECTIONS))
    after = proxy.anonymous_bytes()
    load.run("release")
    return (after - before) / IDLE_CONNECTIONS


def run_idle_all(classes, load, binary):
    """Each in a fresh process: memory that was freed once would hide the cost."""
    result = {}
    for cls in classes:
        proxy = cls(load.port, binary)
        try:
            load.run("pingpong %d 1 64 10 0" % proxy.port)
            result[cls.name] = run_idle(load, proxy)
        finally:
            proxy.stop()
    return result


def end_well_when_told():
    """SIGTERM too ends what runs, and cleans up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def wait_file(path, pattern):
    """The text of a file once it holds the pattern."""
    end = time.monotonic() + 30
    while True:
        if os.path.exists(path):
            with open(path, errors="replace") as f:
                text = f.read()
            if re.search(pattern, text):
                return text
        if time.monotonic() > end:
            raise SystemExit("no %r in %s" % (pattern, path))
        time.sleep(0.01)


def count_calls(load, binary, round_trips):
    """How many waits, receives and sends a run of weir makes under strace."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as directory:
        output = os.path.join(directory, "strace")

        class Traced(proxies.Weir):
            # -D: the tracer is the grandchild, so the proxy keeps its pid.
            wrapper = ("strace", "-D", "-f", "-c", "-o", output)

        proxy = Traced(load.port, binary)
        try:
            load.run("pingpong %d 1 64 %d 0" % (proxy.port, round_trips))
        finally:
            proxy.stop()
        text = wait_file(output, "total")
        return sum(int(fields[3]) for fields in map(str.split, text.splitlines())
                   if fields and fields[-1] in COUNTED)


def enter_network(congestion):
    """A network namespace of our own with this congestion control."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000) != 0:  # CLONE_NEWNET
        raise SystemExit("--congestion needs root: " + os.strerror(ctypes.get_errno()))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with open("/proc/sys/net/ipv4/tcp_congestion_control", "w") as f:
        f.write(congestion)


def congestion_control():
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as f:
        return f.read().strip()


def table(report):
    """The report for a person, each ratio against `report["against"]`."""
    base = report["against"]
    lines = ["%-12s %-9s %13s %7s %15s %7s %9s %9s" % (
        "workload", "proxy", "rate", "spread", "CPU a unit", "spread", "rate", "CPU")]
    lines.append("%77s %9s" % ("ratio", "to " + base))
    for workload, result in report["workloads"].items():
        for name, figures in result.items():
            bulk = WORKLOADS[workload][2] != 1
            rate = "%.2f GB/s" % figures["rate"] if bulk else "%.0f /s" % figures["rate"]
            cpu = ("%.3f s/GB" % figures["cpu"] if bulk
                   else "%.2f us" % (figures["cpu"] * 1e6))
            ratios = ("", "")
            if base in result and name != base:
                ratios = ("%.2f" % ratio(figures["rates"], result[base]["rates"]),
                          "%.2f" % ratio(figures["cpus"], result[base]["cpus"]))
            lines.append("%-12s %-9s %13s %6.0f%% %15s %6.0f%% %9s %9s" % (
                workload, name, rate, 100 * figures["rate_spread"], cpu,
                100 * figures["cpu_spread"], *ratios))
    for name, memory in report.get("idle_bytes", {}).items():
        lines.append("%-12s %-9s %8.0f bytes of user memory a connection" % (
            "idle", name, memory))
    if "calls_per_round_trip" in report:
        lines.append("%-12s %-9s %8.4f waits, receives and sends a round trip" % (
            "calls", "weir", report["calls_per_round_trip"]))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--weir", required=True, help="the binary")
    parser.add_argument("--load", required=True, help="the load generator")
    parser.add_argument("--proxies", default="weir,nginx",
                        help="of %s (default: %%(default)s)" % ", ".join(proxies.ALL))
    parser.add_argument("--against", default="nginx", help="whom the ratios are to")
    parser.add_argument("--only", default="",
                        help="of %s, idle, calls (default: all)" % ", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=31, help="at least 2")
    parser.add_argument("--ms", type=int, default=300, help="of a round")
    parser.add_argument("--congestion", default="",
                        help="run in a network namespace with this congestion control")
    parser.add_argument("--json", default="", help="a file for all figures")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else [*WORKLOADS, "idle", "calls"]
    for name in wanted:
        if name not in WORKLOADS and name not in ("idle", "calls"):
            parser.error("no workload " + name)
    for name in options.proxies.split(","):
        if name not in proxies.ALL:
            parser.error("no proxy " + name)
    classes = [proxies.ALL[name] for name in options.proxies.split(",")]

    end_well_when_told()
    if options.congestion:
        enter_network(options.congestion)
    load = Load(options.load)
    running = []
    report = {"against": options.against, "rounds": options.rounds, "ms": options.ms,
              "congestion": congestion_control(), "kernel": os.uname().release,
              "cpus": os.cpu_count(), "workloads": {}}
    try:
        for cls in classes:
            running.append(cls(load.port, options.weir))
        report["versions"] = {proxy.name: proxy.version() for proxy in running}
        for workload in WORKLOADS:
            if workload in wanted:
                print(workload, "...", file=sys.stderr, flush=True)
                report["workloads"][workload] = run_workload(
                    load, running, workload, options.rounds, options.ms)
        while running:
            running.pop().stop()
        if "idle" in wanted:
            report["idle_bytes"] = run_idle_all(classes, load, options.weir)
        if "calls" in wanted:
            # The difference of two runs: the start and the end cancel.
            report["calls_per_round_trip"] = (
                count_calls(load, options.weir, 20000) -
                count_calls(load, options.weir, 10000)) / 10000
    finally:
        for proxy in running:
            proxy.stop()
        load.close()

    print("%s; Linux %s, %d cores, TCP %s; %d rounds of %d ms" % (
        ", ".join(report["versions"].values()), report["kernel"], report["cpus"],
        report["congestion"], report["rounds"], report["ms"]))
    print(table(report))
    if options.json:
        with open(options.json, "w") as f:
            json.dump(report, f, indent=1)


if __name__ == "__main__":
    main()
