from __future__ import annotations

import pytest

from roost.errors import Blocker
from roost.migrations import (
    LockHolderSeen,
    LockWaitFinished,
    LockWaitStarted,
    MigrationLockHolder,
    RunFinished,
    RunStarted,
    StepBlocked,
    StepFinished,
    StepProgressed,
    StepStarted,
)
from roost.telemetry._status_line import status_line

BLOCKER = Blocker(pid=7, application_name="psql", state="active", seconds=1.5, query="ALTER ROLE r PASSWORD 'hunter2'")
HOLDER = MigrationLockHolder(pid=7, application_name="roost notes: fill", host=None, since=None, state="active")
STEP = StepStarted(plugin="notes", step="make", description="Make it", version="1.0.0", direction="up", index=1, total=2)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (RunStarted(services=("a",)), "looking what there is to migrate"),
        (LockWaitStarted(holder="roost notes: make"), "waiting for another run (roost notes: make)"),
        (LockHolderSeen(holder=HOLDER), "waiting for another run (roost notes: fill)"),
        (LockWaitFinished(acquired=True, duration=1.0, error=None), None),
        (STEP, "migrating notes 1/2: make"),
        (StepProgressed(plugin="notes", step="make", phase="building index", done=1, total=4), "migrating notes: make, building index 25%"),
        (StepProgressed(plugin="notes", step="make", phase="waiting", done=0, total=0), "migrating notes: make, waiting"),
        (StepBlocked(plugin="notes", step="make", blockers=(BLOCKER,)), "migrating notes: make waits for server process 7 (psql)"),
        (
            StepFinished(plugin="n", step="s", version="1", direction="up", index=1, total=1, duration=1.0, attempts=1, error=None),
            None,
        ),
        (RunFinished(steps=1, duration=1.0, error=None), "migrated"),
        (RunFinished(steps=1, duration=1.0, error=ValueError("hunter2")), "the migration failed: ValueError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_where_a_run_stands(event: object, line: str | None) -> None:
    """Each event that changes it has its line, with nothing of what somebody else has written."""
    assert status_line(event) == line
