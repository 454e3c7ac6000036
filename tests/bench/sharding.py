"""How evenly, and at which cost, weir spreads connections over its reactors: each
policy with each arrangement of accepting."""

import concurrent.futures
import itertools
import random
import statistics
import time

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
# Loop 0 stands still for so long while connections come, for at least LATE_MS.
STALL_MS = 300
LATE_MS = 500


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
        arguments = ["--reactors=%d" % n, "--shard=" + policy, "--allow_stall_injection"]
        name = "%d-%s" % (n, policy)
        if accept:
            arguments.append("--accept=" + accept)
            name += "-" + accept
        classes.append(proxies.weir_class(name, "", *arguments, reactors=n))
    return classes, lines


def per_reactor(page, name, reactors):
    return [scrape.value(page, name, reactor=str(i)) or 0 for i in range(reactors)]


def more(before, after, name, reactors):
    """What came between two pages, for each reactor."""
    return [b - a for a, b in zip(per_reactor(before, name, reactors),
                                  per_reactor(after, name, reactors))]


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


def held_when(proxy, count):
    """The connections of each reactor once they are so many in all: an end that came is
    counted a moment later."""
    end = time.monotonic() + 30
    while True:
        held = per_reactor(page_of(proxy), "weir_reactor_connections", proxy.reactors)
        if sum(held) == count:
            return held
        if time.monotonic() > end:
            raise SystemExit("%s: %d connections, not %d" % (proxy.name, sum(held), count))
        time.sleep(0.001)


def measure_bursts(load, proxy):
    found = []
    for _ in range(BURSTS):
        held_when(proxy, 0)
        load.run("idle %d %d" % (proxy.port, BURST))
        found.append(unevenness(held_when(proxy, BURST)))
        load.run("release")
    return {"burst": statistics.median(found)}


def beside(load, proxy, command, milliseconds, look):
    """(answer of the load, what look(seconds) found while the load ran so long). On a
    machine that lets it come too late: once more, for longer."""
    while True:
        held_when(proxy, 0)
        with concurrent.futures.ThreadPoolExecutor(1) as other:
            end = time.monotonic() + milliseconds / 1000
            looked = other.submit(lambda: (look(milliseconds / 1000), time.monotonic()))
            answer = load.run("%s %d" % (command, milliseconds))
        found, looked_at = looked.result()
        if looked_at < end:
            return answer, found
        milliseconds *= 2


def measure_churn(load, proxy, milliseconds):
    """Connections live unequally long. Where they are, and who works, while it lasts."""
    def look(seconds):
        time.sleep(0.4 * seconds)
        first = page_of(proxy)
        time.sleep(0.4 * seconds)
        return first, page_of(proxy)

    _, pages = beside(load, proxy, "churn %d 16 %d %d" % (proxy.port, LONG_EACH, LONG_MOST),
                      milliseconds, look)
    return {"churn": unevenness(per_reactor(pages[1], "weir_reactor_connections",
                                            proxy.reactors)),
            "busy": unevenness(more(*pages, "weir_reactor_busy_seconds_total", proxy.reactors))}


def measure_late(load, proxy, milliseconds):
    """Loop 0 stands still for a while, and new connections had better go elsewhere."""
    def look(_):
        time.sleep(0.05)
        first = page_of(proxy)
        proxy.http("POST", "/debug/stall?reactor=0&ms=%d&how=cpu" % STALL_MS)
        time.sleep(0.8 * STALL_MS / 1000)
        second = page_of(proxy)
        time.sleep(0.3 * STALL_MS / 1000)  # until it is over
        return first, second

    answer, pages = beside(load, proxy, "connect %d 16 0" % proxy.port,
                           max(LATE_MS, milliseconds), look)
    given = more(*pages, "weir_connections_assigned_total", proxy.reactors)
    return {"late_rate": answer["units"] / answer["seconds"],
            "late_p50_us": answer["p50_us"], "late_p99_us": answer["p99_us"],
            # (Where none was given, all wait for loop 0.)
            "late_share": 1 - sum(given[1:]) / max(1, sum(given))}


def measure(load, proxy, milliseconds):
    return {**measure_connect(load, proxy, milliseconds), **measure_bursts(load, proxy),
            **measure_churn(load, proxy, milliseconds), **measure_late(load, proxy, milliseconds)}


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
