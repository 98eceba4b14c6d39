"""Which migration services have something to do, and which steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.migrations import MigrationOrchestrator, MigrationStatus


async def pending_steps(orchestrator: MigrationOrchestrator) -> frozenset[tuple[str, str]]:
    """Return the steps that a run would take now, each as its plugin and its id."""
    report = await orchestrator.run_all_migrations(dry_run=True)
    return frozenset((step.plugin, step.step) for step in report.steps)


async def pending_services(orchestrator: MigrationOrchestrator, status: MigrationStatus) -> tuple[str, ...]:
    """Return the names of those that have; where something is pending and nobody can say whose it is, of all.

    Args:
        orchestrator: Asked where the status leaves it open.
        status: What the orchestrator has just said.
    """
    found = tuple(row.service_name for row in status.services if row.pending)
    # A version may be due without a step, and services that are not roost's know for themselves.
    if found or not await orchestrator.has_pending_migrations():
        return found
    return tuple(row.service_name for row in status.services)
