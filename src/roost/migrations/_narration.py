"""Puts migration events into one line each, for a terminal or a log. Pure."""

from __future__ import annotations

import asyncio

from roost.migrations import _events as events


def narrate(event: object) -> str | None:  # noqa: C901, PLR0911, PLR0912 -- a table: one line for one event
    """Return an event as a line of English; None for events that a reader can do without."""
    match event:
        case events.LockWaitStarted(holder=holder):
            return f"waiting for another run ({holder or 'unknown'})"
        case events.LockHolderSeen(holder=holder):
            place = f" on {holder.client_host}" if holder.client_host else ""
            return f"the other run{place}: {holder.application_name}"
        case events.LockWaitFinished(acquired=acquired, duration=duration, error=None):
            return f"waited {duration:.1f} s; " + ("it is our turn" if acquired else "the other run did it all")
        case events.ServiceMigrationFinished(error=None, steps=0) if event.version is not None:
            return f"Plugin {event.plugin} is already at version {event.version}"
        case events.StepStarted():
            arrow = "up" if event.direction == "up" else "down"
            return f"{event.plugin} {event.index}/{event.total} {arrow} {event.step}: {event.description}"
        case events.StepFinished(error=None):
            return f"{event.plugin} {event.index}/{event.total} done in {event.duration:.2f} s"
        case events.StepFinished(error=asyncio.CancelledError()):
            return f"{event.plugin} {event.index}/{event.total} interrupted"
        case events.StepFinished():
            return f"{event.plugin} {event.index}/{event.total} FAILED: {_first_line(event.error)}"
        case events.StepRetried():
            return f"{event.plugin}: {event.step} is tried again after: {_first_line(event.error)}"
        case events.StepBlocked():
            return f"{event.plugin}: {event.step} waits for {'; '.join(map(str, event.blockers))}"
        case events.StepProgressed():
            share = f" {event.done * 100 // event.total}%" if event.total else ""
            return f"{event.plugin}: {event.step} {event.phase}{share}"
        case events.StepSkipped():
            reason = f" ({event.reason})" if event.reason else ""
            return f"{event.plugin}: {event.step} has no way back and is left in place{reason}"
        case events.SchemaDiffers():
            return (
                f"warning: {event.plugin}: schema {event.schema} is not what it was before run {event.run}; compare its ways there and back"
            )
        case events.SessionReopened():
            return f"the connection broke and was made again: {_first_line(event.error)}"
        case events.StepOutcomeLearned():
            outcome = "it was applied" if event.is_applied else "it was not applied, and is run again"
            return f"{event.plugin}: the connection broke in {event.step}; the ledger says that {outcome}"
        case events.DatabaseAheadNoticed():
            steps = ", ".join(event.steps) or f"version {event.version}"
            return f"Plugin {event.plugin}: the database is ahead of this code ({steps})"
        case events.StepsChanged():
            steps = ", ".join(event.steps)
            return (
                f"Plugin {event.plugin}: steps were edited after they ran, and are not run again: {steps}; what they lack is for a new step"
            )
        case events.RepeatableStepsLeft():
            return f"Plugin {event.plugin}: what these steps made is still there, and they are no longer declared: {', '.join(event.steps)}"
        case events.PolicyNoticed():
            return f"Plugin {event.plugin}: {event.notice}"
        case events.StepRehearsalStarted():
            return f"{event.plugin} {event.index}/{event.total} rehearse {event.step}: {event.description}"
        case events.StepRehearsalFinished(outcome="rehearsed"):
            return f"{event.plugin} {event.index}/{event.total} rehearsed in {event.duration:.2f} s"
        case events.StepRehearsalFinished(outcome="not rehearsed"):
            return f"{event.plugin} {event.index}/{event.total} not rehearsed: {event.reason}"
        case events.StepRehearsalFinished():
            return f"{event.plugin} {event.index}/{event.total} FAILED: {_first_line(event.error)}"
        case events.RunFinished(error=None, steps=0):
            return "nothing to do: the database is where the plugins want it"
        case events.RunFinished(error=None):
            return f"{event.steps} steps in {event.duration:.2f} s"
        case _:
            return None


def _first_line(error: BaseException | None) -> str:
    return str(error).partition("\n")[0]
