"""What was measured, for a person: Markdown, with plots when it goes to a folder."""

import os
import statistics

import counts
import figures
import plots
import sharding
import targets
import workloads


def table(header, rows, words=(0,)):
    """Markdown, its columns aligned for who reads it as text; these are of words, the
    others of numbers."""
    cells = [header, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    if len(header) - 1 in words:
        widths[-1] = len(header[-1])
    lines = ["| " + " | ".join(cell.ljust(w) if i in words else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))) + " |"
             for row in cells]
    rule = ["-" * w if i in words else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])


def percent(share):
    return "±%.0f %%" % (50 * share)


def ratio(value):
    return "" if value is None else "%.2f" % value


def rate_text(value, unit):
    return "%.2f GB/s" % value if unit == "GB" else "{:,.0f} /s".format(value)


def cpu_text(value, unit):
    return "%.3f s/GB" % value if unit == "GB" else "%.2f us" % (1e6 * value)


def workload_table(samples, unit, bases):
    """Each ratio is rate, then CPU, then p99 where there is one."""
    summary = figures.summary(samples, bases)
    shown = [base for base in bases if samples.get(base)]
    latencies = [m for m in workloads.PERCENTILES
                 if any(m in rows for rows in summary.values())]
    header = (["proxy", "rate", "", "CPU a unit", ""] +
              ["to %s: rate / CPU%s" % (base, " / p99" if latencies else "") for base in shown] +
              ["to the best"] + [m[:-3].replace("p999", "p99.9") + " us" for m in latencies])
    lines = []
    for proxy, rows in summary.items():
        if "rate" not in rows:
            continue
        rate, cpu = rows["rate"], rows.get("cpu")
        line = [proxy, rate_text(rate["median"], unit), percent(rate["spread"])]
        line += [cpu_text(cpu["median"], unit), percent(cpu["spread"])] if cpu else ["", ""]
        for base in [*shown, "best"]:
            each = [ratio(row and row["ratios"].get(base)) for row in
                    (rate, cpu, *([rows.get("p99_us")] if latencies else []))]
            line.append(" / ".join(each) if any(each) else "")
        line += ["%.0f" % rows[m]["median"] if m in rows else "" for m in latencies]
        lines.append(line)
    return table(header, lines)


def calls_table(calls):
    """{proxy: {unit: {name: times}}}"""
    lines = []
    for proxy, units in calls.items():
        for unit, row in units.items():
            names = sorted((n for n in row if n != "sum"), key=lambda n: -row[n])
            lines.append([proxy, unit, "%.2f" % row["sum"], "%.2f" % counts.moves(row),
                          ", ".join("%s %.2f" % (n, row[n]) for n in names)])
    return table(["proxy", "a", "calls", "waits, receives, sends", "of which"], lines,
                 words=(0, 1, 4))


def instructions_table(instructions):
    units = list(next(iter(instructions.values())))
    return table(["proxy", *("a " + unit for unit in units)],
                 [[proxy, *("{:,.0f}".format(row[unit]) for unit in units)]
                  for proxy, row in instructions.items()])


def sharding_table(samples):
    summary = figures.summary(samples, ())
    lines = []
    for name, rows in summary.items():
        if not rows:
            continue
        value = {metric: row["median"] for metric, row in rows.items()}
        lines.append([name.removeprefix("weir-"), "{:,.0f} /s".format(value["rate"]),
                      percent(rows["rate"]["spread"]), ratio(sharding.rate_ratio(samples, name)),
                      "%.1f us" % (1e6 * value["cpu"]), "%.0f" % value["p50_us"],
                      "%.0f" % value["p99_us"], "%.2f" % value["burst"],
                      "%.2f" % value["churn"], "%.2f" % value["busy"]])
    return table(["reactors, policy, accept", "connections", "", "to the first", "CPU each",
                  "p50 us", "p99 us", "burst", "unequal", "busy"], lines)


def late_table(samples):
    lines = []
    for name, rows in figures.summary(samples, ()).items():
        if rows:
            value = {metric: row["median"] for metric, row in rows.items()}
            lines.append([name.removeprefix("weir-"), "{:,.0f} /s".format(value["late_rate"]),
                          "%.0f" % value["late_p50_us"], "%.0f" % value["late_p99_us"],
                          "%.2f" % value["late_share"]])
    return table(["reactors, policy, accept", "connections", "p50 us", "p99 us",
                  "share of loop 0"], lines)


