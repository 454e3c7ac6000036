"""Medians, spreads and ratios over rounds.

A round is {metric: number}; a workload's samples are {proxy: [round, ...]}, with
the rounds of all proxies made side by side: entry i of each is of the same round.
"""

import math
import statistics

# Of these more is better; of all others less.
MORE_IS_BETTER = ("rate",)
# Fewer say nothing that may be claimed.
ROUNDS_FOR_A_CLAIM = 7
# Shorter ones are mostly their beginnings and ends.
MS_FOR_A_CLAIM = 150


def quartiles(values):
    """(first quartile, median, third quartile)"""
    if len(values) < 2:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def spread(values):
    """Of the middle half, as a share of the median."""
    first, median, third = quartiles(values)
    return (third - first) / median if median else 0.0


def ratios(values, base):
    """One a round, for the two of a round saw the same machine; none where the base is
    nothing."""
    return [v / b for v, b in zip(values, base) if b]


def ratio(values, base):
    """The median over the rounds, or None."""
    found = ratios(values, base)
    return statistics.median(found) if found else None


def bounds(values):
    """(from, to): the median of what these are samples of lies there in 95 of 100 cases,
    by ranks (each value is above it or below as a coin falls). None of fewer than six."""
    n, k, tail = len(values), -1, 1
    while 2 * tail <= 0.05 * 2 ** n:
        k += 1
        tail += math.comb(n, k + 1)
    ordered = sorted(values)
    return (ordered[k], ordered[n - 1 - k]) if k >= 0 else None


def column(samples, proxy, metric):
    """The values of all rounds; empty when it has none."""
    return [r[metric] for r in samples.get(proxy, []) if metric in r]


def best(samples, names, metric):
    """Which of these has the best median; None when none has one."""
    medians = {n: statistics.median(column(samples, n, metric)) for n in names
               if column(samples, n, metric)}
    if not medians:
        return None
    return (max if metric in MORE_IS_BETTER else min)(medians, key=medians.get)


def ratio_to(samples, proxy, base, metric):
    values, others = column(samples, proxy, metric), column(samples, base, metric)
    return ratio(values, others) if values and others else None


def ratio_to_best(samples, proxy, names, metric):
    """(the ratio, whose) or (None, None)"""
    name = best(samples, [n for n in names if n != proxy], metric)
    if name is None:
        return None, None
    return ratio_to(samples, proxy, name, metric), name


def summary(samples, bases):
    """{proxy: {metric: {median, first, third, spread, rounds, ratios: {base: ratio}}}}"""
    result = {}
    for proxy, rounds in samples.items():
        rows = result.setdefault(proxy, {})
        for metric in rounds[0] if rounds else ():
            values = column(samples, proxy, metric)
            first, median, third = quartiles(values)
            to = {base: ratio_to(samples, proxy, base, metric) for base in bases
                  if base != proxy}
            to["best"] = ratio_to_best(samples, proxy, bases, metric)[0]
            rows[metric] = {"median": median, "first": first, "third": third,
                            "spread": spread(values), "rounds": len(values), "ratios": to}
    return result
