"""What is counted, not timed: system calls (strace) and user instructions (callgrind)
a round trip, a connection and a MiB of bulk. All are differences of two runs of a
fresh process, so that its start and its end cancel."""

import functools
import glob
import os
import re

import processes

# A proxy that is traced answers the first of these; the others come on top.
SMALL = ["pingpong {port} 1 64 100 0", "connect {port} 16 100 0"]
BASE = [*SMALL, "up {port} 1 0 2097152", "down {port} 1 0 2097152"]
# These stand on less, so that the chance of bulk is not in them: a round trip is told
# to a hundredth.
BASES = {"round trip": SMALL[:1], "round trip, 64 at once": SMALL[:1], "connection": SMALL}
# unit: (command, what one unit is in those of the load, times as many are counted,
# so that the connections of their own are few)
UNITS = {
    "round trip": ("pingpong {port} 1 64 {count} 0", 1, 1),
    "round trip, 64 at once": ("pingpong {port} 64 64 {count} 0", 1, 8),
    "connection": ("connect {port} 16 {count} 0", 1, 1),
    "MiB up": ("up {port} 1 0 {count}", 1 << 20, 1),
    "MiB down": ("down {port} 1 0 {count}", 1 << 20, 1),
}
# What waits, receives and sends. (Not read: what weir reads is what the kernel says
# of its threads' time, now and then.)
MOVES = ("epoll_wait", "epoll_pwait", "epoll_pwait2", "recvfrom", "recvmsg", "sendto",
         "sendmsg", "write", "writev", "splice")
# Less of a call a unit is chance: a timer more or less.
NOISE = 0.005


class Failed(Exception):
    """This proxy does not run under this tool."""


def traced(cls, *command):
    return type("Traced", (cls,), {"wrapper": command})


def run_one(load, cls, binary, commands, patience):
    """The units that the last command moved."""
    try:
        proxy = cls(load.port, binary)
    except SystemExit as reason:
        if isinstance(reason.code, int):  # a signal to us
            raise
        raise Failed(reason) from None
    try:
        for command in commands:
            units = load.run(command.format(port=proxy.port))["units"]
        return units
    finally:
        proxy.stop(patience)


def with_unit(base, unit, count):
    command, size, times = UNITS[unit]
    return [*base, command.replace("{count}", str(count * size * times))]


def parse_calls(text):
    """{system call: times} of strace -c."""
    calls = {}
    for fields in map(str.split, text.splitlines()):
        if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
            calls[fields[-1]] = int(fields[3])
    return calls


def calls_of(load, cls, binary, commands):
    """({system call: times}, units of the last command)"""
    output = os.path.join(processes.scratch(), "strace")
    try:
        # -D: the tracer is the grandchild, so the proxy keeps its pid.
        units = run_one(load, traced(cls, "strace", "-D", "-f", "-c", "-o", output), binary,
                        commands, 10)
        return parse_calls(processes.wait_file(output, "total")), units
    finally:
        if os.path.exists(output):
            os.remove(output)


def system_calls(load, cls, binary, count, bulk, runs):
    """{unit: {system call: times a unit, "sum": all}}: of some runs the least, for what
    chance adds (a stack that is taken of a loop that stands still) it only adds."""
    @functools.lru_cache
    def base_of(*commands):
        return least([calls_of(load, cls, binary, commands)[0] for _ in range(runs)])

    result = {}
    for unit, (_, size, _) in UNITS.items():
        commands = BASES.get(unit, BASE)
        base = base_of(*commands)
        found = []
        for _ in range(runs):
            more, units = calls_of(load, cls, binary,
                                   with_unit(commands, unit, count if size == 1 else bulk))
            row = {name: (times - base.get(name, 0)) * size / units
                   for name, times in more.items()}
            found.append({name: times for name, times in sorted(row.items()) if times > NOISE})
        row = least(found)
        result[unit] = {**row, "sum": sum(row.values())}
    return result


def moves(row):
    """The waits, receives and sends of {system call: times}."""
    return sum(row.get(name, 0) for name in MOVES)


def least(runs):
    """Of {name: times} the one with the smallest sum."""
    return min(runs, key=lambda row: sum(row.values()))


def parse_instructions(text):
    return max(map(int, re.findall(r"^(?:totals|summary): (\d+)", text, re.M)), default=0)


def instructions_of(load, cls, binary, commands):
    """({thread: instructions}, units of the last command)"""
    output = os.path.join(processes.scratch(), "callgrind")
    try:
        units = run_one(load, traced(
            cls, "valgrind", "--tool=callgrind", "--separate-threads=yes", "--quiet",
            "--callgrind-out-file=" + output), binary, commands, 60)
        totals = {}
        for path in glob.glob(output + "*"):
            with open(path) as f:
                thread = path[len(output):]
                # (The whole process, which has no thread, says nothing.)
                totals[thread] = parse_instructions(f.read())
        return totals, units
    finally:
        for path in glob.glob(output + "*"):
            os.remove(path)


def instructions(load, cls, binary, count):
    """{unit: user instructions a unit} of the thread that moves the bytes, whose work
    a unit is."""
    base, _ = instructions_of(load, cls, binary, SMALL)
    result = {}
    for unit in ("round trip", "connection"):
        more, units = instructions_of(load, cls, binary, with_unit(SMALL, unit, count))
        result[unit] = max(((total - base.get(thread, 0)) / units
                            for thread, total in more.items()), default=0)
    return result
