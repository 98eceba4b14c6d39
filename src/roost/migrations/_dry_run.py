"""What a run would do, by the plans it would make; nothing is written and no lock is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.errors import DatabaseAhead
from roost.migrations import _ledger as ledger
from roost.migrations._outside_statements import check_outside
from roost.migrations._plan import PlannedStep, PluginState
from roost.migrations._protocol import keeps_ledger
from roost.migrations._records import ChangedStep, StepReport
from roost.migrations._requirements import check_requirements

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig
    from roost.migrations._plan import Plan
    from roost.migrations._protocol import IMigrationService
    from roost.migrations._repeatable import PlannedRepeatable
    from roost.migrations._rollback import RollbackPlan
    from roost.postgres import MigrationSession


async def dry_run_plans(
    services: Sequence[IMigrationService], session: MigrationSession | None, *, config: MigrationConfig, refuse_ahead: bool
) -> list[Plan]:
    """Return the plans that a run of `services` would carry out; services that keep no ledger can't say theirs.

    Args:
        services: The services in their order.
        session: Where the ledger is read; None without a database.
        config: With which policy plans are made.
        refuse_ahead: Whether the run would refuse a database that is ahead of the code also where the code could live with it.

    Raises:
        MigrationError: As the run would raise it before a step of that service.
    """
    plans: list[Plan] = []
    met: set[str] | None = None
    for service in services:
        if not keeps_ledger(service):
            continue
        state = PluginState(version=None, applied=())
        if session is not None:
            state = await ledger.plugin_state(session, service.plugin_name)
        plan = service.plan(state, config.policy)
        if plan.is_ahead and refuse_ahead:
            raise DatabaseAhead(plugin=plan.plugin, steps=plan.ahead, version=plan.from_version)
        if met is None and any(planned.step.requires for planned in plan.steps):
            met = set() if session is None else await ledger.applied_names(session)
            met.update(f"{earlier.plugin}:{planned.step.id}" for earlier in plans for planned in earlier.steps)
        if met is not None:
            check_requirements(plan, met)
        for planned in plan.steps:
            check_outside(planned.step)
        plans.append(plan)
    return plans


def planned_steps(plan: Plan) -> list[StepReport]:
    """Return a plan's steps as a report shows them, the repeatable ones last. Pure."""
    steps: Sequence[PlannedStep | PlannedRepeatable] = (*plan.steps, *plan.repeatable)
    return [
        StepReport(
            plugin=plan.plugin,
            step=planned.step.id,
            description=planned.step.description,
            version=planned.version,
            direction="up",
            sql=planned.step.up if isinstance(planned.step.up, str) else None,
            irreversible=planned.step.irreversible if isinstance(planned, PlannedStep) else None,
        )
        for planned in steps
    ]


def changed_steps(plan: Plan) -> list[ChangedStep]:
    """Return the applied steps whose bodies are others than the ones that ran, as a report shows them. Pure."""
    return [
        ChangedStep(plugin=plan.plugin, step=step, is_function=is_function)
        for steps, is_function in ((plan.changed, False), (plan.changed_functions, True))
        for step in steps
    ]


def undone_steps(plan: RollbackPlan) -> tuple[StepReport, ...]:
    """Return a rollback plan's steps as a report shows them. Pure."""
    return tuple(
        StepReport(
            plugin=plan.plugin,
            step=undone.row.step,
            description=undone.description,
            version=undone.row.version,
            direction="down",
            sql=undone.down if isinstance(undone.down, str) else None,
        )
        for undone in plan.steps
    )
