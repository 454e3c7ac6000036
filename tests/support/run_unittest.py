#!/usr/bin/env python3
"""Runs a unittest module and writes what Bazel and deploy/test count.

Use: run_unittest.py PATH/OF/MODULE.py [unittest arguments]

The module's own folder is on the import path. Each test method is one case in
$XML_OUTPUT_FILE (JUnit's format); a failed subTest fails its method.
"""

import os
import sys
import time
import unittest
import xml.etree.ElementTree as ET


class JUnitResult(unittest.TextTestResult):
    """Remembers the outcome of each test for write()."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cases = {}
        self.started = {}

    def _case(self, test):
        # Subtests count for their method. An error outside of a method
        # (setUpClass) comes without startTest and is a case of its own.
        test = getattr(test, "test_case", test)
        name = test.id()
        if name not in self.cases:
            self.cases[name] = ET.Element("testcase", name=name)
        return self.cases[name]

    def _problem(self, test, kind, text):
        ET.SubElement(self._case(test), kind, message=kind).text = text

    def startTest(self, test):
        super().startTest(test)
        self._case(test)
        self.started[test.id()] = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        seconds = time.monotonic() - self.started[test.id()]
        self._case(test).set("time", f"{seconds:.3f}")

    def addError(self, test, err):
        super().addError(test, err)
        self._problem(test, "error", self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._problem(test, "failure", self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            text = f"{subtest}\n{self._exc_info_to_string(err, test)}"
            self._problem(test, "failure", text)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._problem(test, "failure", "unexpected success")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._problem(test, "skipped", reason)

    def write(self, path, name):
        suite = ET.Element("testsuite", name=name, tests=str(len(self.cases)))
        suite.extend(self.cases.values())
        root = ET.Element("testsuites")
        root.append(suite)
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def main():
    path = sys.argv[1]
    folder, file = os.path.split(path)
    sys.path.insert(0, os.path.abspath(folder))
    program = unittest.main(
        module=os.path.splitext(file)[0],
        argv=[path, *sys.argv[2:]],
        testRunner=unittest.TextTestRunner(resultclass=JUnitResult, verbosity=2),
        exit=False,
    )
    output = os.environ.get("XML_OUTPUT_FILE")
    if output:
        program.result.write(output, path)
    # A module without tests is a mistake, not a success.
    sys.exit(not program.result.wasSuccessful() or not program.result.testsRun)


if __name__ == "__main__":
    main()
