"""What tests/bench/files makes of its figures: samples, tables, plots, the README."""

import os
import tempfile
import unittest
import xml.etree.ElementTree as ET

import files_report
import files_ways


def answer(**changes):
    """Of a loop that was late by up to 1 ms for a tenth of 2 s."""
    return {"seconds": 2, "round_trips": 1000, "logged": 1000, "written": 700, "dropped": 250,
            "cpu_seconds": 0.5, "lag_bounds_ns": [100_000, 1_000_000],
            "lag_ns": [1_800_000_000, 200_000_000, 0], "lag_integral": 0.004,
            "p50_us": 1, "p99_us": 2, "p999_us": 3, "max_us": 4,
            "total": {"logged": 1100, "written": 850, "dropped": 250}, **changes}


def rounds(**metrics):
    sample = dict(files_ways.sample(answer()), **metrics)
    return [dict(sample), dict(sample)]


def report():
    disks = {"fast": {"none": rounds(rate=1000.0), "blocking": rounds(rate=500.0),
                      "io_uring": []},
             "slow": {"none": rounds(), "blocking": rounds(lag_p99=0.0203, dropped=0.25)}}
    return {"machine": {"cores": "2", "processor": "P", "kernel": "Linux 6", "date": "today",
                        "file system": "ext4"},
            "rounds": 2, "ms": 1, "clients": 3, "delay_ms": 20, "hang_s": 1,
            "skipped": ["io_uring: forbidden"], "disks": disks}


class SampleTest(unittest.TestCase):
    def test_figures_are_of_the_unit(self):
        found = files_ways.sample(answer())
        self.assertEqual(found["rate"], 500)
        self.assertEqual(found["lines"], 350)
        self.assertEqual(found["dropped"], 0.25)
        self.assertEqual(found["cpu"], 50)  # of 100,000 lines
        self.assertEqual(found["lag_mean"], 0.002)
        self.assertEqual((found["p99_us"], found["max_us"]), (2, 4))

    def test_quantiles_are_those_of_prometheus(self):
        found = files_ways.sample(answer())
        self.assertAlmostEqual(found["lag_p50"], 100e-6 * 1 / 1.8)
        self.assertAlmostEqual(found["lag_p99"], 100e-6 + 900e-6 * 0.18 / 0.2)
        self.assertEqual(found["lag_max"], 1e-3)

    def test_beyond_the_last_bound_it_is_that_bound(self):
        found = files_ways.sample(answer(lag_ns=[1, 0, 99]))
        self.assertEqual(found["lag_p99"], 1e-3)

    def test_a_line_that_is_lost_is_an_error(self):
        with self.assertRaisesRegex(SystemExit, "lost lines"):
            files_ways.sample(answer(total={"logged": 3, "written": 1, "dropped": 1}))

    def test_each_way_says_what_it_is(self):
        self.assertIn(files_ways.BASE, files_ways.WAYS)
        labels = [way.label for way in files_ways.WAYS.values()]
        self.assertEqual(len(set(labels)), len(labels))


class ReportTest(unittest.TestCase):
    def test_short_table(self):
        lines = files_report.short(report()).splitlines()
        self.assertEqual(len(lines), 4)  # what was never measured has no row
        cells = [cell.strip() for cell in lines[3].split("|")[1:-1]]
        self.assertEqual(cells[0], "write(), batches")
        self.assertEqual(cells[2], "0.50")  # round trips, to no log
        self.assertEqual(cells[4], "20.3 ms")
        self.assertEqual(cells[6], "25 %")

    def test_text_tells_all(self):
        text = files_report.text(report(), ["a.svg"])
        for words in ("## fast", "takes 20 ms longer", "io_uring: forbidden", "![a](a.svg)",
                      "3 clients", "medians of 2 rounds"):
            self.assertIn(words, text)
        self.assertNotIn("Incomplete", text)

    def test_text_of_nothing(self):
        text = files_report.text({**report(), "disks": {}, "incomplete": "stopped"})
        self.assertIn("**Incomplete**: stopped", text)

    def test_plots_have_a_bar_for_each_way_and_disk(self):
        found = files_report.plots(report())
        self.assertEqual(len(found), 2)
        for picture in found.values():
            root = ET.fromstring(picture)
            bars = root.findall("{http://www.w3.org/2000/svg}rect")
            self.assertEqual(len(bars), 4)

    def test_readme_keeps_all_else(self):
        with tempfile.TemporaryDirectory() as folder:
            readme = os.path.join(folder, "README.md")
            with open(readme, "w") as f:
                f.write("above\n%s\nold\n%s\nbelow\n" % (files_report.BEGIN, files_report.END))
            for _ in range(2):
                files_report.write_readme(report(), readme, "plots")
            with open(readme) as f:
                page = f.read()
            self.assertTrue(page.startswith("above\n" + files_report.BEGIN))
            self.assertTrue(page.endswith(files_report.END + "\nbelow\n"))
            self.assertNotIn("old", page)
            self.assertEqual(page.count(files_report.short(report())), 1)
            for plot in os.listdir(os.path.join(folder, "plots")):
                self.assertIn("(plots/%s)" % plot, page)

    def test_a_readme_without_a_place_is_an_error(self):
        with self.assertRaises(SystemExit):
            files_report.replaced("a page\n", "block\n")


if __name__ == "__main__":
    unittest.main()
