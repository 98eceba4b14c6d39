from __future__ import annotations

from typing import Any

import pytest

from roost.migrations import (
    DatabaseAheadNoticed,
    LockHolderSeen,
    LockWaitFinished,
    LockWaitStarted,
    MigrationLockHolder,
    PolicyNoticed,
    RehearsalFinished,
    RepeatableStepsLeft,
    RunFinished,
    RunStarted,
    SchemaDiffers,
    ServiceMigrationFinished,
    SessionReopened,
    StepFinished,
    StepProgressed,
    StepRehearsalFinished,
    StepRehearsalStarted,
    StepRetried,
    StepsChanged,
    StepSkipped,
    StepStarted,
    narrate,
)

HOLDER: dict[str, Any] = {"pid": 7, "application_name": "roost p: s", "host": None, "since": None, "state": "active"}
ERROR = ValueError("first line\nsecond line")
STEP: dict[str, Any] = {"plugin": "p", "step": "s", "version": "1.0.0", "index": 2, "total": 3}


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (LockWaitStarted(holder="roost: p s"), "waiting for another run (roost: p s)"),
        (StepProgressed(plugin="p", step="s", phase="building index", done=1, total=8), "p: s building index 12%"),
        (StepProgressed(plugin="p", step="s", phase="initializing", done=0, total=0), "p: s initializing"),
        (LockWaitStarted(holder=None), "waiting for another run (unknown)"),
        (LockHolderSeen(holder=MigrationLockHolder(**HOLDER)), "the other run: roost p: s"),
        (LockHolderSeen(holder=MigrationLockHolder(**HOLDER, client_host="pod-7")), "the other run on pod-7: roost p: s"),
        (LockWaitFinished(acquired=True, duration=1.25, error=None), "waited 1.2 s; it is our turn"),
        (LockWaitFinished(acquired=False, duration=1.0, error=None), "waited 1.0 s; the other run did it all"),
        (LockWaitFinished(acquired=False, duration=1.0, error=ERROR), None),
        (
            ServiceMigrationFinished(service="x", plugin="p", version="1.0.0", steps=0, duration=0.0, error=None),
            "Plugin p is already at version 1.0.0",
        ),
        (ServiceMigrationFinished(service="x", plugin="p", version=None, steps=0, duration=0.0, error=None), None),
        (StepStarted(**STEP, direction="up", description="Make it"), "p 2/3 up s: Make it"),
        (StepStarted(**STEP, direction="down", description="Make it"), "p 2/3 down s: Make it"),
        (StepFinished(**STEP, direction="up", duration=0.125, attempts=1, error=None), "p 2/3 done in 0.12 s"),
        (StepFinished(**STEP, direction="up", duration=0.1, attempts=1, error=ERROR), "p 2/3 FAILED: first line"),
        (StepRetried(plugin="p", step="s", attempt=1, error=ERROR), "p: s is tried again after: first line"),
        (StepSkipped(plugin="p", step="s"), "p: s has no way back and is left in place"),
        (StepSkipped(plugin="p", step="s", reason="why"), "p: s has no way back and is left in place (why)"),
        (
            SchemaDiffers(plugin="p", schema="own", run=7),
            "warning: p: schema own is not what it was before run 7; compare its ways there and back",
        ),
        (StepRehearsalStarted(**STEP, description="Make it"), "p 2/3 rehearse s: Make it"),
        (StepRehearsalFinished(**STEP, outcome="rehearsed", reason=None, duration=0.125, error=None), "p 2/3 rehearsed in 0.12 s"),
        (StepRehearsalFinished(**STEP, outcome="not rehearsed", reason="no", duration=0.0, error=None), "p 2/3 not rehearsed: no"),
        (StepRehearsalFinished(**STEP, outcome="failed", reason=None, duration=0.0, error=ERROR), "p 2/3 FAILED: first line"),
        (RehearsalFinished(steps=1, duration=0.1, error=None), None),
        (SessionReopened(attempt=1, error=ERROR), "the connection broke and was made again: first line"),
        (DatabaseAheadNoticed(plugin="p", steps=("t", "u"), version="2"), "Plugin p: the database is ahead of this code (t, u)"),
        (DatabaseAheadNoticed(plugin="p", steps=(), version="2"), "Plugin p: the database is ahead of this code (version 2)"),
        (
            StepsChanged(plugin="p", steps=("s", "f"), functions=("f",)),
            "Plugin p: steps were edited after they ran, and are not run again: s, f; what they lack is for a new step",
        ),
        (
            RepeatableStepsLeft(plugin="p", steps=("a", "b")),
            "Plugin p: what these steps made is still there, and they are no longer declared: a, b",
        ),
        (PolicyNoticed(plugin="p", notice="steps run out of order: s"), "Plugin p: steps run out of order: s"),
        (RunFinished(steps=0, duration=0.1, error=None), "nothing to do: the database is where the plugins want it"),
        (RunFinished(steps=4, duration=0.5, error=None), "4 steps in 0.50 s"),
        (RunFinished(steps=0, duration=0.1, error=ERROR), None),
        (RunStarted(services=("x",)), None),
        (object(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_event_is_one_line_or_none(event: object, line: str | None) -> None:
    """What a reader wants to know is a line of English; the rest is silence; an error shows its first line alone."""
    assert narrate(event) == line
