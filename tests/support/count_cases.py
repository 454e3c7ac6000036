#!/usr/bin/env python3
"""Counts test cases: count_cases.py FILE STATUS

FILE is a JUnit XML file, or what `bazel test --build_event_json_file` wrote;
STATUS is the exit status of what wrote it. Prints `PASSED FAILED`, and on stderr
the names of what failed and of what did not run: skipped and disabled cases are
neither passed nor failed.

What fails without a failed case counts as one: a target that does not build, a
test that dies without XML or whose sanitizer complains at its exit, a FILE
that is missing.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree as ET


class Cases:
    """Names, by what became of them."""

    def __init__(self, failed=()):
        self.passed, self.failed, self.skipped = [], list(failed), []

    def add(self, other, prefix=""):
        self.passed += other.passed
        self.failed += [prefix + name for name in other.failed]
        self.skipped += [prefix + name for name in other.skipped]


def why(case):
    """In brackets, why a case did not run, where the file says so."""
    skipped = case.find("skipped")
    if skipped is None:
        return " (disabled)"
    # unittest's reason is the text; GoogleTest's has the place before it.
    reason = " ".join((skipped.text or skipped.get("message") or "").split())
    return f" ({reason})" if reason else ""


def cases(path):
    """The cases of a JUnit file."""
    found = Cases()
    for case in ET.parse(path).iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        if case.find("failure") is not None or case.find("error") is not None:
            found.failed.append(name)
        elif (case.find("skipped") is None and case.get("status") != "notrun"
              and case.get("result") not in ("skipped", "suppressed")):
            found.passed.append(name)
        else:
            found.skipped.append(name + why(case))
    return found


def has_cases(path):
    return ET.parse(path).find(".//testcase") is not None


def read_xml(path):
    try:
        return cases(path)
    except (OSError, ET.ParseError) as error:
        return Cases([f"{path}: {error}"])


def read_bazel(path):
    found = Cases()
    try:
        with open(path, encoding="utf-8") as stream:
            events = [json.loads(line) for line in stream]
    except (OSError, ValueError) as error:
        return Cases([f"{path}: {error}"])
    for event in events:
        kind, key = next(iter(event["id"].items()))
        if kind == "targetCompleted":
            if not event.get("completed", {}).get("success"):
                found.failed.append(f"{key['label']} (does not build)")
        elif kind == "testResult":
            result = event["testResult"]
            files = {file["name"]: urllib.parse.unquote(
                urllib.parse.urlparse(file["uri"]).path)
                     for file in result.get("testActionOutput", [])}
            test = read_xml(files.get("test.xml", "no test.xml"))
            if not test.failed and result["status"] != "PASSED":
                test.failed = [f"exit of the test, {result['status']}"]
            elif not test.failed and not has_cases(files["test.xml"]):
                test.failed = ["has no cases"]
            found.add(test, key["label"] + " ")
    return found


def main():
    path, status = sys.argv[1], int(sys.argv[2])
    found = (read_xml if path.endswith(".xml") else read_bazel)(path)
    if status and not found.failed:
        found.failed = [f"exit status {status}"]
    for name in found.skipped:
        print(f"SKIPPED: {name}", file=sys.stderr)
    for name in found.failed:
        print(f"FAILED: {name}", file=sys.stderr)
    print(len(found.passed), len(found.failed))


if __name__ == "__main__":
    main()
