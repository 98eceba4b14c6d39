"""What the orchestrator asks of a migration service, and the extra powers of those that keep the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from weakref import WeakSet

from typing_extensions import TypeIs

if TYPE_CHECKING:
    from roost.migrations._config import Policy
    from roost.migrations._limit import RunLimit
    from roost.migrations._plan import Plan, PluginState
    from roost.migrations._records import BlockedChange, ManifestChanges
    from roost.migrations._schema_units import PlannedUnit
    from roost.migrations._step import MigrationStep
    from roost.postgres import MigrationSession
    from roost.runtime import Runtime


@runtime_checkable
class IMigrationService(Protocol):
    """A migration service, whoever wrote it.

    A service that only satisfies this, without the base class, is found, ordered and awaited under the lock. What it does is its
    own: roost keeps no ledger for it and awaits it at every start, so its work is done at least once and must bear that.
    """

    @property
    def service_name(self) -> str:
        """Names the service."""

    @property
    def service_type(self) -> str | None:
        """``"migration"``."""

    def run_migrations(self, runtime: Runtime, /) -> Awaitable[Any]:
        """Bring the database to where this service wants it."""

    def get_migration_history(self, plugin_name: str | None = None, /) -> Awaitable[Sequence[Any]]:
        """Return the attempts of this service; each has an ``executed_at``, an aware datetime."""

    def get_plugin_version(self, plugin_name: str, /) -> Awaitable[str | None]:
        """Return the version a plugin is at; None when nothing of it is applied."""

    def has_plugin_migrations(self, plugin_name: str, /) -> bool | Awaitable[bool]:
        """Tell whether the service brings migrations for a plugin."""


class KeepsLedger(Protocol):
    """A migration service whose steps are in roost's ledger, so that it can be planned, and a start with nothing to do is one look."""

    @property
    def service_name(self) -> str:
        """Names the service."""

    @property
    def plugin_name(self) -> str:
        """The plugin whose chain of steps this is."""

    def declaration(self, policy: Policy, /) -> str:
        """Return the digest of what the code declares."""

    def plan(self, state: PluginState, policy: Policy, /) -> Plan:
        """Decide what is to be run."""

    def target_version(self) -> str | None:
        """Return the version the code aims at."""


@runtime_checkable
class RegistersSchemas(Protocol):
    """A migration service at which the schemas of plugins can be registered."""

    def registered_schemas(self) -> Mapping[str, object]:
        """Return what was registered, by plugin."""


class KeepsSchemas(Protocol):
    """A migration service that answers for the schemas which several plugins declare, so that a start with nothing to do is one look."""

    @property
    def service_name(self) -> str:
        """Names the service."""

    def declaring_plugins(self) -> Sequence[str]:
        """Return the plugins that declare a schema."""

    def declarations(self) -> Mapping[str, str]:
        """Return the digest of what each of them declares."""

    def planned_schemas(
        self, session: MigrationSession | None, /, *, allow_data_loss: Collection[str] = ()
    ) -> Awaitable[tuple[list[PlannedUnit], list[BlockedChange]]]:
        """Return what a run would change, and what it would refuse for fear of loss."""

    def pending_schemas(self, session: MigrationSession | None, /) -> Awaitable[Sequence[str]]:
        """Return the plugins whose declaration is another than the one that was brought about last."""

    def drifted(self, session: MigrationSession, plugin_name: str | None = None, /) -> Awaitable[tuple[str, ...]]:
        """Tell what is no longer as it was brought about."""


@runtime_checkable
class KnowsItsSteps(Protocol):
    """A migration service that can tell all its steps, so that what they leave in a database can be claimed, and looked for."""

    @property
    def schema(self) -> str | None:
        """The PostgreSQL schema for the steps' unqualified names; None is ``public``."""

    def known_steps(self, state: PluginState, /) -> Sequence[MigrationStep]:
        """Return all steps of the plugin, in order."""

    def plan_up_to(self, version: str, state: PluginState, policy: Policy, /) -> Plan:
        """Decide what is to be run up to a version."""


@runtime_checkable
class StopsShort(Protocol):
    """A migration service in the middle of which a run can stop: at a version, or after a number of steps."""

    def plan_within(self, limit: RunLimit, state: PluginState, policy: Policy, /) -> Plan:
        """Decide what is to be run up to the version of a limit."""


@runtime_checkable
class PlansBehind(Protocol):
    """A migration service that can plan as if steps that are to be claimed came first."""

    def plan_behind(self, claimed: Collection[str], state: PluginState, policy: Policy, /) -> Plan:
        """Decide what is to be run, with these steps in front where their order allows it."""


@runtime_checkable
class KeepsManifest(Protocol):
    """A migration service whose steps are files in a folder, for which a manifest may stand."""

    @property
    def directory(self) -> str | Path:
        """The folder."""

    def manifest_hash(self) -> str | None:
        """Return what stands for all files, without looking at one; None where there is no manifest."""

    def prove_files(self) -> None:
        """Hold the files against the manifest."""

    def write_manifest(self) -> ManifestChanges:
        """Write the manifest as the files are now."""


def keeps_ledger(service: object) -> TypeIs[KeepsLedger]:
    """Tell whether a service keeps the ledger."""
    return _has_all(service, _KEEPS_LEDGER, _keeping_ledger)


def keeps_schemas(service: object) -> TypeIs[KeepsSchemas]:
    """Tell whether a service answers for declared schemas."""
    return _has_all(service, _KEEPS_SCHEMAS, _keeping_schemas)


def plugins_of(service: object) -> frozenset[str]:
    """Return the plugins whose place in the ledger a service answers for; none of a service that keeps no ledger."""
    if keeps_ledger(service):
        return frozenset({service.plugin_name})
    return frozenset(service.declaring_plugins()) if keeps_schemas(service) else frozenset()


def _has_all(service: object, names: tuple[str, ...], found: WeakSet[type]) -> bool:
    """Tell whether a service has what a protocol asks for.

    Every start asks this of every service, several times, and `isinstance` of a Protocol takes ten times as long.
    """
    cls = type(service)  # asked first, as the instance would work its properties out
    if cls in found:
        return True
    if all(hasattr(cls, name) for name in names):
        found.add(cls)
        return True
    return all(hasattr(cls, name) or hasattr(service, name) for name in names)


_KEEPS_LEDGER = ("declaration", "plan", "target_version", "plugin_name", "service_name")
_KEEPS_SCHEMAS = ("declaring_plugins", "declarations", "planned_schemas", "pending_schemas", "drifted", "service_name")
_keeping_ledger: WeakSet[type] = WeakSet()
_keeping_schemas: WeakSet[type] = WeakSet()
"""Classes that were found to have all of these."""
