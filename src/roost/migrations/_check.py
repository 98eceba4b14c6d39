"""What can be told of migrations without a database: that the steps can be loaded, and that files are those of their manifest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from roost.errors import RoostError, SchemaServiceMissing, SeveralMigrationServices
from roost.migrations._legacy_hook import LegacyHook
from roost.migrations._order import DATABASE_MIGRATION
from roost.migrations._outside_statements import check_outside
from roost.migrations._plan import PluginState
from roost.migrations._protocol import KeepsLedger, KeepsManifest, RegistersSchemas, keeps_ledger, keeps_schemas
from roost.migrations._records import StepsCheck

if TYPE_CHECKING:
    from roost.migrations._config import Policy
    from roost.migrations._protocol import IMigrationService
    from roost.migrations._records import ManifestChanges

_EMPTY = PluginState(version=None, applied=())


def check_services(services: Sequence[IMigrationService], *, policy: Policy, plugin: str | None, write: bool) -> list[StepsCheck]:
    """Check every service that keeps the ledger; others know for themselves what they do.

    Args:
        services: The services.
        policy: With which policy a plan is made.
        plugin: Only this plugin's.
        write: Whether manifests are written first.
    """
    keeping = [service for service in services if keeps_ledger(service) and plugin in (None, service.plugin_name)]
    return [_check_service(service, among=keeping, policy=policy, write=write) for service in keeping]


def _check_service(service: KeepsLedger, *, among: Sequence[KeepsLedger], policy: Policy, write: bool) -> StepsCheck:
    steps: int | None = None
    has_manifest: bool | None = None
    changes: ManifestChanges | None = None
    failure: RoostError | None = None
    try:
        if isinstance(service, KeepsManifest):
            changes = service.write_manifest() if write else None
            has_manifest = service.manifest_hash() is not None
            service.prove_files()
        plan = service.plan(_EMPTY, policy)
        for planned in plan.steps:
            check_outside(planned.step)
        steps = len(plan.steps) + len(plan.repeatable)
        refuse_several_chains(other for other in among if other.plugin_name == service.plugin_name)
    except RoostError as error:
        failure = error
    return StepsCheck(
        service_name=service.service_name,
        plugin=service.plugin_name,
        steps=steps,
        directory=str(service.directory) if isinstance(service, KeepsManifest) else None,
        has_manifest=has_manifest,
        changes=changes,
        error=failure,
    )


def refuse_unserved_schemas(services: Sequence[IMigrationService], *, declaring: Sequence[str]) -> None:
    """Refuse schemas that plugins declare and no service answers for.

    Args:
        services: The runtime's migration services.
        declaring: The plugins that declare a schema.

    Raises:
        SchemaServiceMissing: There are such.
    """
    if not declaring or any(keeps_schemas(service) or service.service_name == DATABASE_MIGRATION for service in services):
        return
    registered = {name for service in services if isinstance(service, RegistersSchemas) for name in service.registered_schemas()}
    unserved = tuple(name for name in declaring if name not in registered)
    if unserved:
        raise SchemaServiceMissing(plugins=unserved)


def refuse_several_chains(services: Iterable[KeepsLedger]) -> None:
    """Refuse services that each have a chain of steps for one plugin.

    Raises:
        SeveralMigrationServices: There are some.
    """
    chains: dict[str, list[str]] = {}
    for service in services:
        if not isinstance(service, LegacyHook):
            chains.setdefault(service.plugin_name, []).append(service.service_name)
    for plugin, names in chains.items():
        if len(names) > 1:
            raise SeveralMigrationServices(plugin=plugin, services=tuple(names))
