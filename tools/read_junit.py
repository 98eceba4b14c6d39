"""Judges a JUnit report: `read_junit.py REPORT`. No test may be skipped, and each conformance case must be there once and pass.

`read_junit.py --failures REPORT …` only shows what the tests that failed have said, and at the end their names.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

CASES = {
    "SB": (1, 2, 3, 4, 5, 6, 12, 13, 15, 17),
    "PM": (1, 2, 3, 4, 5, 7, 12, 16, 25),
    "OR": (1, 3, 6, 8, 9, 11, 12, 13, 21, 24, 25, 26, 27, 28),
    "DC": (1, 2, 3, 4, 5, 6, 13),
    "AC": (1, 2, 3, 4, 6),
    "DR": (1, 2, 3, 4, 5, 12),
    "TC": (1, 2, 3, 8, 9, 10, 11, 17),
    "CN": (1, 2, 3, 4, 5),
    "IX": (1, 2, 3, 4),
    "FK": (1, 2, 3, 4),
    "RN": (1, 2),
    "NS": (1, 4, 5, 7),
    "IN": (1, 2, 3, 4, 5),
    "CC": (1, 2, 3, 4, 5, 11),
    "FA": (1, 6, 10),
    "ID": (1, 2),
    "DP": (1, 2, 3, 4, 5),
    "DY": (1, 4, 5, 6, 7),
    "BD": (1, 2),
    "RT": tuple(range(1, 23)),
}
"""The cases that hold so far, by section; a part that lands adds its own."""

NAME = re.compile(r"test_([A-Z]{2})_([0-9]{2})_")


def read(report: Path) -> tuple[Counter[str], set[str], set[str]]:
    """Return how often each case was run, which cases did not pass, and which tests of all were skipped."""
    runs: Counter[str] = Counter()
    bad, skipped = set(), set()
    for test in ET.parse(report).iter("testcase"):
        name = test.get("name", "")
        outcomes = {child.tag for child in test} & {"failure", "error", "skipped"}
        if "skipped" in outcomes:
            skipped.add(name)
        match = NAME.match(name)
        if match is not None:
            case = "-".join(match.groups())
            runs[case] += 1
            if outcomes:
                bad.add(case)
    return runs, bad, skipped


def show_failures(reports: list[Path]) -> None:
    """Print all that failed: first what was said, then a line for each; a report that was never written holds nothing."""
    names = []
    for report in (report for report in reports if report.exists()):
        for test in ET.parse(report).iter("testcase"):
            for found in (child for child in test if child.tag in ("failure", "error")):
                names.append(f"{test.get('classname')}::{test.get('name')} ({found.tag}, {report.stem})")
                print(f"----- {names[-1]}\n{found.text or found.get('message')}\n")
    for name in names:
        print(f"failed: {name}")


def main(report: Path) -> int:
    """Say what is missing, doubled, unknown or failed, and how many cases hold."""
    expected = {f"{section}-{number:02}" for section, numbers in CASES.items() for number in numbers}
    runs, bad, skipped = read(report)
    wrong = {
        "missing": expected - runs.keys(),
        "unknown": runs.keys() - expected,
        "more than once": {case for case, count in runs.items() if count > 1},
        "not passed": bad,
        "skipped tests": skipped,
    }
    for what, cases in wrong.items():
        if cases:
            print(f"{what}: {', '.join(sorted(cases))}")
    print(f"conformance: {len(expected & runs.keys() - bad)} of {len(expected)}")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    if sys.argv[1] == "--failures":
        show_failures([Path(name) for name in sys.argv[2:]])
    else:
        sys.exit(main(Path(sys.argv[1])))
