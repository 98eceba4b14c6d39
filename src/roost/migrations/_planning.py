"""Plans several services at once, ahead of what they do, with every refusal that a run would meet at its beginning or in a turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.errors import DatabaseAhead
from roost.migrations import _ledger as ledger
from roost.migrations._legacy_hook import LegacyHook
from roost.migrations._outside_statements import check_outside
from roost.migrations._plan import LEGACY_STEP, PluginState
from roost.migrations._protocol import KeepsManifest, StopsShort, keeps_ledger, keeps_schemas
from roost.migrations._requirements import check_requirements
from roost.migrations._rollback import begun_to_be_undone
from roost.migrations._status import has_work

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig, Policy
    from roost.migrations._limit import RunLimit
    from roost.migrations._plan import Plan
    from roost.migrations._protocol import IMigrationService, KeepsLedger
    from roost.migrations._records import BlockedChange
    from roost.migrations._rollback import UndoneStep
    from roost.migrations._schema_units import PlannedUnit
    from roost.postgres import Database, MigrationSession


@dataclass(frozen=True, slots=True)
class PlannedService:
    """A service and what it would run; no plan for one that keeps no ledger, which can't say it.

    `undone` is the step whose way back was begun, and is ended before the plan. `schemas` is what a service would change that answers for
    declared schemas, and `blocked` what it would refuse for fear of loss.
    """

    service: IMigrationService
    plan: Plan | None
    undone: UndoneStep | None = None
    schemas: tuple[PlannedUnit, ...] = ()
    blocked: tuple[BlockedChange, ...] = ()


async def plan_services(
    services: Sequence[IMigrationService],
    session: MigrationSession | None,
    *,
    config: MigrationConfig,
    refuse_ahead: bool,
    database: Database | None = None,
    allow_data_loss: Collection[str] = (),
    limit: RunLimit | None = None,
) -> list[PlannedService]:
    """Return what each service would run, in their order. The ledger is read, and need not be there.

    Args:
        services: The services, in the order in which they run.
        session: Where the ledger is read; without one nothing is applied.
        config: With which policy plans are made.
        refuse_ahead: Whether a database ahead of the code is an error also where the code could live with it.
        database: What a plugin's old migration function is called with, where the plans are to be carried out.
        allow_data_loss: What declared schemas may lose, by name, beside what the configuration allows.
        limit: How far the run would go; None is to the end.

    Raises:
        MigrationError: As a run raises it.
    """
    planned: list[PlannedService] = []
    for service in services:
        if keeps_schemas(service):
            schemas, blocked = await service.planned_schemas(session, allow_data_loss=allow_data_loss)
            planned.append(PlannedService(service, None, schemas=tuple(schemas), blocked=tuple(blocked)))
            continue
        if not keeps_ledger(service):
            planned.append(PlannedService(service, None))
            continue
        state = PluginState(version=None, applied=())
        if session is not None:
            state = await ledger.plugin_state(session, service.plugin_name)
        plan = _plan_of(service, state, policy=config.policy, database=database, limit=limit)
        if plan.is_ahead and refuse_ahead:
            raise DatabaseAhead(plugin=plan.plugin, steps=plan.ahead, version=plan.from_version)
        undone = None
        if session is not None and plan.is_undoing:
            with_down = await ledger.plugin_state(session, service.plugin_name, with_down=True)
            undone = begun_to_be_undone(with_down.without(LEGACY_STEP), plugin=service.plugin_name)
        planned.append(PlannedService(service, plan, undone))
    plans = [one.plan for one in planned if one.plan is not None]
    for plan in plans:
        for step in plan.steps:
            check_outside(step.step)
    _prove_files(services, plans)
    await _check_requirements(plans, session)
    return planned


def _plan_of(service: KeepsLedger, state: PluginState, *, policy: Policy, database: Database | None, limit: RunLimit | None) -> Plan:
    if isinstance(service, LegacyHook):
        return service.plan(state, policy, database=database)
    if limit is not None and isinstance(service, StopsShort):
        return limit.rest_of(service.plan_within(limit, state, policy), taken=0)
    return service.plan(state, policy)


def _prove_files(services: Sequence[IMigrationService], plans: Sequence[Plan]) -> None:
    # As a run does it: one with nothing to do looks at no file.
    if any(has_work(plan) for plan in plans):
        for service in services:
            if isinstance(service, KeepsManifest):
                service.prove_files()


async def _check_requirements(plans: Sequence[Plan], session: MigrationSession | None) -> None:
    if any(planned.step.requires for plan in plans for planned in plan.steps):
        met = set() if session is None else await ledger.applied_names(session)
        for plan in plans:
            check_requirements(plan, met)
