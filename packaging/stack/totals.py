#!/usr/bin/python3
"""Adds up test results: totals.py FOLDER...

Each suite NAME has left NAME.exit (its exit status) in a folder and, if it is more than one step,
what it says about its tests: NAME.tap (the output of `make check`), NAME.json (Vitest) or
NAME.xml (JUnit, from pytest). The last line is "N passed, N failed" and ", N skipped" if any were.
Fails if a test failed or none ran.
"""

import json
import re
import sys
import xml.etree.ElementTree
from pathlib import Path


def count_automake(text):
    """Passed, failed, skipped, out of Automake's summary."""
    found = {name: int(n) for name, n in re.findall(r"^# (\w+): +(\d+)$", text, re.MULTILINE)}
    return (found.get("PASS", 0) + found.get("XFAIL", 0),
            found.get("FAIL", 0) + found.get("XPASS", 0) + found.get("ERROR", 0),
            found.get("SKIP", 0))


def count_vitest(text):
    found = json.loads(text)
    return (found["numPassedTests"], found["numFailedTests"],
            found["numPendingTests"] + found.get("numTodoTests", 0))


def count_junit(text):
    passed = failed = skipped = 0
    for suite in xml.etree.ElementTree.fromstring(text).iter("testsuite"):
        n = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
        failed += n["failures"] + n["errors"]
        skipped += n["skipped"]
        passed += n["tests"] - n["failures"] - n["errors"] - n["skipped"]
    return max(passed, 0), failed, skipped


READERS = {".tap": count_automake, ".json": count_vitest, ".xml": count_junit}


def count_suite(exit_file):
    """A suite that failed without a failed test (it did not build, it crashed) is a failure."""
    succeeded = exit_file.read_text().strip() == "0"
    counts = None
    for suffix, reader in READERS.items():
        result = exit_file.with_suffix(suffix)
        if result.exists() and result.stat().st_size:
            counts = reader(result.read_text(errors="replace"))
    if counts is None:
        return (1, 0, 0) if succeeded else (0, 1, 0)
    passed, failed, skipped = counts
    return passed, failed if succeeded or failed else 1, skipped


def main(folders):
    total = [0, 0, 0]
    for exit_file in sorted(file for folder in folders for file in Path(folder).glob("*.exit")):
        counts = count_suite(exit_file)
        print(f"  {exit_file.stem:24} {counts[0]:5} passed {counts[1]:4} failed {counts[2]:4} skipped")
        total = [a + b for a, b in zip(total, counts)]
    passed, failed, skipped = total
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
