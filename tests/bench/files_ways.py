"""The ways to write a log file that tests/bench/files compares, and one run of one."""

import collections
import contextlib
import json
import os
import subprocess

import processes
import scrape

# What weir can do begins with its name: plots show it.
Way = collections.namedtuple("Way", "label way batch_ms")
BATCH_MS = 10
WAYS = {
    "none": Way("no log", "none", BATCH_MS),
    "blocking-line": Way("write(), each line", "blocking", 0),
    "blocking": Way("write(), batches", "blocking", BATCH_MS),
    "aio-polled": Way("weir: AIO, polled", "aio-polled", BATCH_MS),
    "aio-signal": Way("weir: AIO, signal", "aio-signal", BATCH_MS),
    "aio-thread": Way("weir: AIO, thread", "aio-thread", BATCH_MS),
    "io_uring": Way("io_uring", "io_uring", BATCH_MS),
    "writer-thread": Way("writer thread", "writer-thread", BATCH_MS),
}
# What all ratios are to.
BASE = "none"
LINES = 100_000


class Unavailable(Exception):
    """This kernel has no such way."""


def sample(answer):
    """A round of figures.py, of an answer of file_writes."""
    total = answer["total"]
    if total["logged"] != total["written"] + total["dropped"]:
        raise SystemExit("file_writes lost lines: %s" % total)
    # (The clients can be told before the loop has counted.)
    logged = max(1, answer["logged"])
    bounds = [ns / 1e9 for ns in answer["lag_bounds_ns"]] + [float("inf")]
    cumulative, sofar = {}, 0
    for bound, nanos in zip(bounds, answer["lag_ns"]):
        sofar += nanos
        cumulative[bound] = sofar
    lag = scrape.Buckets(cumulative)
    return {"rate": answer["round_trips"] / answer["seconds"],
            "lines": answer["written"] / answer["seconds"],
            "dropped": answer["dropped"] / logged,
            "cpu": LINES * answer["cpu_seconds"] / logged,
            "lag_mean": answer["lag_integral"] / (sofar / 1e9),
            "lag_p50": lag.quantile(0.5), "lag_p99": lag.quantile(0.99),
            "lag_max": lag.quantile(1),
            "p99_us": answer["p99_us"], "max_us": answer["max_us"]}


def run(binary, way, path, ms, clients, when_begun=lambda: None):
    """The answer of file_writes. when_begun() is called once it measures."""
    command = [binary, WAYS[way].way, path, str(WAYS[way].batch_ms), str(ms), str(clients)]
    process = processes.spawn(command, stdout=subprocess.PIPE, text=True)
    try:
        begun = process.stdout.readline()
        if begun.startswith("{"):
            raise Unavailable(json.loads(begun)["unavailable"])
        if begun:
            when_begun()
        answer = process.stdout.readline()
        if process.wait() != 0 or not answer:
            raise SystemExit("file_writes failed: " + " ".join(command))
        return json.loads(answer)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
