"""What the benchmark makes of its figures: ratios, spreads, verdicts, report, plots."""

import unittest
import xml.etree.ElementTree as ET

import figures
import plots
import report
import targets
import workloads


def rounds(metric, *values):
    return [{metric: value} for value in values]


def both(rates, cpus):
    return [{"rate": rate, "cpu": cpu} for rate, cpu in zip(rates, cpus)]


class FiguresTest(unittest.TestCase):
    def test_quartiles(self):
        self.assertEqual(figures.quartiles([4]), (4, 4, 4))
        self.assertEqual(figures.quartiles([5, 1, 2, 4, 3]), (2, 3, 4))

    def test_spread_is_the_middle_half_of_the_median(self):
        self.assertEqual(figures.spread([1, 2, 3, 4, 100]), 2 / 3)
        self.assertEqual(figures.spread([0, 0]), 0)

    def test_ratio_is_made_within_each_round(self):
        # The machine was slower in each round: the ratio is the same.
        samples = {"a": rounds("cpu", 1, 2, 8), "b": rounds("cpu", 2, 4, 16)}
        self.assertEqual(figures.ratio_to(samples, "a", "b", "cpu"), 0.5)
        # Of medians it would be 2 / 4 here too, of rounds it is not.
        samples["b"] = rounds("cpu", 4, 16, 2)
        self.assertEqual(figures.ratio_to(samples, "a", "b", "cpu"), 0.25)

    def test_bounds_are_ranks(self):
        # Of six the ends: 2 of 64 orders are all on one side of the median.
        self.assertIsNone(figures.bounds([1, 2, 3, 4, 5]))
        self.assertEqual(figures.bounds([3, 6, 1, 2, 5, 4]), (1, 6))
        self.assertEqual(figures.bounds(range(8)), (0, 7))
        self.assertEqual(figures.bounds(range(9)), (1, 7))
        self.assertEqual(figures.bounds(range(11)), (1, 9))
        self.assertEqual(figures.bounds(range(31)), (9, 21))

    def test_ratio_to_nothing(self):
        self.assertIsNone(figures.ratio([1], [0]))
        self.assertIsNone(figures.ratio_to({"a": rounds("cpu", 1)}, "a", "b", "cpu"))

    def test_best_is_most_of_rate_and_least_of_all_else(self):
        samples = {"a": both([1, 1], [5, 5]), "b": both([2, 2], [9, 9]), "c": []}
        self.assertEqual(figures.best(samples, "abc", "rate"), "b")
        self.assertEqual(figures.best(samples, "abc", "cpu"), "a")
        self.assertEqual(figures.ratio_to_best(samples, "b", "abc", "cpu"), (9 / 5, "a"))
        self.assertEqual(figures.ratio_to_best(samples, "a", "c", "cpu"), (None, None))

    def test_summary(self):
        samples = {"weir": both([2, 4, 6], [1, 1, 1]), "nginx": both([1, 2, 3], [2, 2, 2]),
                   "direct": rounds("rate", 9, 9, 9)}
        summary = figures.summary(samples, ["nginx", "haproxy"])
        self.assertEqual(summary["weir"]["rate"]["ratios"],
                         {"nginx": 2, "haproxy": None, "best": 2})
        self.assertEqual(summary["weir"]["cpu"]["ratios"]["best"], 0.5)
        self.assertEqual(summary["weir"]["rate"]["median"], 4)
        self.assertEqual(summary["weir"]["rate"]["rounds"], 3)
        self.assertEqual(set(summary["direct"]), {"rate"})


