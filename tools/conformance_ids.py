"""Counts the conformance cases in a JUnit report: `conformance_ids.py REPORT`. Each must be there once, and have passed."""

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
}
"""The cases that hold so far, by section; a part that lands adds its own."""

NAME = re.compile(r"test_([A-Z]{2})_([0-9]{2})_")


def seen(report: Path) -> tuple[Counter[str], list[str]]:
    """Return how often each case was run, and which of them did not pass."""
    runs: Counter[str] = Counter()
    bad = []
    for test in ET.parse(report).iter("testcase"):
        match = NAME.match(test.get("name", ""))
        if match is not None:
            case = "-".join(match.groups())
            runs[case] += 1
            if any(child.tag in ("failure", "error", "skipped") for child in test):
                bad.append(case)
    return runs, bad


def main(report: Path) -> int:
    """Say what is missing, doubled, unknown or failed, and how many cases hold."""
    expected = {f"{section}-{number:02}" for section, numbers in CASES.items() for number in numbers}
    runs, bad = seen(report)
    wrong = {
        "missing": expected - runs.keys(),
        "unknown": runs.keys() - expected,
        "more than once": {case for case, count in runs.items() if count > 1},
        "not passed": set(bad),
    }
    for what, cases in wrong.items():
        if cases:
            print(f"{what}: {', '.join(sorted(cases))}")
    print(f"conformance: {len(expected & runs.keys() - set(bad))} of {len(expected)}")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
