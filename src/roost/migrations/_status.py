"""Where one service stands, asked of the ledger for roost's own and of the service itself for others."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from roost.errors import MigrationError
from roost.migrations import _ledger as ledger
from roost.migrations._dry_run import changed_steps
from roost.migrations._plan import PluginState
from roost.migrations._protocol import keeps_ledger, keeps_schemas
from roost.migrations._reading import reading
from roost.migrations._records import ServiceStatus
from roost.migrations._versions import compare_versions

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig
    from roost.migrations._plan import Plan
    from roost.migrations._protocol import IMigrationService, KeepsSchemas
    from roost.migrations._records import ChangedStep, MigrationState
    from roost.runtime import Runtime


async def status_of(
    service: IMigrationService,
    plugin: str,
    *,
    runtime: Runtime,
    config: MigrationConfig,
    state: MigrationState,
    error: str | None,
) -> ServiceStatus:
    """Return where a service stands.

    Args:
        service: The service.
        plugin: Its plugin's name.
        runtime: Whose database is asked.
        config: With which policy a plan is made.
        state: What the service did in this process.
        error: Its last failure in this process.

    Raises:
        DatabaseError: The database can't be asked.
    """
    if keeps_schemas(service):
        return await _status_of_schemas(service, runtime=runtime, state=state, error=error)
    if not keeps_ledger(service):
        return await _status_of_other(service, plugin, state=state, error=error)
    async with reading(runtime) as session:
        found = PluginState(version=None, applied=())
        last_run, by_hand = None, 0
        if session is not None:
            found = await ledger.plugin_state(session, plugin)
            last_run = await ledger.last_run(session, plugin)
            by_hand = await ledger.steps_by_hand(session, plugin)
    pending: int | None = None
    target: str | None = None
    changed: tuple[ChangedStep, ...] = ()
    try:
        target = service.target_version()
        plan = service.plan(found, config.policy)
    except MigrationError as refusal:
        state, error = ("failed" if state == "failed" else "blocked"), error or str(refusal)
    else:
        pending = len(plan.steps) + len(plan.repeatable)
        state = "ahead" if plan.is_ahead else state
        changed = tuple(changed_steps(plan))
    return ServiceStatus(
        service_name=service.service_name,
        has_migrations=bool(found.applied or found.repeated or pending) or target is not None,
        last_run=last_run,
        version=found.version,
        target_version=target,
        pending=pending,
        state=state,
        error=error,
        changed=changed,
        steps_by_hand=by_hand,
    )


async def _status_of_schemas(service: KeepsSchemas, *, runtime: Runtime, state: MigrationState, error: str | None) -> ServiceStatus:
    async with reading(runtime) as session:
        pending = await service.pending_schemas(session)
        records = [] if session is None else await ledger.history(session, service=service.service_name)
        drifted = () if session is None else await service.drifted(session)
    return ServiceStatus(
        service_name=service.service_name,
        has_migrations=bool(service.declaring_plugins()),
        last_run=max((record.executed_at for record in records if record.success), default=None),
        version=None,
        target_version=None,
        pending=len(pending),
        state=state,
        error=error,
        drift=drifted,
    )


async def _status_of_other(service: IMigrationService, plugin: str, *, state: MigrationState, error: str | None) -> ServiceStatus:
    records = await _ask(service, "get_migration_history", default=())
    runs = [record.executed_at for record in records if getattr(record, "success", True)]
    return ServiceStatus(
        service_name=service.service_name,
        has_migrations=bool(await _ask(service, "has_plugin_migrations", plugin, default=False)),
        last_run=max(runs, default=None),
        version=await _ask(service, "get_plugin_version", plugin, default=None),
        target_version=None,
        pending=None,
        state=state,
        error=error,
    )


async def is_pending(service: IMigrationService, plugin: str, *, runtime: Runtime, config: MigrationConfig) -> bool:
    """Tell whether a service has something to run; errors as of `status_of`, and of the plan.

    A service that is not ours is asked for what it has and for the version it is at; one that can't say is passed over.
    """
    if keeps_ledger(service):
        async with reading(runtime) as session:
            found = PluginState(version=None, applied=())
            if session is not None:
                found = await ledger.plugin_state(session, plugin)
        return has_work(service.plan(found, config.policy))
    if keeps_schemas(service):
        async with reading(runtime) as session:
            return bool(await service.pending_schemas(session))
    if not await _ask(service, "has_plugin_migrations", plugin, default=False):
        return False
    return hasattr(service, "get_plugin_version") and await _ask(service, "get_plugin_version", plugin, default="") is None


def has_work(plan: Plan) -> bool:
    """Tell whether a plan changes anything: steps, a way back to be ended, or a version that is reached without one."""
    if plan.is_ahead:
        return False
    return (
        plan.is_undoing
        or bool(plan.steps or plan.repeatable)
        or (plan.target is not None and compare_versions(plan.from_version, plan.target) < 0)
    )


async def _ask(service: object, method: str, *args: object, default: Any) -> Any:  # noqa: ANN401 -- another's answer
    function = getattr(service, method, None)
    if function is None:
        return default
    answer = function(*args)
    return await answer if inspect.isawaitable(answer) else answer
