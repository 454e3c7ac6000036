"""The figures that weir is to beat, and whether it does."""

import statistics

import counts
import figures
import peers

# Peers that were given as much for bulk as weir takes by itself.
BIG = ("haproxy-splice-1m", "nginx-512k")

# (workloads, metric, whom: the best of these, proxy, bound, stretch)
RATIOS = [
    (("pingpong-1",), "cpu", peers.USUAL, "weir", 0.95, None),
    (("pingpong-1",), "cpu", ("haproxy",), "weir", 0.80, None),
    (("pingpong-1",), "rate", peers.USUAL, "weir", 1.00, None),
    (("pingpong-64",), "cpu", peers.USUAL, "weir", 0.95, 0.92),
    (("pingpong-64",), "rate", peers.USUAL, "weir", 1.00, None),
    (("message-16",), "cpu", peers.USUAL, "weir", 0.85, None),
    (("message-16",), "rate", peers.USUAL, "weir", 1.10, None),
    (("connect",), "cpu", peers.USUAL, "weir", 0.87, 0.83),
    (("connect",), "rate", peers.USUAL, "weir", 1.05, None),
    (("up-1", "down-1"), "cpu", peers.USUAL, "weir", 0.50, 0.40),
    (("up-1", "down-1"), "rate", peers.USUAL, "weir", 1.5, None),
    (("up-8",), "cpu", peers.USUAL, "weir", 0.30, 0.21),
    (("up-8",), "rate", peers.USUAL, "weir", 2.0, None),
    (("down-8",), "cpu", peers.USUAL, "weir", 0.50, 0.40),
    (("down-8",), "rate", peers.USUAL, "weir", 1.4, None),
    (("up-1", "up-8", "down-1", "down-8"), "cpu", BIG, "weir", 1.0, None),
    (("up-1", "up-8", "down-1", "down-8"), "rate", BIG, "weir", 1.0, None),
    (("mixed", "mixed-idle"), "p99_us", peers.USUAL, "weir", 1.00, None),
    (("pingpong-64", "connect"), "cpu", ("weir",), "weir-2", 1.10, None),
]
# Bytes of user memory of an idle connection.
IDLE, IDLE_STRETCH = 512, 256
# Waits, receives and sends a round trip.
MOVES, MOVES_ERROR = 6.00, 0.01
NAMES = {"cpu": "CPU", "p99_us": "p99"}


def reached(metric, value, bound):
    return value >= bound if metric in figures.MORE_IS_BETTER else value <= bound


def verdict(metric, values, bound, stretch, milliseconds=None):
    """Of the values of all rounds, which are so long where their time matters. What is
    claimed, the median reaches and the whole interval that it may lie in."""
    median = statistics.median(values)
    word = "yes" if reached(metric, median, bound) else "no"
    short = milliseconds is not None and milliseconds < figures.MS_FOR_A_CLAIM
    if short or len(values) < figures.ROUNDS_FOR_A_CLAIM:
        return "%s, of %d rounds%s: no claim" % (
            word, len(values), " of %d ms" % milliseconds if short else "")
    ends = figures.bounds(values)
    if stretch is not None and all(reached(metric, end, stretch) for end in ends):
        return "**yes**, and the stretch"
    reach = [reached(metric, end, bound) for end in ends]
    if all(reach):
        return "**yes**"
    return "%s, open: %.2f to %.2f" % (word, *ends) if any(reach) else "no"


def target(metric, bound, stretch):
    words = "%s %.2f" % ("at least" if metric in figures.MORE_IS_BETTER else "at most", bound)
    return words + (" (%.2f)" % stretch if stretch is not None else "")


def rows(report):
    """[(workload, of what, target, measured, reached)]; only what was measured."""
    result = []
    for names, metric, whom, proxy, bound, stretch in RATIOS:
        for name in names:
            samples = report["workloads"].get(name, {})
            base = figures.best(samples, [n for n in whom if n != proxy], metric)
            found = figures.ratios(figures.column(samples, proxy, metric),
                                   figures.column(samples, base, metric))
            if not found:
                continue
            result.append((name, "%s of %s to %s" % (NAMES.get(metric, metric), proxy, base),
                           target(metric, bound, stretch), "%.2f" % statistics.median(found),
                           verdict(metric, found, bound, stretch, report["ms"])))
    memory = report.get("idle_bytes", {}).get("weir")
    if memory:
        result.append(("idle", "bytes of user memory", "at most %d (%d)" % (IDLE, IDLE_STRETCH),
                       "%.0f" % statistics.median(memory),
                       verdict("bytes", memory, IDLE, IDLE_STRETCH)))
    calls = report.get("calls", {}).get("weir")
    if calls:
        moves = counts.moves(calls["round trip"])
        good = abs(moves - MOVES) <= MOVES_ERROR + 1e-9
        result.append(("calls", "waits, receives and sends a round trip",
                       "%.2f ± %.2f" % (MOVES, MOVES_ERROR), "%.2f" % moves,
                       "**yes**" if good else "no"))
    return result
