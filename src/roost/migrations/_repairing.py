"""Writes down, under the lock, what a person found out about a step in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.errors import NoDatabase, UnknownMigrationPlugin
from roost.migrations import _ledger as ledger
from roost.migrations._legacy_hook import LegacyHook
from roost.migrations._plan import LEGACY_STEP
from roost.migrations._reading import reading
from roost.migrations._records import RepairedStep
from roost.migrations._repair import doubtful_row, plan_repair, repairing
from roost.runtime import closest

if TYPE_CHECKING:
    from roost.migrations._plan import PluginState
    from roost.migrations._protocol import KeepsLedger
    from roost.migrations._run import MigrationRun
    from roost.runtime import Runtime


def index_of(services: Sequence[KeepsLedger], *, plugin: str, step: str) -> int:
    """Return which of the services has a plugin's step.

    Raises:
        UnknownMigrationPlugin: None keeps steps for that plugin.
    """
    found = [index for index, service in enumerate(services) if service.plugin_name == plugin]
    if not found:
        known = tuple(sorted({service.plugin_name for service in services}))
        raise UnknownMigrationPlugin(plugin=plugin, known=known, suggestions=closest(plugin, known))
    return next((index for index in found if isinstance(services[index], LegacyHook) == (step == LEGACY_STEP)), found[0])


async def check_doubt(runtime: Runtime, *, plugin: str, step: str) -> None:
    """Look without the lock whether a step is in doubt, so that a mistyped name opens no run.

    Raises:
        StepNotInDoubt: It is not.
        NoDatabase: The runtime has no database.
        DatabaseError: The database can't be asked.
    """
    async with reading(runtime) as session:
        if session is None:
            raise NoDatabase(services=(f"the repair of plugin {plugin}",))
        doubtful_row(await ledger.plugin_state(session, plugin), plugin=plugin, step=step)


async def repair(run: MigrationRun, service: KeepsLedger, *, step: str, done: bool) -> RepairedStep:
    """Repair a step in a run's turn.

    Args:
        run: The run.
        service: The service whose step it is.
        step: The step's id.
        done: Whether its effect is there.

    Returns:
        What the ledger says then.

    Raises:
        StepNotInDoubt: Somebody else has repaired it meanwhile.
        MigrationLockLost: The run's turn is over; nothing was written.
    """
    plugin = service.plugin_name
    found = plan_repair(service, _own(await run.state(plugin), step), step=step, done=done)
    await run.in_turn(lambda turn: repairing(turn, found), plugin=plugin, service=service.service_name)
    return RepairedStep(plugin=plugin, step=step, was=found.row.state, done=done, version=found.version_after, run=run.number)


def _own(state: PluginState, step: str) -> PluginState:
    # The plugin's old migration function stands in no order with its steps.
    return state.only(step) if step == LEGACY_STEP else state.without(LEGACY_STEP)
