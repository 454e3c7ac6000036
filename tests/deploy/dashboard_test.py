"""deploy/grafana/weir.json is whole, and asks for what there is."""

import json
import os
import re
import subprocess
import tempfile
import unittest

import deployed
import families
import programs
import weir


class DashboardTest(unittest.TestCase):
    def test_panels_explain_themselves(self):
        for panel in deployed.panels():
            with self.subTest(title=panel.get("title")):
                self.assertTrue(panel["title"])
                self.assertTrue(panel["description"].endswith("."))
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                self.assertTrue(panel["targets"])
                references = [target["refId"] for target in panel["targets"]]
                self.assertEqual(len(set(references)), len(references))
                for target in panel["targets"]:
                    self.assertTrue(target["legendFormat"])

    def test_titles_and_ids_are_unique(self):
        panels = deployed.dashboard()["panels"]
        for key in ("id", "title"):
            values = [panel[key] for panel in panels]
            self.assertEqual(len(set(values)), len(values), key)

    def test_nothing_of_one_installation(self):
        board = deployed.dashboard()
        self.assertIsNone(board["id"])
        self.assertGreaterEqual(board["schemaVersion"], 38)
        variables = {v["name"]: v for v in board["templating"]["list"]}
        self.assertEqual(variables["datasource"]["type"], "datasource")
        for name in ("instance", "forward"):
            self.assertEqual(families.complaints(variables[name]["definition"]), [])
        uids = set(re.findall(r'"uid": "([^"]*)"', deployed.read(deployed.DASHBOARD)))
        self.assertEqual(uids, {"weir", "${datasource}", "-- Grafana --"})

    def test_panels_do_not_overlap(self):
        taken = {}
        for panel in deployed.dashboard()["panels"]:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    other = taken.setdefault((x, y), panel["title"])
                    self.assertEqual(other, panel["title"])

    def test_series(self):
        for title, target in deployed.queries():
            with self.subTest(title=title, query=target["refId"]):
                self.assertEqual(families.complaints(target["expr"]), [])
                self.assertIn('instance=~"$instance"', target["expr"])

    def test_every_family_is_shown(self):
        text = " ".join(target["expr"] for _, target in deployed.queries())
        shown = {name for name in families.FAMILIES if re.search(r"\b%s(_bucket|_sum)?\b" % name,
                                                                 text)}
        # Time that is not busy is time in poll.
        self.assertEqual(set(families.FAMILIES) - shown, {"weir_reactor_poll_seconds_total"})

    def test_complaints_are_found(self):
        for query, words in {
            "rate(weir_reactor_lags_total[1m])": "no such family",
            "weir_reactor_busy_seconds_total": "no rate of",
            "rate(weir_ready[1m])": "rate of a gauge",
            "rate(weir_reactor_lag_seconds[1m])": "is a histogram",
            'weir_ready{forward="a"}': "no label",
            'rate(weir_connections_closed_total{reason=~"client_fin|gone"}[1m])': "no reason gone",
            "vector(1)": "no series",
        }.items():
            self.assertIn(words, " ".join(families.complaints(query)), query)

    def test_syntax(self):
        """Each query as a rule, which promtool parses."""
        promtool, = programs.need("promtool")
        rules = [{"record": "query:%d" % i, "expr": deployed.substituted(target["expr"], "5m")}
                 for i, (_, target) in enumerate(deployed.queries())]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "queries.yml")
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"groups": [{"name": "queries", "rules": rules}]}, f)
            done = subprocess.run([promtool, "check", "rules", path], text=True,
                                  capture_output=True, timeout=weir.LONG, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
