"""The first listener: a runtime's life in the standard library's logging, under ``roost.runtime``, with each event's fields as `extra`."""

from __future__ import annotations

import logging
from functools import partial

from roost.runtime import _events as events
from roost.runtime._event_bus import EventBus
from roost.runtime._event_fields import event_fields

_log = logging.getLogger("roost.runtime")


def log_to(bus: EventBus) -> None:
    """Log what happens to a runtime as a whole, and what nobody else would hear of.

    What is raised to a caller is information here. A crash that only degrades or restarts a service is a warning, and one that stops
    the runtime an error: it may be raised where nobody reads it.
    """
    bus.subscribe(partial(_each_service, bus), events.RuntimeStartStarted)
    bus.subscribe(_started, events.RuntimeStartFinished)
    bus.subscribe(_stopped, events.RuntimeStopFinished)
    bus.subscribe(_crashed, events.ServiceCrashed)
    bus.subscribe(_restarted, events.ServiceRestarted)
    bus.subscribe(partial(_changed, "loaded"), events.PluginLoadFinished)
    bus.subscribe(partial(_changed, "unloaded"), events.PluginUnloadFinished)


def _each_service(bus: EventBus, event: events.RuntimeStartStarted) -> None:
    """Log each service's start and stop as well, from now until the runtime is stopped, where somebody wants to read that."""
    if not _log.isEnabledFor(logging.DEBUG):
        return
    ends = [
        bus.subscribe(partial(_one_begins, "starts"), events.ServiceStartStarted),
        bus.subscribe(partial(_one_service, "started"), events.ServiceStartFinished),
        bus.subscribe(partial(_one_begins, "stops"), events.ServiceStopStarted),
        bus.subscribe(partial(_one_service, "stopped"), events.ServiceStopFinished),
    ]

    def end(_event: events.RuntimeStopFinished) -> None:
        for unsubscribe in (*ends, ended):
            unsubscribe()

    ended = bus.subscribe(end, events.RuntimeStopFinished)
    _tell(logging.DEBUG, event, "starting %s", ", ".join(event.services))


def _one_begins(what: str, event: events.ServiceStartStarted | events.ServiceStopStarted) -> None:
    _tell(logging.DEBUG, event, "service %s %s", event.service, what)


def _one_service(what: str, event: events.ServiceStartFinished | events.ServiceStopFinished) -> None:
    if event.error is None:
        _tell(logging.DEBUG, event, "service %s %s in %.2f s", event.service, what, event.duration)
    else:
        _tell(logging.DEBUG, event, "service %s not %s: %s", event.service, what, event.error)


def _started(event: events.RuntimeStartFinished) -> None:
    if event.error is None:
        _tell(logging.INFO, event, "started in %.2f s", event.duration)
    else:
        _tell(logging.INFO, event, "the start failed after %.2f s: %s", event.duration, event.error)


def _stopped(event: events.RuntimeStopFinished) -> None:
    _tell(logging.INFO, event, "stopped in %.2f s%s", event.duration, "" if event.error is None else f", not cleanly: {event.error}")


def _changed(what: str, event: events.PluginLoadFinished | events.PluginUnloadFinished) -> None:
    if event.error is None:
        _tell(logging.INFO, event, "plugin %s %s in %.2f s", event.plugin, what, event.duration)
    else:
        _tell(logging.INFO, event, "plugin %s not %s cleanly: %s", event.plugin, what, event.error)


def _restarted(event: events.ServiceRestarted) -> None:
    _tell(logging.WARNING, event, "service %s runs again after %.3g s", event.service, event.delay)


def _crashed(event: events.ServiceCrashed) -> None:
    level = logging.ERROR if event.outcome == "stop" else logging.WARNING
    _tell(level, event, "service %s crashed (%s)", event.service, event.outcome, error=event.error)


def _tell(level: int, event: object, text: str, *values: object, error: BaseException | None = None) -> None:
    if _log.isEnabledFor(level):
        _log.log(level, text, *values, exc_info=error, extra=event_fields(event))
