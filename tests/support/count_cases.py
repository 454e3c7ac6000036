#!/usr/bin/env python3
"""Counts test cases: count_cases.py FILE STATUS

FILE is a JUnit XML file, or what `bazel test --build_event_json_file` wrote;
STATUS is the exit status of what wrote it. Prints `PASSED FAILED`, and the
names of what failed on stderr. Skipped and disabled cases are neither.

What fails without a failed case counts as one: a target that does not build, a
test that dies without XML or whose sanitizer complains at its exit, a FILE
that is missing.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree as ET


def cases(path):
    """Names of the passed and the failed cases of a JUnit file."""
    passed, failed = [], []
    for case in ET.parse(path).iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif (case.find("skipped") is None and case.get("status") != "notrun"
              and case.get("result") not in ("skipped", "suppressed")):
            passed.append(name)
    return passed, failed


def has_cases(path):
    return ET.parse(path).find(".//testcase") is not None


def read_xml(path):
    try:
        return cases(path)
    except (OSError, ET.ParseError) as error:
        return [], [f"{path}: {error}"]


def read_bazel(path):
    passed, failed = [], []
    try:
        with open(path, encoding="utf-8") as stream:
            events = [json.loads(line) for line in stream]
    except (OSError, ValueError) as error:
        return [], [f"{path}: {error}"]
    for event in events:
        kind, key = next(iter(event["id"].items()))
        if kind == "targetCompleted":
            if not event.get("completed", {}).get("success"):
                failed.append(f"{key['label']} (does not build)")
        elif kind == "testResult":
            result = event["testResult"]
            files = {file["name"]: urllib.parse.unquote(
                urllib.parse.urlparse(file["uri"]).path)
                     for file in result.get("testActionOutput", [])}
            good, bad = read_xml(files.get("test.xml", "no test.xml"))
            if not bad and result["status"] != "PASSED":
                bad = [f"exit of the test, {result['status']}"]
            elif not bad and not has_cases(files["test.xml"]):
                bad = ["has no cases"]
            passed += good
            failed += [f"{key['label']} {name}" for name in bad]
    return passed, failed


def main():
    path, status = sys.argv[1], int(sys.argv[2])
    passed, failed = (read_xml if path.endswith(".xml") else read_bazel)(path)
    if status and not failed:
        failed = [f"exit status {status}"]
    for name in failed:
        print(f"FAILED: {name}", file=sys.stderr)
    print(len(passed), len(failed))


if __name__ == "__main__":
    main()
