"""deploy/prometheus, as promtool sees it."""

import os
import re
import subprocess
import unittest

import deployed
import families
import programs
import weir

UNIT_TESTS = "tests/deploy/weir_rules_test.yml"


class RulesTest(unittest.TestCase):
    def promtool(self, *args):
        tool, = programs.need("promtool")
        done = subprocess.run([tool, *args], text=True, capture_output=True,
                              timeout=weir.LONG, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_config(self):
        # (It checks the rules too, as the file names them.)
        said = self.promtool("check", "config", deployed.CONFIG)
        self.assertIn("%d rules found" % len(deployed.alerts()), said)

    def test_alerts_fire_and_do_not(self):
        self.promtool("test", "rules", UNIT_TESTS)

    def test_each_alert_has_both_cases(self):
        groups = deployed.read(UNIT_TESTS).split("\n  - name: ")[1:]
        for name, text in deployed.alerts():
            severity = re.search(r"severity: (\w+)", text)[1]
            fires = re.compile(r'labels: \'ALERTS{alertname="%s",alertstate="firing"'
                               r'[^}]*severity="%s"' % (name, severity))
            with self.subTest(name=name, severity=severity):
                own = [group for group in groups if fires.search(group)]
                self.assertNotEqual(own, [], "fires in no test")
                # A test that says when, and when not or for whom not.
                self.assertTrue(any("exp_samples: []" in group or re.search(r"\bnot\b", group)
                                    for group in own), "no test in which it does not")

    def test_series(self):
        for name, text in deployed.alerts():
            with self.subTest(name=name):
                self.assertEqual(families.complaints(text.split("labels:")[0]), [])

    def test_annotations(self):
        sections = {"#" + line[3:].strip().lower()
                    for line in deployed.read(os.path.join(
                        deployed.PROMETHEUS, "README.md")).splitlines()
                    if line.startswith("## ")}
        used = set()
        for name, text in deployed.alerts():
            with self.subTest(name=name):
                self.assertRegex(name, "^Weir[A-Z]")
                self.assertRegex(text, r"\n          severity: (page|ticket|info)\n")
                if "annotations: *" in text:
                    continue  # those of the alert above it
                self.assertRegex(text, r'\n          summary: "weir on {{ \$labels.instance }}|'
                                       r'\n          summary: "Prometheus ')
                self.assertRegex(text, r"\n          description: ")
                runbook = re.search(r'\n          runbook: "deploy/prometheus/README.md(#\w+)"',
                                    text)[1]
                self.assertEqual(runbook, "#" + name.lower())
                used.add(runbook)
        self.assertEqual(used, sections)

    def test_panels_that_texts_name(self):
        titles = {panel["title"] for panel in deployed.panels()}
        for path in (deployed.RULES, os.path.join(deployed.PROMETHEUS, "README.md")):
            # Not what YAML quotes.
            text = re.sub(r'(summary|runbook): ".*"|\[".*"\]', "", deployed.read(path))
            named = {" ".join(words.split()) for words in re.findall(r'"([A-Z][^"]+)"', text)}
            self.assertNotEqual(named, set())
            self.assertEqual(named - titles, set(), path)


if __name__ == "__main__":
    unittest.main()
