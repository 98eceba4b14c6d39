"""The runtime: services with lifetimes, the plugins that bring them, and the events they make. It knows no database."""

from roost.runtime._crashes import OnCrash, Restart
from roost.runtime._discovery import available_plugins, discover_plugins
from roost.runtime._event_bus import EventBus, EventStream
from roost.runtime._event_fields import event_fields
from roost.runtime._events import (
    PluginLoadFinished,
    PluginLoadStarted,
    PluginUnloadFinished,
    PluginUnloadStarted,
    RuntimeStartFinished,
    RuntimeStartStarted,
    RuntimeStopFinished,
    RuntimeStopStarted,
    ServiceCrashed,
    ServiceRestarted,
    ServiceStartFinished,
    ServiceStartStarted,
    ServiceStopFinished,
    ServiceStopStarted,
)
from roost.runtime._health import ServiceHealth
from roost.runtime._limits import Limits
from roost.runtime._location import location_of
from roost.runtime._main import ended_with_its_tasks
from roost.runtime._node import ServiceNode
from roost.runtime._plugin import Plugin, parse_dependency
from roost.runtime._preparer import OnDemand, Preparer
from roost.runtime._runtime import Runtime
from roost.runtime._secret import Secret
from roost.runtime._service import Service
from roost.runtime._settings import SettingInUse
from roost.runtime._settings_sources import Environment, SettingsFile
from roost.runtime._suggestions import closest
from roost.runtime._unit import State, UnitStatus

__all__ = [
    "Environment",
    "EventBus",
    "EventStream",
    "Limits",
    "OnCrash",
    "OnDemand",
    "Plugin",
    "PluginLoadFinished",
    "PluginLoadStarted",
    "PluginUnloadFinished",
    "PluginUnloadStarted",
    "Preparer",
    "Restart",
    "Runtime",
    "RuntimeStartFinished",
    "RuntimeStartStarted",
    "RuntimeStopFinished",
    "RuntimeStopStarted",
    "Secret",
    "Service",
    "ServiceCrashed",
    "ServiceHealth",
    "ServiceNode",
    "ServiceRestarted",
    "ServiceStartFinished",
    "ServiceStartStarted",
    "ServiceStopFinished",
    "ServiceStopStarted",
    "SettingInUse",
    "SettingsFile",
    "State",
    "UnitStatus",
    "available_plugins",
    "closest",
    "discover_plugins",
    "ended_with_its_tasks",
    "event_fields",
    "location_of",
    "parse_dependency",
]
