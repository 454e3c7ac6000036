"""Which plot shows what."""

import figures
import svg


def _bars(samples, names, metric, factor=1.0):
    found = []
    for name in names:
        values = figures.column(samples, name, metric)
        found.append(tuple(factor * q for q in figures.quartiles(values)) if values else None)
    return found


def workload(heading, samples, unit):
    names = [n for n, rounds in samples.items() if rounds]
    bulk = unit == "GB"
    panels = [("CPU, %s (less is better)" % ("s a GB" if bulk else "us a " + unit.split(",")[0]),
               _bars(samples, names, "cpu", 1 if bulk else 1e6)),
              ("rate, %s (more is better)" % ("GB/s" if bulk else "thousands a second"),
               _bars(samples, names, "rate", 1 if bulk else 1e-3))]
    if any(figures.column(samples, n, "p99_us") for n in names):
        panels.append(("p99, us (less is better)", _bars(samples, names, "p99_us")))
    return svg.chart(heading, names, panels)


def idle(memory):
    return svg.chart("User memory of an idle connection", list(memory), [
        ("bytes (less is better)", [figures.quartiles([max(0, n) for n in values])
                                    for values in memory.values()])])


def calls(counted):
    units = list(next(iter(counted.values())))
    return svg.chart("System calls", list(counted), [
        ("a " + unit, [(row[unit]["sum"],) * 3 for row in counted.values()]) for unit in units])


def sharding(samples):
    names = [n for n, rounds in samples.items() if rounds]
    panels = [("connections, thousands a second", "rate", 1e-3),
              ("CPU, us a connection", "cpu", 1e6),
              ("unevenness of a burst (1 is even)", "burst", 1),
              ("of unequal connections", "churn", 1), ("of busy time then", "busy", 1),
              ("share of a loop that stands still", "late_share", 1)]
    return svg.chart("weir's sharding: reactors, policy, accept", names, [
        (heading, _bars(samples, names, metric, factor)) for heading, metric, factor in panels])
