"""How evenly, and at which cost, weir spreads connections over its reactors: each
policy with each arrangement of accepting."""

import itertools
import random
import statistics
import threading

import figures
import proxies
import scrape

POLICIES = ("least", "round_robin", "local", "lag")
# "" is what the binary does without the flag.
ARRANGEMENTS = ("shared", "reuseport", "dedicated")

BURST = 200
BURSTS = 3
# Of connections that live unequally long: one of so many is a stream, until there
# are so many. (Which ones is as if at random: a period would make or break
# round_robin.)
LONG_EACH = 20
LONG_MOST = 12


def variants(binary, reactors, policies=POLICIES, arrangements=ARRANGEMENTS):
    """(classes, lines about what this binary does not know)"""
    classes, lines = [], []
    known = [a for a in arrangements if proxies.knows(binary, "--accept=", a)]
    unknown = [a for a in arrangements if a not in known]
    if not known:
        known = [""]
        lines.append("sharding: this weir has no flag --accept: it accepts in one way")
    elif unknown:
        lines.append("sharding: this weir does not know --accept=" + ", ".join(unknown))
    for policy in policies:
        if not proxies.knows(binary, "--shard=", policy):
            lines.append("sharding: this weir does not know --shard=" + policy)
    for n, policy, accept in itertools.product(reactors, policies, known):
        if not proxies.knows(binary, "--shard=", policy):
            continue
        # The loop that accepts serves none: weir refuses it.
        if (policy, accept) == ("local", "dedicated"):
            continue
        arguments = ["--reactors=%d" % n, "--shard=" + policy]
        name = "%d-%s" % (n, policy)
        if accept:
            arguments.append("--accept=" + accept)
            name += "-" + accept
        classes.append(proxies.weir_class(name, "", *arguments, reactors=n))
    return classes, lines


def per_reactor(page, name, reactors):
    return [scrape.value(page, name, reactor=str(i)) or 0 for i in range(reactors)]


def unevenness(values):
    """Maximum over mean: 1 is even, N is all on one of N."""
    mean = statistics.fmean(values)
    return max(values) / mean if mean else 1.0


def page_of(proxy):
    return scrape.samples(proxy.http("GET", "/metrics"))


def measure_connect(load, proxy, milliseconds):
    cpu = proxy.cpu_seconds()
    answer = load.run("connect %d 16 0 %d" % (proxy.port, milliseconds))
    cpu = proxy.cpu_seconds() - cpu
    return {"rate": answer["units"] / answer["seconds"],
            "cpu": cpu / answer["all"],
            "p50_us": answer["p50_us"], "p99_us": answer["p99_us"]}


def measure_bursts(load, proxy):
    found = []
    for _ in range(BURSTS):
        load.run("idle %d %d" % (proxy.port, BURST))
        found.append(unevenness(per_reactor(page_of(proxy), "weir_reactor_connections",
                                            proxy.reactors)))
        load.run("release")
    return {"burst": statistics.median(found)}


def measure_churn(load, proxy, milliseconds):
    """Connections live unequally long. Where they are is asked while it lasts."""
    name = "weir_reactor_busy_seconds_total"
    before = page_of(proxy)
    during = []
    timer = threading.Timer(0.7 * milliseconds / 1000, lambda: during.append(page_of(proxy)))
    timer.start()
    try:
        load.run("churn %d 16 %d %d %d" % (proxy.port, LONG_EACH, LONG_MOST, milliseconds))
    finally:
        timer.join()
    after = page_of(proxy)
    busy = [b - a for a, b in zip(per_reactor(before, name, proxy.reactors),
                                  per_reactor(after, name, proxy.reactors))]
    held = per_reactor(during[0], "weir_reactor_connections", proxy.reactors)
    return {"churn": unevenness(held), "busy": unevenness(busy)}


def measure(load, proxy, milliseconds):
    return {**measure_connect(load, proxy, milliseconds), **measure_bursts(load, proxy),
            **measure_churn(load, proxy, milliseconds)}


def run(load, classes, binary, rounds, milliseconds, samples, at=lambda i, n: None):
    """Appends whole rounds to samples, {variant: [round, ...]}."""
    running = []
    try:
        for cls in classes:
            running.append(cls(load.port, binary))
        for proxy in running:
            measure_connect(load, proxy, max(20, milliseconds // 2))
            samples[proxy.name] = []
        order = random.Random("sharding")
        for i in range(rounds):
            at(i + 1, rounds)
            made = {proxy.name: measure(load, proxy, milliseconds)
                    for proxy in order.sample(running, len(running))}
            for name, values in made.items():
                samples[name].append(values)
    finally:
        while running:
            running.pop().stop()


def base_of(samples, name):
    """The first variant with as many reactors, which ratios are to."""
    reactors = name.split("-")[1]
    return next(n for n in samples if n.split("-")[1] == reactors)


def rate_ratio(samples, name):
    return figures.ratio_to(samples, name, base_of(samples, name), "rate")
