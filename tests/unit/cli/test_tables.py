from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from roost.cli._table_form import plain_table
from roost.cli._tables import check_table, history_table, holder_table, status_table, steps_sql, steps_table, unclaimed_table
from roost.errors import BadUsage
from roost.migrations import (
    ManifestChanges,
    MigrationLockHolder,
    MigrationReport,
    MigrationStatus,
    ServiceStatus,
    SkippedStep,
    StepReport,
    StepsCheck,
    UnclaimedPlugin,
)

AT = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)


def _drawn(renderable: Any) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=200, markup=False).print(renderable)
    return [" ".join(line.split()) for line in stream.getvalue().splitlines()]


def _report(*steps: StepReport) -> MigrationReport:
    return MigrationReport(run_id=None, done=(), failed=(), not_run=(), waited=0.0, duration=0.0, steps=steps)


STEPS = _report(
    StepReport(plugin="@org/[x]", step="a", description="Make it", version="1.0.0", direction="up", sql="CREATE TABLE a ()\n"),
    StepReport(plugin="@org/[x]", step="b", description="Fill it", version="1.1.0", direction="up", sql=None),
)


def test_what_is_irreversible_is_said_beside_the_step() -> None:
    """A plan says it before the step is run, a rollback of the steps that it leaves in place."""
    gone = StepReport(
        plugin="p", step="a", description="Drop", version="1.0.0", direction="up", sql="DROP TABLE a", irreversible="the rows are gone"
    )
    left = (
        SkippedStep(plugin="p", step="a", version="1.0.0", reason="the rows are gone"),
        SkippedStep(plugin="p", step="b", version="1.0.0", reason=None),
    )
    assert _drawn(steps_table(_report(gone), title="Pending"))[-1] == "p 1.0.0 a up SQL Drop (irreversible: the rows are gone)"
    assert str(steps_sql(_report(gone))).splitlines()[1] == "-- irreversible: the rows are gone"
    assert _drawn(steps_table(replace(_report(), skipped=left), title="Would undo"))[-2:] == [
        "p 1.0.0 a - - left in place: the rows are gone",
        "p 1.0.0 b - - left in place: there is no way back",
    ]


def test_unclaimed_plugins_are_rows() -> None:
    """Each with its version, how many steps are applied, and the last of them."""
    found = [UnclaimedPlugin(plugin="old", version="2.0", steps=("a", "b")), UnclaimedPlugin(plugin="older", version=None, steps=())]
    assert _drawn(unclaimed_table(found))[-2:] == ["old 2.0 2 b", "older - 0 -"]


def test_status_has_a_row_for_each_service() -> None:
    """A service a row, its folder from the base; what was written and a linter's errors are counted; a dash is what can't be told."""
    status = MigrationStatus(
        total_services=2,
        last_migration=AT,
        services=(
            ServiceStatus(
                service_name="x-migration",
                has_migrations=True,
                last_run=AT,
                version="1.0.0",
                target_version="1.1.0",
                pending=2,
                state="idle",
                error=None,
            ),
            ServiceStatus(
                service_name="other",
                has_migrations=False,
                last_run=None,
                version=None,
                target_version=None,
                pending=None,
                state="blocked",
                error="first line\nsecond",
            ),
        ),
    )
    lines = _drawn(status_table(status, plugins={"x-migration": "@org/[x]"}))
    assert lines[1] == "plugin service version target pending last run (UTC) state"
    assert lines[3] == "@org/[x] x-migration 1.0.0 1.1.0 2 2025-03-04 05:06:07 idle"
    assert lines[4] == "- other - - - - blocked: first line"


def test_status_tells_what_no_run_did() -> None:
    """Applied steps that a person answers for are counted beside the state."""
    row = ServiceStatus(
        service_name="x-migration",
        has_migrations=True,
        last_run=AT,
        version="1.0.0",
        target_version="1.0.0",
        pending=0,
        state="idle",
        error="no",
        steps_by_hand=1,
    )
    rows = (row, replace(row, steps_by_hand=2, error=None))
    lines = _drawn(status_table(MigrationStatus(total_services=2, last_migration=AT, services=rows), plugins={}))
    assert [line.split("07 ")[1] for line in lines[3:5]] == ["idle (1 step by hand): no", "idle (2 steps by hand)"]


def test_history_says_what_it_cuts() -> None:
    """A cut history says how many rows there are; a failure shows the start of its first line."""
    done = SimpleNamespace(
        executed_at=AT, run=3, plugin="p", version="1.0.0", step="a", direction="up", duration=0.5, success=True, error=None
    )
    failed = SimpleNamespace(executed_at=AT, success=False, error="x" * 70 + "\nmore")
    lines = _drawn(history_table([done, failed], total=9))
    assert lines[0] == "History (the last 2 of 9)"
    assert lines[3] == "2025-03-04 05:06:07 3 p 1.0.0 a up 0.500 s done"
    assert lines[4] == f"2025-03-04 05:06:07 - - - - - - failed: {'x' * 59}…"


