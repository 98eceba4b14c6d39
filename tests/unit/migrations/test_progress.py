"""Where a run stands, from its events."""

from __future__ import annotations

from typing import Any

import pytest

from roost.errors import Blocker
from roost.migrations import (
    LockHolderSeen,
    LockWaitFinished,
    LockWaitStarted,
    MigrationLockHolder,
    MigrationProgress,
    MigrationStanding,
    RunFinished,
    RunStarted,
    ServiceMigrationStarted,
    StepBlocked,
    StepFinished,
    StepProgressed,
    StepRetried,
    StepStarted,
)
from roost.runtime import EventBus

ERROR = ValueError("first line\nsecond line")
HOLDER = MigrationLockHolder(
    pid=7, application_name="roost memory: add-embedding", host="10.0.0.7", since=None, state="active", client_host="pod-7"
)
BLOCKER = Blocker(pid=9, application_name="psql", state="idle in transaction", seconds=30.0, query="SELECT 1")
STEP: dict[str, Any] = {"plugin": "memory", "step": "add-embedding", "version": "1.2.0", "direction": "up"}
BEGUN = [RunStarted(services=("a",)), ServiceMigrationStarted(service="a", plugin="memory")]


def started(index: int) -> StepStarted:
    return StepStarted(**STEP, description="Add it", index=index, total=7)


def finished(index: int, error: BaseException | None = None) -> StepFinished:
    return StepFinished(**STEP, index=index, total=7, duration=0.1, attempts=1, error=error)


def after(*events: object) -> MigrationStanding:
    """Return where a run stands after these events."""
    bus = EventBus()
    progress = MigrationProgress(bus)
    for event in events:
        bus.emit(event)
    return progress.standing


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ([], "no run has begun"),
        ([RunStarted(services=("a",))], "looking what is to be migrated, 12 s"),
        (BEGUN, "memory, 12 s"),
        ([*BEGUN, started(3)], "memory 3/7 add-embedding, 12 s"),
        ([*BEGUN, started(3), StepRetried(plugin="memory", step="s", attempt=1, error=ERROR)], "memory 3/7 add-embedding, 12 s, try 2"),
        (
            [*BEGUN, started(3), StepBlocked(plugin="memory", step="s", blockers=(BLOCKER,))],
            "memory 3/7 add-embedding, 12 s, blocked by server process 9 (psql), idle in transaction for 30.0 s: SELECT 1",
        ),
        (
            [*BEGUN, started(3), StepProgressed(plugin="memory", step="s", phase="building index", done=1, total=4)],
            "memory 3/7 add-embedding, 12 s, building index 25%",
        ),
        (
            [*BEGUN, started(3), StepProgressed(plugin="memory", step="s", phase="waiting", done=0, total=0)],
            "memory 3/7 add-embedding, 12 s, waiting",
        ),
        ([BEGUN[0], LockWaitStarted(holder=None)], "waiting for another run (unknown), 12 s"),
        ([BEGUN[0], LockWaitStarted(holder="roost: migrating")], "waiting for another run (roost: migrating), 12 s"),
        (
            [BEGUN[0], LockWaitStarted(holder="roost: migrating"), LockHolderSeen(holder=HOLDER)],
            "waiting for another run (roost memory: add-embedding), 12 s, holder pod-7",
        ),
        (
            [
                BEGUN[0],
                LockWaitStarted(holder=None),
                LockHolderSeen(holder=HOLDER),
                LockWaitFinished(acquired=True, duration=1, error=None),
            ],
            "looking what is to be migrated, 12 s",
        ),
        (
            [*BEGUN, started(3), LockWaitStarted(holder=None), LockWaitFinished(acquired=True, duration=1, error=None)],
            "memory 3/7 add-embedding, 12 s",
        ),
        ([BEGUN[0], RunFinished(steps=0, duration=1.0, error=None)], "nothing to do"),
        ([*BEGUN, started(7), finished(7), RunFinished(steps=7, duration=1.0, error=None)], "7 steps done"),
        ([*BEGUN, started(7), finished(7, ERROR), RunFinished(steps=6, duration=1.0, error=ERROR)], "failed: first line"),
    ],
)
def test_it_says_in_a_line_where_a_run_stands(events: list[object], line: str) -> None:
    """State, plugin, step and age, and who is in the way."""
    standing = after(*events)
    assert standing.describe(now=standing.since + 12.4) == line


def test_it_counts_what_is_done() -> None:
    """A step in hand is not done; a new turn begins anew, and the run's steps go on; what was in the way of a step is gone with it."""
    standing = after(*BEGUN, started(1), StepBlocked(plugin="memory", step="s", blockers=(BLOCKER,)), finished(1), started(2))
    assert (standing.done, standing.index, standing.total, standing.steps, standing.blockers) == (1, 2, 7, 1, ())
    assert standing.is_running
    assert after(*BEGUN, started(1), StepBlocked(plugin="memory", step="s", blockers=(BLOCKER,)), finished(1)).blockers == ()
    standing = after(*BEGUN, started(1), finished(1), ServiceMigrationStarted(service="b", plugin="other"))
    assert (standing.plugin, standing.step, standing.done, standing.total, standing.steps) == ("other", None, 0, 0, 1)
    assert not after(BEGUN[0], RunFinished(steps=0, duration=1.0, error=None)).is_running


def test_it_stops_listening() -> None:
    """After `close` it hears nothing more."""
    bus = EventBus()
    progress = MigrationProgress(bus)
    progress.close()
    bus.emit(BEGUN[0])
    assert progress.standing == MigrationStanding()
