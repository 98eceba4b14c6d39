"""The documents that ``--json`` prints, and how results become them. Pure; `tools/json_schemas.py` publishes their schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from roost.cli._output import ErrorDocument
from roost.migrations import (
    ClaimedSteps,
    MigrationLockHolder,
    MigrationRecord,
    MigrationReport,
    MigrationStatus,
    RehearsalReport,
    ServiceStatus,
    StepsCheck,
    UnmarkedStep,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from roost.cli._lint_documents import FoundDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument(MigrationReport):
    """What a run or a rollback did, or would do.

    Attributes:
        dry_run: Whether it was only planned.
    """

    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDocument(ReportDocument):
    """What `roost up` would run.

    Attributes:
        pending: Whether there is something to do.
    """

    pending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RedoneDocument:
    """What was undone and run again.

    Attributes:
        undone: The steps that were undone, or would be.
        run: The run after that; null in a dry run.
    """

    undone: ReportDocument
    run: ReportDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow(ServiceStatus):
    """Where one migration service stands.

    Attributes:
        plugin: Its plugin.
    """

    plugin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderRow(MigrationLockHolder):
    """Who holds the migration lock.

    Attributes:
        activity: What it does and for how long, in words.
    """

    activity: str = field()  # what it extends works it out, and has no field of that name


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusDocument(MigrationStatus):
    """Where all migration services of a runtime stand.

    Attributes:
        pending: Whether there is something to do.
    """

    pending: bool
    services: tuple[StatusRow, ...]
    running: HolderRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLine(StatusDocument):
    """One look of several.

    Attributes:
        at: When it was.
    """

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLost:
    """A look in vain: the database can't be asked just now.

    Attributes:
        at: When it was.
        error: Why.
    """

    at: datetime
    error: ErrorDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """An attempt at a step, at its end. A service that keeps a history of its own may leave out any field, which is null then.

    Attributes:
        id: Grows with every row of the database's history.
        run: The number of the run.
        service: The service's name.
        plugin: The plugin's name.
        step: The step's id; null where a version was reached without a step.
        version: The version the step belongs to.
        direction: ``"up"`` or ``"down"``.
        success: Whether it took effect.
        error: The error's text, cut and without passwords; null after a success.
        attempts: How often it was tried, the last time included; 0 where a person said that it is there, or is not.
        started_at: When it began, by the server's clock.
        executed_at: When it ended, by the server's clock.
        duration: Seconds between the two.
        checksum: The fingerprint of the step's body.
        trace_id: The trace that the run belonged to, where somebody traced it.
    """

    id: int | None
    run: int | None
    service: str | None
    plugin: str | None
    step: str | None
    version: str | None
    direction: str | None
    success: bool | None
    error: str | None
    attempts: int | None
    started_at: datetime | None
    executed_at: datetime | None
    duration: float | None
    checksum: str | None
    trace_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDocument:
    """Attempts at migration steps.

    Attributes:
        total: How many there are.
        records: The newest of them first.
    """

    total: int
    records: tuple[RecordRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderDocument:
    """Who held the migration lock.

    Attributes:
        holder: Null where nobody did.
        ended: Whether that was ended.
    """

    holder: HolderRow | None
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalDocument(RehearsalReport):
    """What a rehearsal saw; everything was rolled back.

    Attributes:
        fine: Whether it went through to its end.
    """

    fine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDocument:
    """What a check found.

    Attributes:
        valid: Whether all steps and files are as they should be.
        drift: What of declared schemas is no longer as it was brought about, each in a few words.
        lint: What a linter found; null where that was left out.
        services: What was found service by service.
    """

    valid: bool
    drift: tuple[str, ...]
    lint: FoundDocument | None
    services: tuple[StepsCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimDocument(ClaimedSteps):
    """Steps that count as applied because a person says so.

    Attributes:
        dry_run: Whether nothing was written.
    """

    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmarkDocument(UnmarkedStep):
    """A step that counts as not applied because a person says so.

    Attributes:
        dry_run: Whether nothing was written.
    """

    dry_run: bool


def report_document(report: MigrationReport, *, dry_run: bool) -> ReportDocument:
    """Return what a run did, or would do."""
    return ReportDocument(**_members(report), dry_run=dry_run)


def plan_document(report: MigrationReport, *, pending: bool) -> PlanDocument:
    """Return what a run would do, and whether that is anything."""
    return PlanDocument(**_members(report), dry_run=True, pending=pending)


def status_document(status: MigrationStatus, *, plugins: Mapping[str, str], pending: bool) -> StatusDocument:
    """Return a status, each service with its plugin."""
    return StatusDocument(
        **_members(status, but=("services", "running")),
        pending=pending,
        services=tuple(StatusRow(**_members(row), plugin=plugins.get(row.service_name)) for row in status.services),
        running=None if status.running is None else _holder_row(status.running),
    )


def status_line(seen: StatusDocument | ErrorDocument, *, at: datetime) -> StatusLine | StatusLost:
    """Return one look of several: what was seen, or why nothing was."""
    if isinstance(seen, StatusDocument):
        return StatusLine(**_members(seen), at=at)
    return StatusLost(at=at, error=seen)


def history_document(records: Sequence[Any], *, total: int) -> HistoryDocument:
    """Return records, newest first; a field that another's record lacks is null."""
    names = [member.name for member in fields(MigrationRecord)]
    return HistoryDocument(
        total=total, records=tuple(RecordRow(**{name: getattr(record, name, None) for name in names}) for record in records)
    )


def holder_document(holder: MigrationLockHolder | None, *, ended: bool) -> HolderDocument:
    """Return who held the migration lock, if anybody did, and whether that was ended."""
    return HolderDocument(holder=None if holder is None else _holder_row(holder), ended=ended)


def rehearsal_document(report: RehearsalReport) -> RehearsalDocument:
    """Return what a rehearsal saw."""
    return RehearsalDocument(**_members(report), fine=report.is_fine)


def check_document(checks: Sequence[StepsCheck], *, drift: Sequence[str] = (), lint: FoundDocument | None = None) -> CheckDocument:
    """Return what a check found; `lint` is null where that was left out."""
    is_valid = all(check.error is None for check in checks) and (lint is None or not lint["errors"])
    return CheckDocument(valid=is_valid, drift=tuple(drift), lint=lint, services=tuple(checks))


def claim_document(claim: ClaimedSteps | UnmarkedStep, *, dry_run: bool) -> ClaimDocument | UnmarkDocument:
    """Return what the ledger says by a person's word, or would say."""
    kind = ClaimDocument if isinstance(claim, ClaimedSteps) else UnmarkDocument
    return kind(**_members(claim), dry_run=dry_run)


def _holder_row(holder: MigrationLockHolder) -> HolderRow:
    return HolderRow(**_members(holder), activity=holder.activity)


def _members(value: DataclassInstance, *, but: tuple[str, ...] = ()) -> dict[str, Any]:
    return {member.name: getattr(value, member.name) for member in fields(value) if member.name not in but}
