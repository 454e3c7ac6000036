"""Medians, spreads and ratios over rounds.

A round is {metric: number}; a workload's samples are {proxy: [round, ...]}, with
the rounds of all proxies made side by side: entry i of each is of the same round.
"""

import statistics

# Of these more is better; of all others less.
MORE_IS_BETTER = ("rate",)
# Fewer say nothing that may be claimed.
ROUNDS_FOR_A_CLAIM = 7


def quartiles(values):
    """(first quartile, median, third quartile)"""
    if len(values) < 2:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def spread(values):
    """Of the middle half, as a share of the median."""
    first, median, third = quartiles(values)
    return (third - first) / median if median else 0.0


def ratio(values, base):
    """The median over the rounds, for the two of a round saw the same machine; None
    where the base is nothing."""
    ratios = [v / b for v, b in zip(values, base) if b]
    return statistics.median(ratios) if ratios else None


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
            ratios = {base: ratio_to(samples, proxy, base, metric) for base in bases
                      if base != proxy}
            ratios["best"] = ratio_to_best(samples, proxy, bases, metric)[0]
            rows[metric] = {"median": median, "first": first, "third": third,
                            "spread": spread(values), "rounds": len(values), "ratios": ratios}
    return result
