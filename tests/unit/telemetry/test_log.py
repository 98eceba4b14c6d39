from __future__ import annotations

import inspect
import logging
from typing import Any

import pytest

from roost import Runtime, migrations
from roost.errors import Blocker
from roost.migrations import (
    LockHolderSeen,
    LockWaitFinished,
    LockWaitStarted,
    MigrationLockHolder,
    RehearsalFinished,
    RunFinished,
    RunStarted,
    ServiceMigrationFinished,
    ServiceMigrationStarted,
    SessionReopened,
    StepBlocked,
    StepFinished,
    StepRetried,
    StepsChanged,
    StepStarted,
)
from roost.telemetry import log_events
from roost.telemetry._log import LEVELS

ERROR = ValueError("no room\nsecond line")


def finished(error: BaseException | None = None) -> StepFinished:
    """Return the end of a step."""
    return StepFinished(
        plugin="notes", step="make", version="1.0.0", direction="up", index=1, total=2, duration=0.5, attempts=1, error=error
    )


BLOCKER = Blocker(pid=7, application_name="psql", state="active", seconds=1.5, query="ALTER ROLE r PASSWORD 'hunter2'")
HOLDER = MigrationLockHolder(pid=7, application_name="roost notes: fill", host=None, since=None, state="active")
TOLD: list[tuple[Any, str, str]] = [
    (RunStarted(services=("a", "b")), "DEBUG", "a run begins: a, b"),
    (ServiceMigrationStarted(service="a", plugin="notes"), "DEBUG", "notes: service a begins"),
    (
        StepStarted(plugin="notes", step="make", description="Make it", version="1.0.0", direction="up", index=1, total=2),
        "DEBUG",
        "notes 1/2 up make: Make it",
    ),
    (finished(), "INFO", "notes 1/2 up make: done in 0.50 s"),
    (finished(ERROR), "WARNING", "notes 1/2 up make: FAILED: no room"),
    (StepRetried(plugin="notes", step="make", attempt=1, error=ERROR), "WARNING", "notes: make is tried again after: no room"),
    (
        StepBlocked(plugin="notes", step="make", blockers=(BLOCKER,)),
        "WARNING",
        "notes: make waits for server process 7 (psql), active for 1.5 s",
    ),
    (LockWaitStarted(holder=None), "INFO", "waiting for another run (unknown)"),
    (LockHolderSeen(holder=HOLDER), "DEBUG", "the other run: roost notes: fill"),
    (LockWaitFinished(acquired=True, duration=2.0, error=None), "INFO", "waited 2.0 s; it is our turn"),
    (LockWaitFinished(acquired=False, duration=2.0, error=ERROR), "WARNING", "waited 2.0 s in vain: no room"),
    (SessionReopened(attempt=1, error=ERROR), "WARNING", "the connection broke and was made again: no room"),
    (
        StepsChanged(plugin="notes", steps=("make",)),
        "WARNING",
        "Plugin notes: steps were edited after they ran, and are not run again: make; what they lack is for a new step",
    ),
    (
        ServiceMigrationFinished(service="a", plugin="notes", version="1.0.0", steps=2, duration=0.5, error=None),
        "DEBUG",
        "notes: service a done, 2 steps in 0.50 s",
    ),
    (
        ServiceMigrationFinished(service="a", plugin="notes", version=None, steps=0, duration=0.5, error=ERROR),
        "DEBUG",
        "notes: service a failed, 0 steps in 0.50 s",
    ),
    (RunFinished(steps=2, duration=0.5, error=None), "INFO", "2 steps in 0.50 s"),
    (RunFinished(steps=0, duration=0.5, error=None), "DEBUG", "the run ended with nothing done"),
    (RunFinished(steps=1, duration=0.5, error=ERROR), "WARNING", "the run failed after 0.50 s and 1 steps: no room"),
    (RehearsalFinished(steps=1, duration=0.5, error=None), "INFO", "rehearsed 1 steps in 0.50 s; rolled back"),
]


@pytest.mark.parametrize(("event", "level", "line"), TOLD, ids=lambda value: type(value).__name__ if not isinstance(value, str) else None)
def test_each_event_has_its_line_and_level(event: object, level: str, line: str, caplog: pytest.LogCaptureFixture) -> None:
    """What somebody should look at is a warning; the fields are `extra`; nobody else's statement is in either."""
    caplog.set_level(logging.DEBUG, "roost.migrations")
    runtime = Runtime()
    log_events(runtime)
    runtime.events.emit(event)
    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("roost.migrations", level, line)
    assert vars(record)["roost_event"] == type(event).__name__
    assert "hunter2" not in str(vars(record))


def test_who_blocks_is_told_by_process(caplog: pytest.LogCaptureFixture) -> None:
    """The server processes are a field, so that they can be looked for."""
    runtime = Runtime()
    log_events(runtime)
    runtime.events.emit(StepBlocked(plugin="notes", step="make", blockers=(BLOCKER,)))
    assert [vars(record)["roost_blockers"] for record in caplog.records] == [[7]]


def test_every_event_of_migrations_is_logged() -> None:
    """None is left out, whatever is added."""
    public = {value for name in migrations.__all__ if inspect.isclass(value := getattr(migrations, name))}
    assert {one for one in public if one.__module__ == "roost.migrations._events"} == set(LEVELS)


def test_nobody_is_looked_up_for_a_log_that_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    """Who is waited for costs queries where somebody listens: so the log does so only for those who debug."""
    for level, wanted in ((logging.INFO, False), (logging.DEBUG, True)):
        caplog.set_level(level, "roost.migrations")
        runtime = Runtime()
        log_events(runtime)
        assert runtime.events.wants(LockHolderSeen) is wanted


def test_it_begins_and_ends_when_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Before the call and after what it returns is called nobody listens; calling that again is harmless."""
    caplog.set_level(logging.DEBUG, "roost.migrations")
    runtime = Runtime()
    assert not runtime.events.wants(StepFinished)
    end = log_events(runtime)
    assert runtime.events.wants(StepFinished)
    end()
    end()
    runtime.events.emit(finished())
    assert (caplog.records, runtime.events.wants(StepFinished)) == ([], False)
