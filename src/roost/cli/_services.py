"""Which migration services there are, by plugin, and which of them a command means. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from roost.errors import BadUsage

if TYPE_CHECKING:
    from roost.migrations import IMigrationService, MigrationReport


class _OfPlugin(Protocol):
    @property
    def service_name(self) -> str:
        """The service's name."""
        ...

    @property
    def plugin_name(self) -> str:
        """The plugin whose migrations these are."""
        ...


@runtime_checkable
class Upgradable(_OfPlugin, Protocol):
    """A migration service that can take a part of what is pending."""

    async def upgrade(self, version: str | None = None, *, steps: int | None = None, dry_run: bool = False) -> MigrationReport:
        """Run steps up to a version, or so many; without both, all of them."""
        ...


@runtime_checkable
class Reversible(_OfPlugin, Protocol):
    """A migration service that can undo what it did."""

    async def rollback(
        self,
        version: str | None = None,
        *,
        steps: int | None = None,
        run: int | None = None,
        dry_run: bool = False,
        skip_irreversible: bool = False,
    ) -> MigrationReport:
        """Undo steps; without a version, a number and a run, all of them."""
        ...


S = TypeVar("S", bound=_OfPlugin)


def plugins_of(services: Sequence[IMigrationService]) -> dict[str, str]:
    """Return each service's plugin by the service's name; its own name where it says no other."""
    return {service.service_name: str(getattr(service, "plugin_name", service.service_name)) for service in services}


def plugin_to_import(plugin: str | None, services: Sequence[IMigrationService]) -> str:
    """Choose the plugin into which a history is imported.

    Args:
        plugin: What ``--plugin`` says; it may be left out where only one plugin has steps.
        services: The runtime's migration services.

    Raises:
        BadUsage: There is no such plugin, or it is not said, and there are several, or none.
    """
    if plugin is not None:
        refuse_unknown_plugin(plugin, services)
        return plugin
    names = sorted({str(getattr(service, "plugin_name", "")) for service in services if hasattr(service, "known_steps")})
    if len(names) != 1:
        raise BadUsage(
            reason="Several plugins have migrations" if names else "No plugin of this runtime has migrations",
            remedy=f"say with --plugin whose history it is: {', '.join(names)}"
            if names
            else "give one the steps that the history tells of",
        )
    return names[0]


def refuse_unknown_plugin(plugin: str, services: Sequence[IMigrationService]) -> None:
    """Refuse a plugin's name that no service answers to.

    Raises:
        BadUsage: There is no such plugin.
    """
    declaring = {name for service in services for name in getattr(service, "declaring_plugins", tuple)()}
    known = sorted({*plugins_of(services).values(), *declaring})
    if plugin not in known:
        from roost.runtime import closest  # noqa: PLC0415 -- `roost --help` needs no runtime

        meant = closest(plugin, known)
        raise BadUsage(
            reason=f"No plugin {plugin!r} has migrations in this runtime",
            remedy=f"did you mean {' or '.join(meant)}?" if meant else f"there are: {', '.join(known) or 'none'}",
        )


def service_to_undo(services: Sequence[IMigrationService], *, plugin: str | None) -> Reversible:
    """Choose the service that a rollback means.

    Args:
        services: The runtime's migration services.
        plugin: What ``--plugin`` says; it may be left out where only one plugin has steps.

    Raises:
        BadUsage: It leads to no service, or to several.
    """
    able = [service for service in services if isinstance(service, Reversible)]
    return _chosen(able, services, plugin=plugin, can="can roll back", otherwise="a declared schema goes back by declaring what it was")


def service_to_upgrade(services: Sequence[IMigrationService], *, plugin: str | None) -> Upgradable:
    """Choose the service of which a part is to be run; arguments and errors as of `service_to_undo`."""
    able = [service for service in services if isinstance(service, Upgradable)]
    return _chosen(able, services, plugin=plugin, can="can be run in part", otherwise="roost up runs all there is")


def _chosen(able: Sequence[S], services: Sequence[IMigrationService], *, plugin: str | None, can: str, otherwise: str) -> S:
    if plugin is not None:
        refuse_unknown_plugin(plugin, services)
    names = sorted({service.plugin_name for service in able})
    if plugin is None and len(names) > 1:
        raise BadUsage(reason="Several plugins have migrations", remedy=f"say which with --plugin: {', '.join(names)}")
    chosen = [service for service in able if plugin in (None, service.plugin_name)]
    if not chosen:
        what = "No plugin" if plugin is None else f"Plugin {plugin} has no service that"
        raise BadUsage(reason=f"{what} {can}", remedy=f"these can: {', '.join(names)}" if names else otherwise)
    return chosen[0]
