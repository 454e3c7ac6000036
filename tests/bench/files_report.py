"""What files.py found, for a person: tables, plots, and those of the README."""

import os
import statistics

import figures
import report as tables
import svg
from files_ways import BASE, LINES, WAYS

ABOUT = {
    "fast": "a file on this machine's disk",
    "slow": "each operation of up to 128 KiB takes {delay_ms:g} ms longer (FUSE)",
    "hang": "it stops answering for {hang_s:g} s, once (FUSE)",
}
# In the README: what is between them is the benchmark's.
BEGIN = "<!-- tests/bench/files --readme writes this -->"
END = "<!-- end -->"


def milliseconds(seconds):
    return svg.number(round(1000 * seconds, 2)) + " ms"


def percent(share):
    return "0" if share == 0 else "%.2g %%" % (100 * share)


class Disk:
    """The samples of one disk, {way: [round, ...]}."""

    def __init__(self, samples):
        self.samples = {way: rounds for way, rounds in samples.items() if rounds}

    def median(self, way, metric):
        return statistics.median(figures.column(self.samples, way, metric))

    def ratio(self, way, metric):
        return figures.ratio_to(self.samples, way, BASE, metric)

    def cell(self, way, metric, words):
        return words(self.median(way, metric)) if way in self.samples else ""

    def ratio_cell(self, way, metric):
        return tables.ratio(self.ratio(way, metric) if way in self.samples else None)


def detail(disk):
    rows = [[WAYS[way].label, *(disk.cell(way, "lag_" + q, milliseconds)
                                for q in ("p50", "p99", "max", "mean")),
             disk.cell(way, "rate", "{:,.0f}".format), disk.ratio_cell(way, "rate"),
             disk.cell(way, "p99_us", "{:,.0f}".format),
             disk.cell(way, "max_us", "{:,.0f}".format),
             disk.cell(way, "lines", "{:,.0f}".format), disk.cell(way, "dropped", percent),
             disk.cell(way, "cpu", "{:.2f}".format), disk.ratio_cell(way, "cpu")]
            for way in disk.samples]
    return tables.table(
        ["way", "lag p50", "lag p99", "lag, most", "lag, mean", "round trips a s", "to no log",
         "p99 us", "longest us", "lines a s", "dropped", "CPU s", "to no log"], rows)


# Of the short table: what is shown of each disk.
_SHORT = {
    "fast": (("lag p99", "lag_p99", milliseconds), ("round trips", "rate", None),
             ("CPU", "cpu", None)),
    "slow": (("lag p99", "lag_p99", milliseconds), ("round trips", "rate", None),
             ("dropped", "dropped", percent)),
    "hang": (("lag p99", "lag_p99", milliseconds), ("longest round trip", "max_us",
                                                    lambda us: milliseconds(us / 1e6)),
             ("round trips", "rate", None), ("dropped", "dropped", percent)),
}


def short(report):
    """One table of all disks; without a unit it is the ratio to no log."""
    disks = {name: Disk(samples) for name, samples in report["disks"].items()}
    ways = [way for way in WAYS if any(way in disk.samples for disk in disks.values())]
    header = ["way"] + ["%s: %s" % (name, column[0]) for name in disks
                        for column in _SHORT[name]]
    rows = [[WAYS[way].label, *(
        disk.cell(way, metric, words) if words else disk.ratio_cell(way, metric)
        for name, disk in disks.items() for _, metric, words in _SHORT[name])]
            for way in ways]
    return tables.table(header, rows)


def _bars(samples, ways, metric, factor):
    columns = [figures.column(samples, way, metric) for way in ways]
    return [tuple(factor * q for q in figures.quartiles(values)) if values else None
            for values in columns]


def plots(report):
    """{file name: SVG}"""
    disks = report["disks"]
    ways = [way for way in WAYS if any(samples.get(way) for samples in disks.values())]
    labels = [WAYS[way].label for way in ways]
    return {
        "file-writes-lag.svg": svg.chart(
            "Lag of a loop that writes a log, p99 over time (less is better)", labels,
            [(name + " disk, ms", _bars(samples, ways, "lag_p99", 1e3))
             for name, samples in disks.items()]),
        "file-writes-rate.svg": svg.chart(
            "Its other work (more is better)", labels,
            [(name + " disk, thousand round trips a second",
              _bars(samples, ways, "rate", 1e-3)) for name, samples in disks.items()])}


def machine_line(report):
    about = report["machine"]
    return "%s cores, %s, %s, %s; medians of %d rounds (%d of the slow disks), in random order " \
        "within each" % (
            about["cores"], about["processor"], ".".join(about["kernel"].split(".")[:2]),
            about["file system"], report["rounds"], (report["rounds"] + 1) // 2)


def text(report, plot_files=()):
    """Markdown."""
    lines = ["# Ways for a loop to write a log file, measured", ""]
    if report.get("incomplete"):
        lines += ["**Incomplete**: " + report["incomplete"], ""]
    lines += ["- " + machine_line(report)]
    lines += ["- %s: %s" % pair for pair in report["machine"].items()]
    lines += ["- not measured: " + reason for reason in report["skipped"]]
    lines += ["", "One loop serves %d clients at full speed and logs a line of 300 bytes for "
              "each round trip. Lag is weir's, weighted by time; the most is the upper bound of "
              "its highest bucket in use. CPU is of all threads but the clients', in seconds "
              "for %s lines. Ratios are to a loop that writes nothing, within a round." % (
                  report["clients"], "{:,}".format(LINES))]
    if any(map(len, report["disks"].values())):
        lines += ["", short(report)]
    lines += [line for name in plot_files for line in ("", "![%s](%s)" % (name[:-4], name))]
    for name, samples in report["disks"].items():
        lines += ["", "## %s: %s" % (name, ABOUT[name].format(**report)), "",
                  detail(Disk(samples))]
    return "\n".join(lines) + "\n"


def write(report, folder):
    """report.md and its plots."""
    os.makedirs(folder, exist_ok=True)
    drawn = plots(report)
    for name, picture in drawn.items():
        with open(os.path.join(folder, name), "w") as f:
            f.write(picture)
    with open(os.path.join(folder, "report.md"), "w") as f:
        f.write(text(report, drawn))


def replaced(page, block):
    """`page` with what is between the marks made anew."""
    before, begin, rest = page.partition(BEGIN + "\n")
    _, end, after = rest.partition(END + "\n")
    if not begin or not end:
        raise SystemExit("the README has no place for the table: %s" % BEGIN)
    return before + begin + block + end + after


def write_readme(report, readme, folder):
    """The table in the file `readme`, and the plots in `folder` below its own."""
    drawn = plots(report)
    top = os.path.dirname(os.path.abspath(readme))
    os.makedirs(os.path.join(top, folder), exist_ok=True)
    for name, picture in drawn.items():
        with open(os.path.join(top, folder, name), "w") as f:
            f.write(picture)
    with open(readme) as f:
        page = f.read()
    block = "%s\n\n%s.\n\n%s\n" % (short(report), machine_line(report), "\n".join(
        "![%s](%s/%s)" % (name[:-4], folder, name) for name in drawn))
    with open(readme, "w") as f:
        f.write(replaced(page, block))
