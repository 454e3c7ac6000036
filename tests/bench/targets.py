"""The figures that weir is to beat, and whether it does."""

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
    (("pingpong-64", "connect"), "cpu", ("weir",), "weir-2", 1.10, None),
]
# Bytes of user memory of an idle connection.
IDLE, IDLE_STRETCH = 512, 256


def reached(metric, value, bound):
    return value >= bound if metric in figures.MORE_IS_BETTER else value <= bound


def verdict(metric, value, bound, stretch, rounds):
    if rounds < figures.ROUNDS_FOR_A_CLAIM:
        word = "yes" if reached(metric, value, bound) else "no"
        return "%s, of %d rounds: no claim" % (word, rounds)
    if stretch is not None and reached(metric, value, stretch):
        return "**yes**, and the stretch"
    return "**yes**" if reached(metric, value, bound) else "no"


def target(metric, bound, stretch):
    words = "%s %.2f" % ("at least" if metric in figures.MORE_IS_BETTER else "at most", bound)
    return words + (" (%.2f)" % stretch if stretch is not None else "")


def rows(report):
    """[(workload, of what, target, measured, reached)]; only what was measured."""
    result = []
    for names, metric, whom, proxy, bound, stretch in RATIOS:
        for name in names:
            samples = report["workloads"].get(name, {})
            value, base = figures.ratio_to_best(samples, proxy, whom, metric)
            if value is None:
                continue
            result.append((name, "%s of %s to %s" % (
                "CPU" if metric == "cpu" else metric, proxy, base),
                target(metric, bound, stretch), "%.2f" % value,
                verdict(metric, value, bound, stretch, len(samples[proxy]))))
    memory = report.get("idle_bytes", {}).get("weir")
    if memory is not None:
        result.append(("idle", "bytes of user memory", "at most %d (%d)" % (IDLE, IDLE_STRETCH),
                       "%.0f" % memory, verdict("bytes", memory, IDLE, IDLE_STRETCH,
                                                figures.ROUNDS_FOR_A_CLAIM)))
    return result
