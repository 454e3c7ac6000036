"""What the benchmark draws: charts, and where it is."""

import io
import unittest
import xml.etree.ElementTree as ET

import progress
import svg


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

    def test_a_terminal_that_was_closed_hinders_nothing(self):
        class Closed(Terminal):
            def write(self, _):
                raise OSError

        shown = progress.Progress({"a": 1}, Closed())
        shown.start("a")
        shown.at(1, 2)
        shown.close()

    def test_duration(self):
        self.assertEqual(progress.duration(59.6), "1 min 00 s")
        self.assertEqual(progress.duration(7), "7 s")


if __name__ == "__main__":
    unittest.main()