def machine_lines(report):
    lines = ["%s: %s" % pair for pair in report["machine"].items()]
    lines += ["rounds: %d of %d ms, in random order within each" % (
        report["rounds"], report["ms"])]
    lines += ["%s: %s%s" % (name, about["about"], about["version"] and ", " + about["version"])
              for name, about in report["proxies"].items()]
    return ["- " + line for line in lines] + ["- not measured: " + s for s in report["skipped"]]


def sections(report):
    """[(heading, text, plot or None)]"""
    found = []
    beaten = targets.rows(report)
    if beaten:
        found.append(("Figures to beat", table(
            ["workload", "what", "target (stretch)", "measured", "reached"], beaten,
            words=(0, 1, 4)), None))
    for name, samples in report["workloads"].items():
        if any(samples.values()):
            unit = report["units"][name]
            heading = "%s: %s" % (
                name, workloads.about(name, report["machine"]["congestion control"]))
            found.append((heading, workload_table(samples, unit, report["against"]),
                          plots.workload(heading, samples, unit)))
    if report.get("idle_bytes"):
        found.append(("idle: bytes of user memory a connection", table(
            ["proxy", "bytes", "samples"],
            [[name, "{:,.0f}".format(statistics.median(values)), len(values)]
             for name, values in report["idle_bytes"].items()]),
                      plots.idle(report["idle_bytes"])))
    if report.get("calls"):
        found.append(("calls: system calls (strace)", calls_table(report["calls"]),
                      plots.calls(report["calls"])))
    if report.get("instructions"):
        found.append(("instructions: in user mode (callgrind)",
                      instructions_table(report["instructions"]), None))
    if any(report.get("sharding", {}).values()):
        found.append(("sharding: unevenness is maximum over mean of the reactors: of their "
                      "connections after bursts of %d, of their connections when one of %d "
                      "is a long stream, and of their busy seconds then" % (
                          sharding.BURST, sharding.LONG_EACH),
                      sharding_table(report["sharding"]), plots.sharding(report["sharding"])))
        found.append(("late loop: connections that come while loop 0 stands still for %d of %d "
                      "ms or more, and how many of them it is given meanwhile" % (
                          sharding.STALL_MS, sharding.LATE_MS),
                      late_table(report["sharding"]), None))
    return found


def text(report, plot_files=None):
    """Markdown. plot_files: {heading: file} of plots to show."""
    lines = ["# weir and its peers, measured", ""]
    if report.get("incomplete"):
        lines += ["**Incomplete**: " + report["incomplete"], ""]
    lines += [*machine_lines(report), "",
              "CPU is user plus system time of the proxy alone. Figures are medians over the "
              "rounds, ± half the middle half. Ratios are medians of the ratios within a "
              "round, rate / CPU / p99; the best is the one of %s with the best median. "
              "Reached is a figure whose ratio's 95 %% interval (of ranks) reaches it whole; "
              "open is one where it does in part." % ", ".join(report["against"])]
    if report["rounds"] < figures.ROUNDS_FOR_A_CLAIM or report["ms"] < figures.MS_FOR_A_CLAIM:
        lines.append("Fewer than %d rounds, or shorter than %d ms: for a look, not for a claim." %
                     (figures.ROUNDS_FOR_A_CLAIM, figures.MS_FOR_A_CLAIM))
    for heading, words, _ in sections(report):
        lines += ["", "## " + heading, "", words]
        if plot_files and heading in plot_files:
            lines += ["", "![%s](%s)" % (heading.split(":")[0], plot_files[heading])]
    return "\n".join(lines) + "\n"


def write(report, folder):
    """report.md and its plots."""
    os.makedirs(folder, exist_ok=True)
    files = {}
    for heading, _, plot in sections(report):
        if plot:
            files[heading] = heading.split(":")[0].replace("@", "-") + ".svg"
            with open(os.path.join(folder, files[heading]), "w") as f:
                f.write(plot)
    with open(os.path.join(folder, "report.md"), "w") as f:
        f.write(text(report, files))
