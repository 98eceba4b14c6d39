"""Puts results into the shapes that ``--json`` prints. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roost.cli._lint_listing import shown_path
from roost.cli._output import error_document
from roost.migrations import MigrationLockHolder, MigrationRecord, MigrationReport, MigrationStatus, RehearsalReport, StepsCheck

if TYPE_CHECKING:
    from roost.lint import LintReport


def status_document(status: MigrationStatus, *, plugins: Mapping[str, str], pending: bool) -> dict[str, Any]:
    """Return a status as plain data, each service with its plugin."""
    return {
        "pending": pending,
        "total_services": status.total_services,
        "last_migration": status.last_migration,
        "services": [{"plugin": plugins.get(row.service_name), **asdict(row)} for row in status.services],
        "unclaimed": [asdict(plugin) for plugin in status.unclaimed],
        "running": None if status.running is None else _plain_holder(status.running),
    }


def history_document(records: Sequence[Any], *, total: int) -> dict[str, Any]:
    """Return records as plain data, newest first; a field that another's record lacks is null."""
    names = [field.name for field in fields(MigrationRecord)]
    return {
        "total": total,
        "records": [{name: getattr(record, name, None) for name in names} for record in records],
    }


def holder_document(holder: MigrationLockHolder | None, *, ended: bool) -> dict[str, Any]:
    """Return who held the migration lock, if anybody did, and whether that was ended."""
    return {"holder": None if holder is None else _plain_holder(holder), "ended": ended}


def _plain_holder(holder: MigrationLockHolder) -> dict[str, Any]:
    return {**asdict(holder), "activity": holder.activity}


def report_document(report: MigrationReport, *, dry_run: bool) -> dict[str, Any]:
    """Return what a run did, or would do, as plain data."""
    return {"dry_run": dry_run, **asdict(report)}


def rehearsal_document(report: RehearsalReport) -> dict[str, Any]:
    """Return what a rehearsal saw as plain data."""
    return {
        "fine": report.is_fine,
        "broken_off": report.broken_off,
        "waited": report.waited,
        "duration": report.duration,
        "held": [asdict(held) for held in report.held],
        "sequences": report.sequences,
        "blocked": [asdict(change) for change in report.blocked],
        "steps": [
            {**asdict(replace(step, error=None)), "error": None if step.error is None else error_document(step.error)}
            for step in report.steps
        ],
    }


def lint_document(report: LintReport, *, postgres_version: str, base: Path) -> dict[str, Any]:
    """Return what a linter found as plain data; files below `base` are named from there."""
    return {
        "postgres_version": postgres_version,
        "errors": report.errors,
        "warnings": report.warnings,
        "texts": report.texts,
        "functions": report.functions,
        "installed": report.installed,
        "ignored": report.ignored,
        "findings": [
            {**asdict(found), "path": None if found.path is None else shown_path(found.path, base=base)} for found in report.findings
        ],
    }


def check_document(checks: Sequence[StepsCheck], *, drift: Sequence[str] = (), lint: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a check found as plain data; `lint` is null where that was left out."""
    return {
        "valid": all(check.error is None for check in checks) and (lint is None or not lint["errors"]),
        "drift": list(drift),
        "lint": lint,
        "services": [
            {
                "plugin": check.plugin,
                "service_name": check.service_name,
                "steps": check.steps,
                "directory": check.directory,
                "has_manifest": check.has_manifest,
                "changes": None if check.changes is None else asdict(check.changes),
                "error": None if check.error is None else error_document(check.error),
            }
            for check in checks
        ],
    }
