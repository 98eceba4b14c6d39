from __future__ import annotations

import logging

from roost.errors import Blocker, ServiceStartFailed
from roost.migrations import StepBlocked, StepFinished, StepsChanged
from roost.runtime import event_fields


def test_an_event_is_flat_and_plain() -> None:
    """Its class and fields stand under keys of their own; of an error class and message, a sequence of texts as a list."""
    error = ServiceStartFailed(service="queue", reason="no room")
    finished = StepFinished(
        plugin="notes", step="make", version="1.0.0", direction="up", index=1, total=2, duration=0.5, attempts=1, error=error
    )
    assert event_fields(finished) == {
        "roost_event": "StepFinished",
        "roost_plugin": "notes",
        "roost_step": "make",
        "roost_version": "1.0.0",
        "roost_direction": "up",
        "roost_index": 1,
        "roost_total": 2,
        "roost_duration": 0.5,
        "roost_attempts": 1,
        "roost_error": "ServiceStartFailed",
        "roost_error_message": error.message,
    }
    assert event_fields(StepsChanged(plugin="p", steps=("a", "b")))["roost_steps"] == ["a", "b"]
    assert event_fields("no dataclass") == {"roost_event": "str"}


def test_what_is_somebody_elses_is_left_out() -> None:
    """Who blocks a step is told with his statement, which may hold a password; none of it is among the fields."""
    blocker = Blocker(pid=7, application_name="psql", state="active", seconds=1.0, query="ALTER ROLE r PASSWORD 'hunter2'")
    assert event_fields(StepBlocked(plugin="p", step="s", blockers=(blocker,))) == {
        "roost_event": "StepBlocked",
        "roost_plugin": "p",
        "roost_step": "s",
    }


def test_no_key_is_a_records_own() -> None:
    """Logging refuses an `extra` that overwrites what a record has; all keys have one beginning, which no such attribute has."""
    assert not any(name.startswith("roost_") for name in vars(logging.makeLogRecord({})))
    assert all(key.startswith("roost_") for key in event_fields(StepsChanged(plugin="p", steps=())))
