"""What the benchmark makes of its figures: ratios, spreads, verdicts, report, plots."""

import io
import itertools
import unittest
import xml.etree.ElementTree as ET

import counts
import figures
import plots
import progress
import report
import sharding
import svg
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
        return targets.rows({"workloads": {"up-8": {
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

    def test_only_what_was_measured(self):
        self.assertEqual(self.rows(7, weir=(1, 1)), [])
        self.assertEqual(targets.rows({"workloads": {}, "idle_bytes": {"weir": 600.4}}), [
            ("idle", "bytes of user memory", "at most 512 (256)", "600", "no")])

    def test_each_workload_exists(self):
        names = {w.name for w in workloads.all_workloads(())}
        for wanted, *_ in targets.RATIOS:
            self.assertLessEqual(set(wanted), names)


class WorkloadsTest(unittest.TestCase):
    def chosen(self, *patterns):
        return [w.name for w in workloads.all_workloads(["reno"])
                if workloads.matches(w.name, patterns)]

    def test_names_and_kinds(self):
        self.assertEqual(self.chosen("connect", "pingpong"),
                         ["pingpong-1", "pingpong-64", "connect"])
        self.assertEqual(self.chosen("up-8"), ["up-8", "up-8@reno"])
        self.assertEqual(self.chosen("up-8@reno"), ["up-8@reno"])
        self.assertEqual(len(self.chosen("bulk")), 8)
        self.assertEqual(len(self.chosen()), 14)
        self.assertEqual(self.chosen("idle"), [])

    def test_each_says_what_it_is(self):
        for workload in workloads.all_workloads(["reno"]):
            self.assertTrue(workloads.about(workload.name))

    def test_rounds_are_whole(self):
        class Load:
            left = 9

            def run(self, _):
                self.left -= 1
                if not self.left:
                    raise KeyboardInterrupt
                return {"units": 10, "seconds": 2, "all": 10}

        class Proxy:
            port = 1
            clock = itertools.count()

            def __init__(self, name):
                self.name = name

            def cpu_seconds(self):
                return next(self.clock)

            def pids(self):
                return [1]

        samples = {}
        connect = workloads.SMALL[3]
        with self.assertRaises(KeyboardInterrupt):
            workloads.run_rounds(Load(), [Proxy("a"), Proxy("b")], connect, 100, 1, samples)
        # Two to warm up, three whole rounds of two; the ninth was half a round.
        self.assertEqual(samples, {name: both([5] * 3, [0.1] * 3) for name in "ab"})

    def test_cpu_is_of_all_bytes_and_the_rate_of_those_in_time(self):
        class Load:
            def run(self, _):
                return {"units": 3, "seconds": 1, "all": 4, "p99_us": 7, "beside": [
                    {"units": 1e9, "all": 2e9}, {"units": 3e9, "all": 6e9}]}

        class Proxy:
            port = 1
            cpu_seconds = itertools.count().__next__

            def pids(self):
                return [1]

        self.assertEqual(workloads.measure(Load(), Proxy(), workloads.MIX[0], 1),
                         {"rate": 4, "cpu": 1 / 8, "p99_us": 7})


class CountsTest(unittest.TestCase):
    def test_strace(self):
        self.assertEqual(counts.parse_calls("""
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.18    0.001417           1      1002           recvfrom
 38.82    0.000899           1       999        12 epoll_pwait2
------ ----------- ----------- --------- --------- ----------------
100.00    0.002316           1      2001        12 total
"""), {"recvfrom": 1002, "epoll_pwait2": 999})

    def test_least(self):
        self.assertEqual(counts.least([{"a": 2, "b": 2}, {"a": 3}]), {"a": 3})

    def test_callgrind(self):
        self.assertEqual(counts.parse_instructions("x\nsummary: 12\ntotals: 34\n"), 34)
        self.assertEqual(counts.parse_instructions(""), 0)


class ShardingTest(unittest.TestCase):
    def test_unevenness(self):
        self.assertEqual(sharding.unevenness([3, 3, 3]), 1)
        self.assertEqual(sharding.unevenness([8, 0]), 2)
        self.assertEqual(sharding.unevenness([0, 0]), 1)

    def test_base_has_as_many_reactors(self):
        samples = {"weir-2-least": rounds("rate", 4), "weir-4-least": rounds("rate", 8),
                   "weir-4-local": rounds("rate", 2)}
        self.assertEqual(sharding.rate_ratio(samples, "weir-4-local"), 0.25)
        self.assertEqual(sharding.rate_ratio(samples, "weir-2-least"), 1)


class SvgTest(unittest.TestCase):
    def test_ticks_are_round_and_reach_the_end(self):
        self.assertEqual(svg.ticks(4), [0, 1, 2, 3, 4])
        self.assertEqual(svg.ticks(0.9), [0, 0.25, 0.5, 0.75, 1])
        self.assertEqual(svg.ticks(0), [0, 1])
        for most in (0.0003, 1, 7.3, 99, 12345):
            self.assertGreaterEqual(svg.ticks(most)[-1], most)
            self.assertLessEqual(len(svg.ticks(most)), 6)

    def test_numbers(self):
        self.assertEqual([svg.number(n) for n in (0, 0.2, 1.234, 57.06, 12345.6)],
                         ["0", "0.2", "1.23", "57.1", "12,346"])

    def test_chart(self):
        text = svg.chart("a < b", ["weir", "other"], [
            ("one", [(1, 2, 3), (2, 4, 4)]), ("two", [None, (0, 0, 0)])])
        root = ET.fromstring(text)
        name = "{http://www.w3.org/2000/svg}"
        bars = root.findall(name + "rect")
        self.assertEqual([bar.get("class") for bar in bars], ["bar ours", "bar", "bar"])
        self.assertAlmostEqual(float(bars[1].get("width")), 2 * float(bars[0].get("width")))
        right = max(float(bar.get("x")) + float(bar.get("width")) for bar in bars)
        self.assertLess(right, float(root.get("width")))
        words = [text.text for text in root.findall(name + "text")]
        for word in ("a < b", "weir", "other", "one", "two", "2", "4"):
            self.assertIn(word, words)


def whole_report(n):
    return {
        "machine": {"kernel": "Linux 6", "congestion control": "bbr"}, "rounds": n, "ms": 5,
        "against": ["nginx"], "skipped": ["socat: needs Debian's package socat"],
        "proxies": {"weir": {"about": "one reactor", "version": "weir 1"}},
        "units": {"up-1": "GB", "connect": "connection", "down-1": "GB"},
        "workloads": {
            "up-1": {"weir": both([2.5] * n, [0.4] * n), "nginx": both([1.0] * n, [0.9] * n)},
            "connect": {"weir": [{"rate": 2000, "cpu": 50e-6, "p50_us": 70, "p99_us": 90}] * n},
            "down-1": {"weir": [], "nginx": []}},
        "idle_bytes": {"weir": 500.2},
        "calls": {"weir": {"connection": {"sum": 14.0, "accept4": 1.0, "close": 2.0}}},
        "instructions": {"weir": {"round trip": 3360.4, "connection": 9000}},
        "sharding": {"weir-2-least": [{"rate": 900, "cpu": 1e-4, "p50_us": 1, "p99_us": 2,
                                       "burst": 1.5, "churn": 1, "busy": 1.25}]}}


class ReportTest(unittest.TestCase):
    def test_text(self):
        text = report.text(whole_report(7))
        for words in ("- kernel: Linux 6", "- weir: one reactor, weir 1",
                      "- rounds: 7 of 5 ms", "- not measured: socat: needs Debian's package socat",
                      "2.50 GB/s", "0.400 s/GB", "2.50 / 0.44", "2,000 /s", "50.00 us",
                      "close 2.00, accept4 1.00", "3,360", "| 2-least"):
            self.assertIn(words, text)
        self.assertNotIn("for a look", text)
        self.assertNotIn("Incomplete", text)
        self.assertNotIn("down-1", text)  # nothing was measured

    def test_few_rounds_and_a_run_cut_short_say_so(self):
        result = whole_report(3)
        result["incomplete"] = "stopped by signal 15"
        text = report.text(result)
        self.assertIn("for a look, not for a claim", text)
        self.assertIn("**Incomplete**: stopped by signal 15", text)

    def test_a_table_is_rectangular(self):
        for heading, words, _ in report.sections(whole_report(7)):
            with self.subTest(heading=heading):
                lines = words.splitlines()
                self.assertEqual({line.count("|") for line in lines},
                                 {lines[0].count("|")})

    def test_each_plot_is_good_xml(self):
        found = [plot for _, _, plot in report.sections(whole_report(2)) if plot]
        self.assertEqual(len(found), 5)
        for plot in found:
            ET.fromstring(plot)

    def test_a_plot_without_cpu(self):
        ET.fromstring(plots.workload("up-1", {"direct": rounds("rate", 1, 2)}, "GB"))


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ProgressTest(unittest.TestCase):
    def test_lines_without_a_terminal(self):
        out = io.StringIO()
        shown = progress.Progress({"a": 1, "b": 1}, out, lambda: 0)
        shown.start("a")
        shown.at(1, 2)
        shown.say("hint")
        shown.start("b")
        shown.close()
        self.assertEqual(out.getvalue(), "a ...\nhint\nb ...\n")

    def test_one_line_on_a_terminal(self):
        out, now = Terminal(), [0.0]
        shown = progress.Progress({"a": 10, "b": 30}, out, lambda: now[0])
        shown.start("a")
        shown.at(1, 2)
        now[0] = 20.0  # twice as long as thought
        shown.start("b")
        shown.at(2, 3)
        self.assertIn("\ra: round 1 of 2\033[K", out.getvalue())
        self.assertTrue(out.getvalue().endswith("\rb: round 2 of 3, 20 s left\033[K"))
        self.assertNotIn("\n", out.getvalue())

    def test_duration(self):
        self.assertEqual(progress.duration(59.6), "1 min 00 s")
        self.assertEqual(progress.duration(7), "7 s")


if __name__ == "__main__":
    unittest.main()
