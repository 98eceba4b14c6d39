"""What people write who come from another migration tool."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from sqlalchemy import MetaData

from roost import MigrationOrchestrator, Plugin, Runtime
from roost.interop import AlembicMigrationService, import_history
from roost.migrations import ClaimedSteps


class Migrations(AlembicMigrationService):
    directory = Path("alembic.ini")
    version_table = "versions"
    version_table_schema = "own"
    target_metadata = MetaData()


def chosen(steps: object) -> list[str]:
    """Return no step."""
    return []


async def imported(runtime: Runtime) -> None:
    """A history is named by its tool, and what is claimed is told."""
    runtime = Runtime(plugins=[Plugin("notes", services=[Migrations])])
    assert_type(await import_history(runtime, "notes", tool="alembic"), ClaimedSteps)
    assert_type(await import_history(runtime, "notes", tool="django", app="notes", dry_run=True), ClaimedSteps)
    assert_type(await MigrationOrchestrator(runtime).claim("notes", chosen, check=False), ClaimedSteps)
    assert_type(Migrations().revisions_below(["head"]), frozenset[str])
