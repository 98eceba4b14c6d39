from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from roost.cli._output import Output
from roost.cli._watching import watch_status
from roost.errors import DatabaseUnreachable, LedgerTooNew
from roost.migrations import MigrationLockHolder, MigrationStatus, ServiceStatus

STATUS = MigrationStatus(
    total_services=1,
    last_migration=None,
    services=(
        ServiceStatus(
            service_name="notes-migration",
            has_migrations=True,
            last_run=None,
            version=None,
            target_version="1.0.0",
            pending=1,
            state="idle",
            error=None,
        ),
    ),
    running=MigrationLockHolder(
        pid=7,
        application_name="roost notes: make",
        host=None,
        since=None,
        state="active",
        connected_for=3.0,
        statement_for=2.0,
        state_for=2.0,
        run=4,
        run_for=3.0,
    ),
)
AWAY = DatabaseUnreachable(location="db:5432", attempts=1, reason="refused")


class Orchestrator:
    """Says what it is told to say, look by look; after the last one a signal comes."""

    def __init__(self, looks: Sequence[MigrationStatus | Exception]) -> None:
        self.looks = list(looks)

    async def get_migration_status(self) -> MigrationStatus:
        if not self.looks:
            raise asyncio.CancelledError
        one = self.looks.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    def get_migration_services(self) -> list[Any]:
        return []


def watch(output: Output, *looks: MigrationStatus | Exception) -> int:
    """Watch until the signal."""
    orchestrator: Any = Orchestrator(looks)
    return asyncio.run(watch_status(orchestrator, output, every=0.001))


def test_each_look_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Status and what runs now, with when it was seen; a database that is away is a line too, and is asked again."""
    assert watch(Output("status", json=True), STATUS, AWAY, STATUS) == 0
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["command"], first["services"][0]["pending"]) == ("status", 1)
    assert (first["running"]["application_name"], first["running"]["run"], first["running"]["run_for"]) == ("roost notes: make", 4, 3.0)
    assert first["running"]["activity"] == "its statement runs for 2 s"
    assert (second["error"]["type"], "services" in second) == ("DatabaseUnreachable", False)
    assert third.keys() == first.keys()
    assert first["at"] < third["at"]


def test_elsewhere_than_on_a_terminal_looks_follow_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its time, and nothing moves the cursor."""
    assert watch(Output("status"), STATUS, AWAY, STATUS) == 0
    shown = capsys.readouterr().out
    assert (shown.count(" UTC\n"), shown.count("notes-migration"), shown.count("roost notes: make")) == (3, 2, 2)
    assert f"\nerror: {AWAY.message}\n" in shown
    assert "\x1b" not in shown


def test_what_is_wrong_from_the_beginning_ends_it() -> None:
    """The first look raises as without --watch; so does, later, what no waiting helps against."""
    with pytest.raises(DatabaseUnreachable):
        watch(Output("status"), AWAY)
    with pytest.raises(LedgerTooNew):
        watch(Output("status"), STATUS, LedgerTooNew(found=9, known=1))
