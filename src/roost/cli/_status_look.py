"""One look at where every migration service stands, as it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.cli._changes import tell_changes, tell_drift
from roost.cli._documents import StatusDocument, status_document
from roost.cli._exit_codes import ExitCode
from roost.cli._pending import pending_services
from roost.cli._services import plugins_of
from roost.cli._tables import holder_table, status_table, unclaimed_table

if TYPE_CHECKING:
    from rich.table import Table

    from roost.cli._output import Output
    from roost.migrations import MigrationOrchestrator, MigrationStatus

_BROKEN = frozenset({"failed", "blocked"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLook:
    """What was seen.

    Attributes:
        status: What the orchestrator says.
        document: The same as plain data.
        tables: The same for people.
        exit_code: What the command's exit code is.
    """

    status: MigrationStatus
    document: StatusDocument
    tables: tuple[Table, ...]
    exit_code: ExitCode

    def show(self, output: Output) -> None:
        """Print it, and what else is to be known."""
        output.result(self.document, *self.tables)
        tell_changes(output, [changed for row in self.status.services for changed in row.changed])
        tell_drift(output, [drift for row in self.status.services for drift in row.drift])


async def look(orchestrator: MigrationOrchestrator) -> StatusLook:
    """Look once; errors as the orchestrator raises them."""
    found = await orchestrator.get_migration_status()
    broken = any(row.state in _BROKEN for row in found.services)
    pending = any(row.pending for row in found.services) if broken else bool(await pending_services(orchestrator, found))
    plugins = plugins_of(orchestrator.get_migration_services())
    tables = [status_table(found, plugins=plugins)]
    if found.unclaimed:
        tables.append(unclaimed_table(found.unclaimed))
    if found.running is not None:
        tables.append(holder_table(found.running))
    return StatusLook(
        status=found,
        document=status_document(found, plugins=plugins, pending=pending),
        tables=tuple(tables),
        exit_code=ExitCode.FAILED if broken else ExitCode.PENDING if pending else ExitCode.FINE,
    )
