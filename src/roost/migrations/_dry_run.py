"""Puts plans into the shape of a report: what a run would do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from roost.migrations._plan import PlannedStep
from roost.migrations._records import ChangedStep, StepReport
from roost.migrations._step import sql_of

if TYPE_CHECKING:
    from roost.migrations._plan import Plan
    from roost.migrations._repeatable import PlannedRepeatable
    from roost.migrations._rollback import UndoneStep
    from roost.migrations._schema_units import PlannedUnit


def planned_steps(plan: Plan) -> list[StepReport]:
    """Return a plan's steps as a report shows them, the repeatable ones last. Pure."""
    steps: Sequence[PlannedStep | PlannedRepeatable] = (*plan.steps, *plan.repeatable)
    return [_reported(planned, plugin=plan.plugin) for planned in steps]


def planned_changes(units: Iterable[PlannedUnit]) -> list[StepReport]:
    """Return the changes of declared schemas as a report shows them. Pure."""
    return [_reported(unit.planned, plugin=unit.plugin) for unit in units]


def _reported(planned: PlannedStep | PlannedRepeatable, *, plugin: str) -> StepReport:
    return StepReport(
        plugin=plugin,
        step=planned.step.id,
        description=planned.step.description,
        version=planned.version,
        direction="up",
        sql=sql_of(planned.step.up),
        irreversible=planned.step.irreversible if isinstance(planned, PlannedStep) else None,
    )


def changed_steps(plan: Plan) -> list[ChangedStep]:
    """Return the applied steps whose bodies are others than the ones that ran, as a report shows them. Pure."""
    return [
        ChangedStep(plugin=plan.plugin, step=step, is_function=is_function)
        for steps, is_function in ((plan.changed, False), (plan.changed_functions, True))
        for step in steps
    ]


def undone_steps(steps: Sequence[UndoneStep], *, plugin: str) -> tuple[StepReport, ...]:
    """Return steps of a plugin that are to be undone as a report shows them. Pure."""
    return tuple(
        StepReport(
            plugin=plugin,
            step=undone.row.step,
            description=undone.description,
            version=undone.row.version,
            direction="down",
            sql=sql_of(undone.down),
        )
        for undone in steps
    )
