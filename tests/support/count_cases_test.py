"""The counts that deploy/test prints are true."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(__file__)

GTEST = """<testsuites><testsuite name="S">
<testcase name="Good" status="run" result="completed" classname="S"/>
<testcase name="Bad" status="run" result="completed" classname="S">
  <failure message="x"/></testcase>
<testcase name="Off" status="notrun" result="suppressed" classname="S"/>
<testcase name="Skip" status="run" result="skipped" classname="S">
  <skipped message="x"/></testcase>
</testsuite></testsuites>"""

GOOD = '<testsuites><testsuite><testcase name="A"/></testsuite></testsuites>'

MODULE = """
import unittest
class T(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.fail()
    def test_error(self): raise ValueError
    def test_sub(self):
        for i in range(3):
            with self.subTest(i=i): self.assertEqual(i, 0)
    @unittest.skip("no")
    def test_skip(self): pass
class Broken(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise ValueError
    def test_never(self): pass
"""


class CountCasesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        return path

    def run_it(self, path, status=0):
        return subprocess.run(
            [sys.executable, os.path.join(HERE, "count_cases.py"), path,
             str(status)], capture_output=True, text=True, check=True)

    def count(self, path, status=0):
        return self.run_it(path, status).stdout.strip()

    def skipped(self, path):
        return [line for line in self.run_it(path).stderr.splitlines()
                if line.startswith("SKIPPED: ")]

    def result(self, status, xml):
        files = []
        if xml is not None:
            files = [{"name": "test.xml",
                      "uri": "file://" + self.file("test.xml", xml)}]
        return {"id": {"testResult": {"label": "//a:t"}},
                "testResult": {"status": status, "testActionOutput": files}}

    def bazel(self, *events, status=0):
        return self.count(self.file("build.json", "\n".join(
            json.dumps(event) for event in events)), status)

    def test_skipped_and_disabled_are_neither(self):
        self.assertEqual(self.count(self.file("a.xml", GTEST), 1), "1 1")

    def test_skipped_and_disabled_are_named(self):
        names = ["S.Off (disabled)", "S.Skip (x)"]
        self.assertEqual(self.skipped(self.file("a.xml", GTEST)),
                         ["SKIPPED: " + name for name in names])
        build = self.file("build.json", json.dumps(self.result("FAILED", GTEST)))
        self.assertEqual(self.skipped(build),
                         ["SKIPPED: //a:t " + name for name in names])

    def test_exit_status_without_a_failed_case(self):
        self.assertEqual(self.count(self.file("a.xml", GOOD)), "1 0")
        self.assertEqual(self.count(self.file("a.xml", GOOD), 1), "1 1")

    def test_missing_or_broken_files(self):
        self.assertEqual(self.count("/nowhere/a.xml"), "0 1")
        self.assertEqual(self.count("/nowhere/a.json"), "0 1")
        self.assertEqual(self.count(self.file("a.xml", "<testsuites>")), "0 1")

    def test_bazel_counts_cases(self):
        self.assertEqual(self.bazel(self.result("PASSED", GOOD)), "1 0")
        self.assertEqual(self.bazel(self.result("FAILED", GTEST), status=3),
                         "1 1")

    def test_bazel_death_of_a_test(self):
        # All cases passed, then a sanitizer complained at the exit.
        self.assertEqual(self.bazel(self.result("FAILED", GOOD), status=3),
                         "1 1")
        self.assertEqual(self.bazel(self.result("TIMEOUT", None), status=3),
                         "0 1")

    def test_bazel_test_without_cases(self):
        self.assertEqual(self.bazel(self.result("PASSED", "<testsuites/>")),
                         "0 1")

    def test_bazel_test_whose_cases_are_all_skipped(self):
        skipped = GOOD.replace("/></testsuite>",
                               "><skipped/></testcase></testsuite>")
        self.assertEqual(self.bazel(self.result("PASSED", skipped)), "0 0")

    def test_bazel_target_that_does_not_build(self):
        self.assertEqual(self.bazel(
            {"id": {"targetCompleted": {"label": "//a:b"}}, "completed": {}},
            {"id": {"targetCompleted": {"label": "//a:c"}}, "aborted": {}},
            {"id": {"targetCompleted": {"label": "//a:d"}},
             "completed": {"success": True}}, status=1), "0 2")

    def test_bazel_failed_otherwise(self):
        self.assertEqual(self.bazel({"id": {"started": {}}}, status=37), "0 1")

    def test_unittest_modules_write_their_cases(self):
        module = self.file("sample.py", MODULE)
        output = os.path.join(self.folder, "out.xml")
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, "run_unittest.py"), module],
            env=dict(os.environ, XML_OUTPUT_FILE=output), check=False,
            capture_output=True)
        self.assertEqual(done.returncode, 1)
        # test_good; test_bad, test_error, test_sub, setUpClass.
        self.assertEqual(self.count(output, done.returncode), "1 4")
        self.assertEqual(self.skipped(output),
                         ["SKIPPED: sample.T.test_skip (no)"])


if __name__ == "__main__":
    unittest.main()
