"""Leaves out tests that need more than Python, and says so aloud at the end, with the command that runs them."""

from __future__ import annotations

import os
from typing import Any

import pytest

SWITCHES = {"pgbouncer": "ROOST_TEST_PGBOUNCER", "other_user": "ROOST_TEST_OTHER_USER"}
"""For each marker the environment variable that, set to 1, lets its tests run."""

NEEDS = {"pgbouncer": "the program pgbouncer", "other_user": "root, and a checkout that every user can read"}

_LEFT_OUT = pytest.StashKey[dict[str, int]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests whose switch is off."""
    off = [marker for marker, switch in SWITCHES.items() if os.environ.get(switch) != "1"]
    left_out = {marker: [item for item in items if item.get_closest_marker(marker)] for marker in off}
    dropped = {item for group in left_out.values() for item in group}
    _note(config, {marker: len(group) for marker, group in left_out.items() if group})
    if dropped:
        config.hook.pytest_deselected(items=list(dropped))
        items[:] = [item for item in items if item not in dropped]


def _note(config: pytest.Config, counts: dict[str, int]) -> None:
    config.stash[_LEFT_OUT] = counts
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = counts


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Where the tests run in workers (pytest-xdist), it is they who leave out, each of them the same."""
    node.config.stash[_LEFT_OUT] = node.workeroutput.get("left_out", {}) if hasattr(node, "workeroutput") else {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Count aloud what was left out."""
    for marker, count in config.stash.get(_LEFT_OUT, {}).items():
        noun = "test" if count == 1 else "tests"
        terminalreporter.write_line(f"{count} {noun} left out that need {NEEDS[marker]}: {SWITCHES[marker]}=1 make test", yellow=True)
