"""The runtime: services with lifetimes, the plugins that bring them, and the events they make. It knows no database."""

from roost.runtime._crashes import OnCrash, Restart
from roost.runtime._events import (
    EventBus,
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
from roost.runtime._plugin import Plugin, parse_dependency
from roost.runtime._preparer import OnDemand, Preparer
from roost.runtime._runtime import Runtime
from roost.runtime._service import Service
from roost.runtime._unit import State, UnitStatus

__all__ = [
    "EventBus",
    "OnCrash",
    "OnDemand",
    "Plugin",
    "Preparer",
    "Restart",
    "Runtime",
    "RuntimeStartFinished",
    "RuntimeStartStarted",
    "RuntimeStopFinished",
    "RuntimeStopStarted",
    "Service",
    "ServiceCrashed",
    "ServiceRestarted",
    "ServiceStartFinished",
    "ServiceStartStarted",
    "ServiceStopFinished",
    "ServiceStopStarted",
    "State",
    "UnitStatus",
    "parse_dependency",
]
