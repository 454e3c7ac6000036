"""What access logs say, and where each connection's line went."""

import json
import re

import weir

# What the build under test can do: the thread sanitizer crashes when the C library
# starts a thread for a completion.
FILE_IO = ("polled", "signal") if weir.SANITIZER == "tsan" else ("polled", "signal", "thread")


def parse(content):
    """The objects of JSON lines, all of them whole."""
    *lines, rest = content.split(b"\n")
    if rest:
        raise AssertionError("ends within a line: %r" % rest)
    return [json.loads(line) for line in lines]


def read(*paths):
    """The objects of all these files."""
    found = []
    for path in paths:
        with open(path, "rb") as f:
            found += parse(f.read())
    return found


def lines(page):
    return page.total("weir_access_log_lines_total")


def dropped(page, **labels):
    return page.total("weir_access_log_dropped_total", **labels)


def closed(page):
    return page.total("weir_connections_closed_total")


def wait_lines(proxy, least):
    return proxy.wait_metric(lambda page: lines(page) >= least, "%d lines" % least)


def wait_accounted(proxy):
    """Waits until no connection is open and each has a line in the file or a dropped
    one, and returns the page."""
    proxy.wait_at_rest()
    return proxy.wait_metric(lambda page: lines(page) + dropped(page) >= closed(page),
                             "all lines to be written or dropped")


def wait_state(proxy, pattern):
    """Waits until the status page's words match, and it and the metrics agree on
    whether lines get into the file."""
    up = pattern == "writing"
    said = None

    def agreed():
        nonlocal said
        said = status(proxy)
        return (re.match(pattern, said["state"]) and said["up"] == up and
                proxy.metrics().total("weir_access_log_up") == up)
    weir.wait_until(agreed, lambda: "the access log to be %s; it is %s" % (pattern, said),
                    interval=0.02)


def status(proxy):
    return json.loads(proxy.http("/status")[1])["access_log"]
