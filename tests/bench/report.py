"""What was measured, for a person: Markdown, with plots when it goes to a folder."""

import os

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
    """Each ratio is rate, then CPU."""
    summary = figures.summary(samples, bases)
    shown = [base for base in bases if samples.get(base)]
    latencies = [m for m in workloads.PERCENTILES
                 if any(m in rows for rows in summary.values())]
    header = (["proxy", "rate", "", "CPU a unit", ""] +
              ["to %s: rate / CPU" % base for base in shown] +
              ["to the best"] + [m[:-3].replace("p999", "p99.9") + " us" for m in latencies])
    lines = []
    for proxy, rows in summary.items():
        if "rate" not in rows:
            continue
        rate, cpu = rows["rate"], rows.get("cpu")
        line = [proxy, rate_text(rate["median"], unit), percent(rate["spread"])]
        line += [cpu_text(cpu["median"], unit), percent(cpu["spread"])] if cpu else ["", ""]
        for base in [*shown, "best"]:
            both = [ratio(rate["ratios"].get(base)), ratio(cpu and cpu["ratios"].get(base))]
            line.append(" / ".join(both) if any(both) else "")
        line += ["%.0f" % rows[m]["median"] if m in rows else "" for m in latencies]
        lines.append(line)
    return table(header, lines)


def calls_table(calls):
    """{proxy: {unit: {name: times}}}"""
    lines = []
    for proxy, units in calls.items():
        for unit, row in units.items():
            names = sorted((n for n in row if n != "sum"), key=lambda n: -row[n])
            lines.append([proxy, unit, "%.2f" % row["sum"],
                          ", ".join("%s %.2f" % (n, row[n]) for n in names)])
    return table(["proxy", "a", "calls", "of which"], lines, words=(0, 1, 3))


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
            found.append(("%s: %s" % (name, workloads.about(name)),
                          workload_table(samples, unit, report["against"]),
                          plots.workload(name, samples, unit)))
    if report.get("idle_bytes"):
        found.append(("idle: bytes of user memory a connection", table(
            ["proxy", "bytes"], [[name, "{:,.0f}".format(n)] for name, n in
                                 report["idle_bytes"].items()]),
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
    return found


def text(report, plot_files=None):
    """Markdown. plot_files: {heading: file} of plots to show."""
    lines = ["# weir and its peers, measured", ""]
    if report.get("incomplete"):
        lines += ["**Incomplete**: " + report["incomplete"], ""]
    lines += [*machine_lines(report), "",
              "CPU is user plus system time of the proxy alone. Figures are medians over the "
              "rounds, ± half the middle half. Ratios are medians of the ratios within a "
              "round, rate / CPU; the best is the one of %s with the best median." %
              ", ".join(report["against"])]
    if report["rounds"] < figures.ROUNDS_FOR_A_CLAIM:
        lines.append("Fewer than %d rounds: for a look, not for a claim." %
                     figures.ROUNDS_FOR_A_CLAIM)
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
