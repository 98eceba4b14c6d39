"""Compares what a plugin's own schema holds after a rollback with what it held before the run that was undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from roost.migrations import _ledger as ledger
from roost.migrations._events import SchemaDiffers

if TYPE_CHECKING:
    from roost.migrations._rollback import RollbackPlan
    from roost.postgres import MigrationSession


async def compare_shape(session: MigrationSession, plan: RollbackPlan, *, schema: str | None, emit: Callable[[object], None]) -> None:
    """Tell where a schema holds something else than before the run at whose beginning its plugin is again.

    Args:
        session: The run's session.
        plan: The rollback, which is done.
        schema: The plugin's own schema; None without one.
        emit: Where events go.
    """
    if plan.shape_before is None or schema is None:
        return
    found, head = await ledger.shape(session, schema, plugin=plan.plugin)
    # Behind a pooler another run may be further already.
    if head == plan.chain_after and shapes_differ(plan.shape_before, found):
        emit(SchemaDiffers(plugin=plan.plugin, schema=schema, run=plan.steps[-1].row.run))


def shapes_differ(before: str, now: str) -> bool:
    """Tell whether two shapes of a schema say that it holds something else; what was noted in other words says nothing."""
    return before != now and before.rpartition(":")[0] == now.rpartition(":")[0]