class TargetsTest(unittest.TestCase):
    def rows(self, n, **proxies):
        return targets.rows({"ms": 150, "workloads": {"up-8": {
            name.replace("_", "-"): both([rate] * n, [cpu] * n)
            for name, (rate, cpu) in proxies.items()}}})

    def test_reached_missed_and_stretch(self):
        rows = self.rows(7, weir=(3, 0.20), haproxy=(1, 1), nginx=(1.2, 0.7), nginx_512k=(4, 1))
        self.assertEqual(rows, [
            ("up-8", "CPU of weir to nginx", "at most 0.30 (0.21)", "0.29", "**yes**"),
            ("up-8", "rate of weir to nginx", "at least 2.00", "2.50", "**yes**"),
            ("up-8", "CPU of weir to nginx-512k", "at most 1.00", "0.20", "**yes**"),
            ("up-8", "rate of weir to nginx-512k", "at least 1.00", "0.75", "no")])
        self.assertEqual(self.rows(7, weir=(3, 0.1), nginx=(1, 1))[0][4],
                         "**yes**, and the stretch")

    def test_too_few_rounds_claim_nothing(self):
        for _, _, _, _, verdict in self.rows(6, weir=(3, 0.20), nginx=(1, 1)):
            self.assertEqual(verdict, "yes, of 6 rounds: no claim")

    def test_short_rounds_claim_nothing(self):
        self.assertEqual(targets.verdict("cpu", [0.5] * 7, 0.6, None, 149),
                         "yes, of 7 rounds of 149 ms: no claim")

    def test_the_interval_decides(self):
        for ratios, wanted in (
                ([0.80] * 8 + [0.99], "**yes**"),  # one of nine is outside
                ([0.80] * 6 + [0.90] + [0.99] * 2, "yes, open: 0.80 to 0.99"),
                ([0.80] * 2 + [0.96] * 7, "no, open: 0.80 to 0.96"),
                ([0.80] + [0.96] * 8, "no"),
                ([0.70] * 9, "**yes**, and the stretch"),
                ([0.70] * 7 + [0.80] * 2, "**yes**")):
            with self.subTest(ratios=ratios):
                self.assertEqual(targets.verdict("cpu", ratios, 0.95, 0.75, 150), wanted)
                more = [-ratio for ratio in ratios]
                self.assertEqual(targets.verdict("rate", more, -0.95, -0.75, 150).split()[0],
                                 wanted.split()[0])

    def test_latency_beside_bulk(self):
        samples = {"weir": rounds("p99_us", *[90] * 7), "nginx": rounds("p99_us", *[100] * 7)}
        self.assertEqual(targets.rows({"ms": 150, "workloads": {"mixed-idle": samples}}), [
            ("mixed-idle", "p99 of weir to nginx", "at most 1.00", "0.90", "**yes**")])

    def test_moves_of_a_round_trip(self):
        for more, measured, verdict in ((0, "6.00", "**yes**"), (0.01, "6.01", "**yes**"),
                                        (0.02, "6.02", "no"), (-0.02, "5.98", "no")):
            row = {"epoll_pwait2": 2, "recvfrom": 2, "sendto": 2 + more, "pread64": 0.04,
                   "sum": 6.04 + more}
            with self.subTest(more=more):
                self.assertEqual(
                    targets.rows({"workloads": {}, "calls": {"weir": {"round trip": row}}}),
                    [("calls", "waits, receives and sends a round trip", "6.00 ± 0.01",
                      measured, verdict)])

    def test_only_what_was_measured(self):
        self.assertEqual(self.rows(7, weir=(1, 1)), [])
        for n, verdict in ((3, "no, of 3 rounds: no claim"), (7, "no")):
            self.assertEqual(
                targets.rows({"workloads": {}, "idle_bytes": {"weir": [600.4] * n}}), [
                    ("idle", "bytes of user memory", "at most 512 (256)", "600", verdict)])

    def test_each_workload_exists(self):
        names = {w.name for w in workloads.all_workloads(())}
        for wanted, *_ in targets.RATIOS:
            self.assertLessEqual(set(wanted), names)


