"""What a run would do, by the plans it would make; nothing is written and no lock is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.migrations import _ledger as ledger
from roost.migrations._plan import PluginState
from roost.migrations._protocol import keeps_ledger
from roost.migrations._records import StepReport

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig
    from roost.migrations._plan import Plan
    from roost.migrations._protocol import IMigrationService
    from roost.migrations._rollback import RollbackPlan
    from roost.postgres import MigrationSession


async def dry_run_steps(
    services: Sequence[IMigrationService], session: MigrationSession | None, *, config: MigrationConfig
) -> list[StepReport]:
    """Return the steps that a run of `services` would take; services that keep no ledger can't say theirs.

    Raises:
        MigrationError: As the run would raise it before its first step.
    """
    steps: list[StepReport] = []
    for service in services:
        if keeps_ledger(service):
            state = PluginState(version=None, applied=())
            if session is not None:
                state = await ledger.plugin_state(session, service.plugin_name)
            steps.extend(planned_steps(service.plan(state, config.policy)))
    return steps


def planned_steps(plan: Plan) -> list[StepReport]:
    """Return a plan's steps as a report shows them. Pure."""
    return [
        StepReport(
            plugin=plan.plugin,
            step=planned.step.id,
            description=planned.step.description,
            version=planned.version,
            direction="up",
            sql=planned.step.up if isinstance(planned.step.up, str) else None,
        )
        for planned in plan.steps
    ]


def undone_steps(plan: RollbackPlan) -> list[StepReport]:
    """Return a rollback plan's steps as a report shows them. Pure."""
    return [
        StepReport(
            plugin=plan.plugin,
            step=undone.row.step,
            description=undone.description,
            version=undone.row.version,
            direction="down",
            sql=undone.down if isinstance(undone.down, str) else None,
        )
        for undone in plan.steps
    ]