def test_history_tells_what_no_run_did() -> None:
    """A row without an attempt was written by a person's word."""
    claimed = SimpleNamespace(executed_at=AT, success=True, attempts=0, step="a")
    ran = SimpleNamespace(executed_at=AT, success=True, attempts=1, step="b")
    lines = _drawn(history_table([claimed, ran], total=2))
    assert (lines[3].endswith(" - by hand"), lines[4].endswith(" - done")) == (True, True)


def test_whole_history_says_its_number() -> None:
    """A history that is shown whole says only how many rows it has."""
    assert _drawn(history_table([], total=0))[0] == "History (0)"


def test_steps_are_drawn_in_order() -> None:
    """Each step is a row that says whether it is SQL or Python."""
    lines = _drawn(steps_table(STEPS, title="Pending"))
    assert lines[0] == "Pending"
    assert lines[3:5] == ["@org/[x] 1.0.0 a up SQL Make it", "@org/[x] 1.1.0 b up Python Fill it"]


def test_sql_is_written_out() -> None:
    """The SQL of each step stands below a comment that names it."""
    assert steps_sql(STEPS).plain == (
        "-- @org/[x] 1.0.0 up a: Make it\nCREATE TABLE a ()\n\n-- @org/[x] 1.1.0 up b: Fill it\n-- a Python function"
    )


def test_checks_show_folders_from_where_one_stands() -> None:
    """A service a row, its folder from the base; what was written and a linter's errors are counted; a dash is what can't be told."""
    checks = [
        StepsCheck(service_name="a-migration", plugin="a", steps=2, directory="/here/a", has_manifest=True),
        StepsCheck(service_name="b-migration", plugin="b", steps=2, directory="/there/b", has_manifest=False),
        StepsCheck(
            service_name="c-migration",
            plugin="c",
            steps=1,
            directory="/here/c",
            has_manifest=True,
            changes=ManifestChanges(written=True, added=("x", "y"), removed=("z",)),
        ),
        StepsCheck(
            service_name="d-migration", plugin="d", steps=1, directory="/here/d", has_manifest=True, changes=ManifestChanges(written=True)
        ),
        StepsCheck(
            service_name="e-migration", plugin="e", steps=1, directory="/here/e", has_manifest=True, changes=ManifestChanges(written=False)
        ),
        StepsCheck(service_name="f-migration", plugin="f", error=BadUsage(reason="r", remedy="h")),
    ]
    assert _drawn(check_table(checks, base=Path("/here"), lint_errors={"b": 1, "c": 2, "f": 3}))[3:] == [
        "a a-migration 2 a yes fine",
        "b b-migration 2 /there/b none 1 lint error",
        "c c-migration 1 c written: 2 added, 1 removed 2 lint errors",
        "d d-migration 1 d written: same files fine",
        "e e-migration 1 e yes fine",
        "f f-migration - - - wrong",
    ]


def test_the_lock_holder_is_drawn_with_its_run() -> None:
    """Run, process and host where the ledger knows them, else where its client is; what is not known is a dash, and names are no markup."""
    seen = {"pid": 812, "application_name": "roost [x]: fill", "host": "10.0.0.3"}
    known = MigrationLockHolder(
        **seen,  # type: ignore[arg-type]  # of several types
        since=AT,
        state="idle",
        connected_for=400.4,
        statement_for=312.0,
        state_for=312.0,
        run=7,
        run_for=390.0,
        client_host="web-3",
        client_pid=4711,
        application_version="1",
    )
    row = "812 7 2025-03-04 05:06:07, for 400 s process 4711 on web-3 roost [x]: fill idle for 312 s: it may be frozen"
    assert _drawn(holder_table(known))[3] == row
    hidden = MigrationLockHolder(**seen, since=None, state=None)  # type: ignore[arg-type]  # as above
    assert _drawn(holder_table(hidden))[3] == "812 - -, for - 10.0.0.3 roost [x]: fill what it does is hidden from this role"


def test_a_narrow_table_moves_together_before_it_breaks_words() -> None:
    """Where the screen is too narrow for the usual gaps, the gaps are narrowed first; where it is not, they are as always."""
    table = plain_table("Migrations", "plugin", "version", "state")
    table.add_row("notes", "1.0.0", "somewhat-long")

    def lines(width: int) -> list[str]:
        stream = io.StringIO()
        Console(file=stream, width=width).print(table)
        return [line.rstrip() for line in stream.getvalue().splitlines()]

    for width, gap in ((32, "   "), (30, "  "), (32, "   ")):
        assert lines(width)[3] == gap.join(("notes ", "1.0.0  ", "somewhat-long"))