def whole_report(n):
    return {
        "machine": {"kernel": "Linux 6", "congestion control": "bbr"}, "rounds": n, "ms": 150,
        "against": ["nginx"], "skipped": ["socat: needs Debian's package socat"],
        "proxies": {"weir": {"about": "one reactor", "version": "weir 1"}},
        "units": {"up-1": "GB", "up-1@reno": "GB", "connect": "connection", "down-1": "GB"},
        "workloads": {
            "up-1": {"weir": both([2.5] * n, [0.4] * n), "nginx": both([1.0] * n, [0.9] * n)},
            "up-1@reno": {"weir": both([2.5] * n, [0.4] * n)},
            "connect": {"nginx": [{"rate": 1000, "cpu": 50e-6, "p99_us": 60}] * n, "weir":
                        [{"rate": 2000, "cpu": 50e-6, "p50_us": 70, "p99_us": 90}] * n},
            "down-1": {"weir": [], "nginx": []}},
        "idle_bytes": {"weir": [700, 500.2, 400]},
        "calls": {"weir": {"round trip": {"sum": 6, "recvfrom": 2, "sendto": 2, "epoll_wait": 2},
                           "connection": {"sum": 14.0, "accept4": 1.0, "close": 2.0,
                                          "write": 1.5}}},
        "instructions": {"weir": {"round trip": 3360.4, "connection": 9000}},
        "sharding": {"weir-2-least": [{"rate": 900, "cpu": 1e-4, "p50_us": 1, "p99_us": 2,
                                       "burst": 1.5, "churn": 1, "busy": 1.25, "late_rate": 700,
                                       "late_p50_us": 3, "late_p99_us": 4,
                                       "late_share": 0.125}]}}


class ReportTest(unittest.TestCase):
    def test_text(self):
        text = report.text(whole_report(7))
        for words in ("- kernel: Linux 6", "- weir: one reactor, weir 1",
                      "- rounds: 7 of 150 ms", "- not measured: socat: needs Debian's package socat",
                      "2.50 GB/s", "0.400 s/GB", "2.50 / 0.44", "2,000 /s", "50.00 us",
                      "2.00 / 1.00 / 1.50", "close 2.00, write 1.50, accept4 1.00", "3,360",
                      "| 2-least", " 6.00 ± 0.01 |", "| weir  |   500 |       3 |",
                      "## up-1: bulk to the upstream, one stream "
                      "(congestion control bbr, the machine's own)",
                      "## up-1@reno: bulk to the upstream, one stream "
                      "(congestion control reno)"):
            self.assertIn(words, text)
        self.assertRegex(text, r"weir +\| connection +\| 14.00 \| +1.50 \|")
        self.assertRegex(text, r"2-least +\| +700 /s \| +3 \| +4 \| +0.12 \|")
        self.assertNotIn("for a look", text)
        self.assertNotIn("Incomplete", text)
        self.assertNotIn("down-1", text)  # nothing was measured

    def test_few_rounds_and_a_run_cut_short_say_so(self):
        result = whole_report(3)
        result["incomplete"] = "stopped by signal 15"
        text = report.text(result)
        self.assertIn("for a look, not for a claim", text)
        self.assertIn("for a look", report.text({**whole_report(7), "ms": 149}))
        self.assertIn("**Incomplete**: stopped by signal 15", text)

    def test_a_table_is_rectangular(self):
        for heading, words, _ in report.sections(whole_report(7)):
            with self.subTest(heading=heading):
                lines = words.splitlines()
                self.assertEqual({line.count("|") for line in lines},
                                 {lines[0].count("|")})

    def test_each_plot_is_good_xml(self):
        found = [plot for _, _, plot in report.sections(whole_report(2)) if plot]
        self.assertEqual(len(found), 6)
        for plot in found:
            ET.fromstring(plot)

    def test_a_plot_without_cpu(self):
        ET.fromstring(plots.workload("up-1", {"direct": rounds("rate", 1, 2)}, "GB"))


if __name__ == "__main__":
    unittest.main()
