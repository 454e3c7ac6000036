"""What lag.py found, for a person."""


def verdict(good):
    return "ok" if good else "MISSED"


def ms(seconds):
    return "%.3f ms" % (1000 * seconds)


def tables(report):
    """The report for a person."""
    lines = ["Linux %s, %d processors; prober: a byte each %d us over %d connections, %s "
             "priority" % (report["kernel"], report["cpus"], report["period_us"],
                           report["connections"], report["priority"]),
             "delay without stalls: median %s, 99 of 100 under %s" % (
                 ms(report["median"]), ms(report["quiet_p99"]))]
    if report["quiet_p99"] > 0.001:
        lines.append("This machine is not quiet: others keep the loop and the prober waiting.")
    for mode, result in report["modes"].items():
        lines += ["", "%s: %g s, busy %.1f %%, %d bytes, at most %s late (99 of 100: %s)" % (
            mode, report["seconds"], 100 * result["busy"], result["bytes"],
            ms(result["late"]["most"]), ms(result["late"]["p99"]))]
        if "planned" in result:
            lines.append("seed %d: %s, %.1f %% of the time" % (
                report["seed"], ", ".join("%d x %s ms" % (count, length) for length, count
                                          in result["planned"]["stalls"].items()),
                100 * result["planned"]["share"]))
        elif not result["saturated"]:
            lines.append("MISSED: the loop was not busy all the time")
        lines.append("%-12s %11s %11s %11s %15s %18s %12s" % (
            "lag", "injected", "prober", "weir", "weir is off by", "an iteration each",
            "is off by"))
        for bound, row in result["over"].items():
            lines.append("%-12s %11s %9.2f %% %9.2f %% %+8.2f points %16.2f %% %+5.1f points  "
                         "%s" % (
                "over %g ms" % (1000 * float(bound)),
                "%.2f %%" % (100 * row["planned"]) if "planned" in row else "",
                100 * row["prober"], 100 * row["weir"], 100 * (row["weir"] - row["prober"]),
                100 * row["iterations"], 100 * (row["iterations"] - row["prober"]),
                verdict(row["good"]) if "good" in row else ""))
        mean = result["mean"]
        prober = mean.get("prober_net", mean["prober"])
        lines.append("%-12s %11s %11s %11s %+13.1f %% %18s %+10.1f %%  %s" % (
            "mean", ms(mean["planned"]) if "planned" in mean else "", ms(prober),
            ms(mean["weir"]), 100 * (mean["weir"] / prober - 1), ms(mean["iterations"]),
            100 * (mean["iterations"] / prober - 1), verdict(mean["good"])))
        for name in ("p50", "p99", "p99.9"):
            row = result[name]
            lines.append("%-12s %11s %11s %11s %15s %18s" % (
                name, "", ms(row["prober"]), ms(row["weir"]), "", ms(row["iterations"])))
        if "most" in mean:
            lines.append("weir %s <= prober %s <= weir + one iteration %s: %s" % (
                ms(mean["weir"]), ms(mean["prober"]), ms(mean["most"]), verdict(mean["good"])))
    return "\n".join(lines)
