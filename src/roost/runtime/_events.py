"""What a runtime says while it lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStartStarted:
    """A runtime begins to start its services."""

    services: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStartFinished:
    """All services are started, or the start failed with `error`; after `duration` seconds."""

    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStopStarted:
    """A runtime begins to stop its services; `cause` is the crash that made it, if one did."""

    cause: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStopFinished:
    """All services are stopped or given up, after `duration` seconds."""

    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStartStarted:
    """A service begins to start."""

    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStartFinished:
    """A service has started, or failed with `error`; after `duration` seconds."""

    service: str
    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStopStarted:
    """A service begins to stop."""

    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStopFinished:
    """A service has stopped, or failed with `error`; after `duration` seconds."""

    service: str
    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCrashed:
    """A task of a running service ended with `error`; the outcome is what `on_crash` makes of it."""

    service: str
    error: BaseException
    outcome: Literal["stop", "restart", "degrade"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRestarted:
    """A crashed service runs again, after a wait of `delay` seconds."""

    service: str
    delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginLoadStarted:
    """A plugin begins to be added to a started runtime."""

    plugin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginLoadFinished:
    """A plugin is migrated and its services are started, or all of it was undone because of `error`; after `duration` seconds."""

    plugin: str
    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginUnloadStarted:
    """A plugin begins to be taken out."""

    plugin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginUnloadFinished:
    """A plugin is taken out, after `duration` seconds; `error` tells what went wrong while its services stopped."""

    plugin: str
    duration: float
    error: BaseException | None
