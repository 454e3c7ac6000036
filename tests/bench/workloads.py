"""What is measured by time: the workloads, and one round of one."""

import dataclasses
import random
import re


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    command: str    # of tests/bench/load
    unit: str       # what the figures are of
    connections: int
    size: float = 1     # units of the load a unit
    idle: int = 0       # connections beside that do nothing
    congestion: str = ""  # "" is the machine's own
    beside: bool = False  # what is beside the first command is counted
    latency: tuple = ()   # of the first command
    times: int = 1        # rounds are so much longer


PERCENTILES = ("p50_us", "p99_us", "p999_us", "max_us")
MIXED = "pingpong {port} 1 64 0 {ms} & up {port} 4 0 & down {port} 4 0"

SMALL = [
    Workload("pingpong-1", "pingpong {port} 1 64 0 {ms}", "64 B round trip", 1,
             latency=PERCENTILES),
    Workload("pingpong-64", "pingpong {port} 64 64 0 {ms}", "64 B round trip", 64,
             latency=PERCENTILES),
    Workload("message-16", "pingpong {port} 16 16384 0 {ms}", "16 KiB round trip", 16,
             latency=PERCENTILES),
    Workload("connect", "connect {port} 16 0 {ms}", "connection, a byte each way", 16,
             latency=PERCENTILES),
]
BULK = [Workload("%s-%d" % (way, n), "%s {port} %d {ms}" % (way, n), "GB", n, size=1e9)
        for way in ("up", "down") for n in (1, 8)]
MIX = [
    Workload("mixed", MIXED, "GB", 9, size=1e9, beside=True, times=2,
             latency=PERCENTILES),
    Workload("mixed-idle", MIXED, "GB", 1009, size=1e9, idle=1000, beside=True,
             latency=PERCENTILES),
]

ABOUT = {
    "pingpong-1": "64 bytes there and back, one connection",
    "pingpong-64": "64 bytes there and back, 64 connections",
    "message-16": "16 KiB there and back, 16 connections",
    "connect": "connect, a byte each way, close; 16 at a time",
    "up-1": "bulk to the upstream, one stream",
    "up-8": "bulk to the upstream, 8 streams",
    "down-1": "bulk from the upstream, one stream",
    "down-8": "bulk from the upstream, 8 streams",
    "mixed": "8 bulk streams (4 up, 4 down) beside a 64 byte ping-pong, whose round trips "
             "are the latency",
    "mixed-idle": "the same with 1,000 idle connections beside",
}


def under(workload, congestion):
    return dataclasses.replace(workload, name="%s@%s" % (workload.name, congestion),
                               congestion=congestion)


def about(name, own):
    """own: the machine's own congestion control, which bulk depends on."""
    plain, _, congestion = name.partition("@")
    if plain not in {w.name for w in [*BULK, *MIX]}:
        return ABOUT[plain]
    return "%s (congestion control %s)" % (
        ABOUT[plain], congestion or own + ", the machine's own")


def all_workloads(congestions):
    """Those of bulk once more under each of these congestion controls."""
    return [*SMALL, *BULK, *(under(w, c) for c in congestions for w in BULK), *MIX]


def measure(load, proxy, workload, milliseconds):
    """{metric: number} of one round: rate in units a second, CPU seconds a unit (not
    without a proxy), and latencies in microseconds."""
    if workload.idle:
        load.run("idle %d %d" % (proxy.port, workload.idle))
    cpu = proxy.cpu_seconds()
    answer = load.run(workload.command.format(port=proxy.port,
                                              ms=milliseconds * workload.times))
    cpu = proxy.cpu_seconds() - cpu
    if workload.idle:
        load.run("release")
    counted = answer["beside"] if workload.beside else [answer]
    units = sum(part["units"] for part in counted) / workload.size
    # What was moved before and after the time was over cost something too.
    all_units = sum(part["all"] for part in counted) / workload.size
    result = {"rate": units / answer["seconds"]}
    if proxy.pids():
        result["cpu"] = cpu / all_units
    result.update({key: answer[key] for key in workload.latency if key in answer})
    return result


def run_rounds(load, running, workload, rounds, milliseconds, samples, at=lambda i, n: None):
    """Appends whole rounds to samples, {proxy: [round, ...]}, so that what is there is
    good whenever this is cut short."""
    for proxy in running:
        samples[proxy.name] = []
    for proxy in running:  # Caches and pools fill up first.
        measure(load, proxy, workload, max(20, min(200, milliseconds // 2)))
    order = random.Random(workload.name)
    for i in range(rounds):
        at(i + 1, rounds)
        # In any order: who always comes behind the same one has another cost.
        made = {proxy.name: measure(load, proxy, workload, milliseconds)
                for proxy in order.sample(running, len(running))}
        for name, values in made.items():
            samples[name].append(values)


def idle_bytes(load, cls, binary, connections):
    """Bytes of private anonymous memory a connection, of fresh connections in a fresh
    process: memory that was freed once would hide the cost."""
    connections = min(connections, cls.limit)
    proxy = cls(load.port, binary)
    try:
        load.run("pingpong %d 1 64 10 0" % proxy.port)
        before = proxy.anonymous_bytes()
        load.run("idle %d %d" % (proxy.port, connections))
        after = proxy.anonymous_bytes()
        load.run("release")
        return (after - before) / connections
    finally:
        proxy.stop()


def matches(name, patterns):
    """Whether a name is asked for: `up-1` asks for `up-1@reno` too, `up` and `bulk` for
    all that go up and for all of bulk."""
    plain = name.partition("@")[0]
    names = {name, plain, plain.partition("-")[0]}
    if re.match(r"(up|down)-", name):
        names.add("bulk")
    return not patterns or bool(names & set(patterns))
