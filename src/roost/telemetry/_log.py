"""Tells a runtime's migrations in the standard library's logging, under ``roost.migrations``; the runtime itself logs the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from roost import migrations
from roost.migrations import narrate
from roost.runtime import event_fields

if TYPE_CHECKING:
    from roost.errors import Blocker
    from roost.runtime import Runtime

_log = logging.getLogger("roost.migrations")

LEVELS: dict[type, int] = {
    migrations.RunStarted: logging.DEBUG,
    migrations.RunFinished: logging.INFO,
    migrations.LockWaitStarted: logging.INFO,
    migrations.LockHolderSeen: logging.DEBUG,
    migrations.LockWaitFinished: logging.INFO,
    migrations.ServiceMigrationStarted: logging.DEBUG,
    migrations.ServiceMigrationFinished: logging.DEBUG,
    migrations.StepStarted: logging.DEBUG,
    migrations.StepFinished: logging.INFO,
    migrations.StepRetried: logging.WARNING,
    migrations.StepBlocked: logging.WARNING,
    migrations.StepProgressed: logging.DEBUG,
    migrations.StepSkipped: logging.WARNING,
    migrations.SchemaDiffers: logging.WARNING,
    migrations.SessionReopened: logging.WARNING,
    migrations.StepOutcomeLearned: logging.WARNING,
    migrations.DatabaseAheadNoticed: logging.WARNING,
    migrations.StepsChanged: logging.WARNING,
    migrations.PolicyNoticed: logging.WARNING,
    migrations.RepeatableStepsLeft: logging.WARNING,
    migrations.RehearsalStarted: logging.DEBUG,
    migrations.RehearsalFinished: logging.INFO,
    migrations.StepRehearsalStarted: logging.DEBUG,
    migrations.StepRehearsalFinished: logging.INFO,
}
"""Each event of migrations, and the level at which it is told when nothing went wrong."""


def log_events(runtime: Runtime) -> Callable[[], None]:
    """Log what a runtime's migrations do, each event with its fields as `extra`.

    A step, a run and a wait for the lock are information at their end; what somebody should look at, such as a step that failed, is
    tried again or is blocked, is a warning; the rest is for those who debug. A run with nothing to do is for them too. The logger is
    ``roost.migrations``; ``roost.runtime``, for services, needs no call.

    Args:
        runtime: The runtime.

    Returns:
        Ends it when called.
    """
    # By their names, so that an event that nobody listens to still costs nothing. Who is waited for is even looked up only for listeners.
    wanted = [kind for kind in LEVELS if kind is not migrations.LockHolderSeen or _log.isEnabledFor(LEVELS[kind])]
    ends = [runtime.events.subscribe(_tell, kind) for kind in wanted]

    def end() -> None:
        for unsubscribe in ends:
            unsubscribe()

    return end


def level_of(event: object) -> int:
    """Return the level of an event: where it tells an error, at least a warning; a run with nothing to do is for those who debug."""
    usual = LEVELS.get(type(event), logging.DEBUG)
    if getattr(event, "error", None) is not None:
        return max(usual, logging.WARNING) if usual >= logging.INFO else usual
    if isinstance(event, migrations.RunFinished) and event.steps == 0:
        return logging.DEBUG
    return usual


def line_of(event: object) -> str:  # noqa: C901, PLR0911 -- a table: one line for one event
    """Return an event in one line, in which what happened can be told without the lines around it."""
    match event:
        case migrations.RunStarted():
            return f"a run begins: {', '.join(event.services)}"
        case migrations.RunFinished(error=BaseException() as error):
            return f"the run failed after {event.duration:.2f} s and {event.steps} steps: {_first_line(error)}"
        case migrations.RunFinished(steps=0):
            return "the run ended with nothing done"
        case migrations.ServiceMigrationStarted():
            return f"{event.plugin}: service {event.service} begins"
        case migrations.ServiceMigrationFinished():
            outcome = "done" if event.error is None else "failed"
            return f"{event.plugin}: service {event.service} {outcome}, {event.steps} steps in {event.duration:.2f} s"
        case migrations.LockWaitFinished(error=BaseException() as error):
            return f"waited {event.duration:.1f} s in vain: {_first_line(error)}"
        case migrations.StepFinished():
            outcome = f"done in {event.duration:.2f} s" if event.error is None else f"FAILED: {_first_line(event.error)}"
            return f"{event.plugin} {event.index}/{event.total} {event.direction} {event.step}: {outcome}"
        case migrations.StepBlocked():
            return f"{event.plugin}: {event.step} waits for {'; '.join(map(_named, event.blockers))}"
        case migrations.RehearsalStarted():
            return f"a rehearsal begins: {', '.join(event.services)}"
        case migrations.RehearsalFinished():
            outcome = "rolled back" if event.error is None else f"broken off: {_first_line(event.error)}"
            return f"rehearsed {event.steps} steps in {event.duration:.2f} s; {outcome}"
        case _:
            return narrate(event) or type(event).__name__


def _tell(event: object) -> None:
    level = level_of(event)
    if not _log.isEnabledFor(level):
        return
    extra = event_fields(event)
    if isinstance(event, migrations.StepBlocked):
        extra["roost_blockers"] = [blocker.pid for blocker in event.blockers]
    _log.log(level, "%s", line_of(event), extra=extra)


def _named(blocker: Blocker) -> str:
    # Without its statement, which is somebody else's and may hold a password.
    age = "" if blocker.seconds is None else f" for {blocker.seconds:.1f} s"
    return f"server process {blocker.pid} ({blocker.application_name}), {blocker.state}{age}"


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
