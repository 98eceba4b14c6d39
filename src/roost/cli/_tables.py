"""Draws status, history and plans as tables. Pure: values in, a table out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from roost.cli._table_form import NONE, plain_table
from roost.cli._words import counted

if TYPE_CHECKING:
    from rich.table import Table

    from roost.migrations import MigrationLockHolder, MigrationReport, MigrationStatus, StepsCheck, UnclaimedPlugin
    from roost.runtime import SettingInUse

_STYLES = {
    "completed": "green",
    "failed": "red",
    "blocked": "red",
    "ahead": "yellow",
    "running": "cyan",
    "waiting": "cyan",
}
_ERROR_WIDTH = 60
NO_WAY_BACK = "there is no way back"


def status_table(status: MigrationStatus, *, plugins: Mapping[str, str]) -> Table:
    """Draw where every service stands.

    Args:
        status: What the orchestrator says.
        plugins: Each service's plugin.
    """
    table = plain_table("Migrations", "plugin", "service", "version", "target", "pending", "last run (UTC)", "state")
    for row in status.services:
        pending = NONE if row.pending is None else str(row.pending)
        state = Text(row.state, style=_STYLES.get(row.state, ""))
        if row.steps_by_hand:
            state.append(f" ({row.steps_by_hand} {'step' if row.steps_by_hand == 1 else 'steps'} by hand)")
        if row.error:
            state.append(f": {row.error.partition(chr(10))[0]}")
        table.add_row(
            Text(plugins.get(row.service_name, NONE)),
            Text(row.service_name),
            Text(row.version or NONE),
            Text(row.target_version or NONE),
            Text(pending, style="yellow" if row.pending else ""),
            Text(_time(row.last_run)),
            state,
        )
    return table


def unclaimed_table(plugins: Sequence[UnclaimedPlugin]) -> Table:
    """Draw the plugins that the ledger knows and no service of the runtime answers for."""
    table = plain_table("In the ledger, but no service answers for them", "plugin", "version", "applied steps", "the last")
    for plugin in plugins:
        table.add_row(
            Text(plugin.plugin),
            Text(plugin.version or NONE),
            Text(str(len(plugin.steps))),
            Text(plugin.steps[-1] if plugin.steps else NONE),
        )
    return table


def settings_table(settings: Sequence[SettingInUse]) -> Table:
    """Draw settings with their values, in which secrets are hidden, and their origins."""
    table = plain_table(f"Settings ({len(settings)})", "section", "name", "value", "from")
    for one in settings:
        table.add_row(Text(one.section), Text(one.name), Text(one.value), Text(one.origin))
    return table


def history_table(records: Sequence[Any], *, total: int) -> Table:
    """Draw attempts, newest first.

    Args:
        records: What is shown.
        total: How many there are.
    """
    shown = f"the last {len(records)} of {total}" if len(records) < total else str(total)
    table = plain_table(f"History ({shown})", "at (UTC)", "run", "plugin", "version", "step", "direction", "took", "result")
    for record in records:
        took = getattr(record, "duration", None)
        table.add_row(
            Text(_time(getattr(record, "executed_at", None))),
            Text(_text(record, "run")),
            Text(_text(record, "plugin")),
            Text(_text(record, "version")),
            Text(_text(record, "step")),
            Text(_text(record, "direction")),
            Text(NONE if took is None else f"{took:.3f} s"),
            _outcome(record),
        )
    return table


def holder_table(holder: MigrationLockHolder) -> Table:
    """Draw who holds the migration lock."""
    table = plain_table("The migration lock is held by", "server process", "run", "since", "client", "name", "does")
    process = f"process {holder.client_pid} on {holder.client_host}" if holder.client_host is not None else holder.host
    table.add_row(
        Text(str(holder.pid)),
        Text(_text(holder, "run")),
        Text(f"{_time(holder.since)}, for {_seconds(holder.connected_for)}"),
        Text(process or NONE),
        Text(holder.application_name or NONE),
        Text(holder.activity),
    )
    return table


def steps_table(report: MigrationReport, *, title: str) -> Table:
    """Draw the steps of a report in their order."""
    table = plain_table(title, "plugin", "version", "step", "direction", "kind", "description")
    for step in report.steps:
        table.add_row(
            Text(step.plugin),
            Text(step.version),
            Text(step.step),
            Text(step.direction),
            Text("Python" if step.sql is None else "SQL"),
            Text(f"{step.description} (irreversible: {step.irreversible})" if step.irreversible else step.description),
        )
    for left in report.skipped:
        table.add_row(
            Text(left.plugin), Text(left.version), Text(left.step), NONE, NONE, Text(f"left in place: {left.reason or NO_WAY_BACK}")
        )
    return table


def check_table(checks: Sequence[StepsCheck], *, base: Path, lint_errors: Mapping[str, int]) -> Table:
    """Draw what a check found, service by service.

    Args:
        checks: What was found.
        base: Folders below it are shown from there.
        lint_errors: How many errors a linter found in a plugin's steps, where it found some.
    """
    table = plain_table("Steps", "plugin", "service", "steps", "folder", "manifest", "result")
    for check in checks:
        table.add_row(
            Text(check.plugin),
            Text(check.service_name),
            Text(NONE if check.steps is None else str(check.steps)),
            Text(NONE if check.directory is None else _from(base, check.directory)),
            Text(_manifest(check)),
            _verdict(check, lint_errors.get(check.plugin, 0)),
        )
    return table


def _verdict(check: StepsCheck, lint_errors: int) -> Text:
    if check.error is not None:
        return Text("wrong", style="red")
    if lint_errors:
        return Text("1 lint error" if lint_errors == 1 else f"{lint_errors} lint errors", style="red")
    return Text("fine", style="green")


def _from(base: Path, directory: str) -> str:
    path = Path(directory)
    return str(path.relative_to(base)) if path.is_relative_to(base) else directory


def _manifest(check: StepsCheck) -> str:
    if check.has_manifest is None:
        return NONE
    changes = check.changes
    if changes is None or not changes.written:
        return "yes" if check.has_manifest else "none"
    told = ((changes.added, "added"), (changes.changed, "changed"), (changes.removed, "removed"))
    return f"written: {', '.join(f'{len(names)} {what}' for names, what in told if names) or 'same files'}"


def counted_steps(report: MigrationReport) -> str:
    """Say how many steps a report has."""
    return counted(len(report.steps), "step")


NOTHING_TO_DO = "nothing to do: the database is where the plugins want it"
NOTHING_IN_PART = "nothing to do: the plugin is as far as it was to go"


def outcome(report: MigrationReport, *, is_part: bool = False) -> str:
    """Say in one line what a run came to; `is_part` where it was not to go to the end."""
    if not report.steps:
        return NOTHING_IN_PART if is_part else NOTHING_TO_DO
    return f"{counted_steps(report)} run in {report.duration:.2f} s (run {report.run_id})"


def steps_sql(report: MigrationReport) -> Text:
    """Write out the SQL of a report's steps, with a comment before each."""
    parts = []
    for step in report.steps:
        body = "-- a Python function" if step.sql is None else step.sql.rstrip()
        if step.irreversible:
            body = f"-- irreversible: {step.irreversible}\n{body}"
        parts.append(f"-- {step.plugin} {step.version} {step.direction} {step.step}: {step.description}\n{body}\n")
    return Text("\n".join(parts).rstrip("\n"))


def _outcome(record: Any) -> Text:  # noqa: ANN401 -- a record of a service that is not ours
    if getattr(record, "success", True):
        # No run took what has no attempt: a person said so.
        return Text("by hand", style="yellow") if getattr(record, "attempts", None) == 0 else Text("done", style="green")
    reason = str(getattr(record, "error", None) or "").partition("\n")[0]
    cut = reason if len(reason) <= _ERROR_WIDTH else reason[: _ERROR_WIDTH - 1] + "…"
    return Text(f"failed: {cut}" if cut else "failed", style="red")


def _text(record: Any, name: str) -> str:  # noqa: ANN401 -- a record of a service that is not ours
    value = getattr(record, name, None)
    return NONE if value is None else str(value)


def _seconds(duration: float | None) -> str:
    return NONE if duration is None else f"{duration:.0f} s"


def _time(moment: datetime | None) -> str:
    return NONE if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
