"""Says, when a run is interrupted, which of its steps are done, which were rolled back, and which can't be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from roost.cli._progress import shown_progress
from roost.cli._services import Reversible, plugins_of
from roost.errors import RoostError
from roost.migrations import StepFinished, StepStarted

if TYPE_CHECKING:
    from roost.cli._output import Output
    from roost.cli._workplace import Workplace
    from roost.migrations import MigrationOrchestrator

PATIENCE = 5.0
"""Seconds for the server to notice that the run's connection is closed, which takes it about one, and for a few questions."""

_PAUSE = 0.1


class StepsSeen:
    """What events have told of a run's steps.

    Attributes:
        done: How many ended well on the way up.
        undone: How many did on the way down.
        in_hand: The one that has begun and did not end, or was interrupted; None where there is none.
    """

    def __init__(self) -> None:
        self.done: int = 0
        self.undone: int = 0
        self.in_hand: StepStarted | None = None

    def see(self, event: object) -> None:
        """Take one event."""
        match event:
            case StepStarted():
                self.in_hand = event
            case StepFinished(error=None, direction="up"):
                self.done += 1
                self.in_hand = None
            case StepFinished(error=None):
                self.undone += 1
                self.in_hand = None
            case _:
                pass


@asynccontextmanager
async def explained_interruption(place: Workplace, output: Output) -> AsyncIterator[None]:
    """Show what the runtime's migrations do inside the block; when it is cancelled, say what is kept of it."""
    seen = StepsSeen()
    unsubscribe = place.runtime.events.subscribe(seen.see)
    try:
        with shown_progress(place.runtime, output):
            yield
    except asyncio.CancelledError:
        if seen.done or seen.undone or seen.in_hand is not None:
            output.note(await _explanation(place.orchestrator, seen))
        raise
    finally:
        unsubscribe()


async def _explanation(orchestrator: MigrationOrchestrator, seen: StepsSeen) -> str:
    step, kept = seen.in_hand, kept_of(seen)
    if step is None:
        return kept
    try:
        async with asyncio.timeout(PATIENCE):
            is_done = await _is_done(orchestrator, step)
    except (TimeoutError, RoostError):
        is_done = None
    outcome = f"{step.plugin} {step.index}/{step.total} {step.step} {outcome_of(step, is_done=is_done)}"
    return f"{outcome}; {kept}" if kept else outcome


def kept_of(seen: StepsSeen) -> str:
    """Say what is kept of what was done before; nothing, where nothing was. Pure."""
    counted = [(number, word) for number, word in ((seen.undone, "undone"), (seen.done, "done")) if number]
    told = [f"{number} {'step is' if number == 1 else 'steps are'} {word}" for number, word in counted]
    return f"{' and '.join(told)}, and that stays" if told else ""


def outcome_of(step: StepStarted, *, is_done: bool | None) -> str:
    """Say what became of the step that was in hand. Pure.

    Args:
        step: The step.
        is_done: Whether the ledger says that it was done, or undone; None where it could not be asked.
    """
    if is_done is None:
        return "was in hand, and the database could not be asked what became of it: roost status tells"
    if is_done:
        return f"was {'done' if step.direction == 'up' else 'undone'} before that was heard"
    if step.transactional:
        return "was rolled back"
    return "runs outside a transaction, so what it had done stays: the next run looks how far it is, and goes on"


async def _is_done(orchestrator: MigrationOrchestrator, step: StepStarted) -> bool | None:
    """Ask the ledger, once the run's server process has ended: what it was sent it may still have carried out."""
    while await orchestrator.get_lock_holder() is not None:  # noqa: ASYNC110 -- it is the server's state, which tells nobody
        await asyncio.sleep(_PAUSE)
    services = orchestrator.get_migration_services()
    if step.direction == "down":
        able = next((one for one in services if isinstance(one, Reversible) and one.plugin_name == step.plugin), None)
        if able is None:
            return None
        left = await able.rollback(dry_run=True, skip_irreversible=True)
        return step.step not in {*(one.step for one in left.steps), *(one.step for one in left.skipped)}
    plugins = plugins_of(services)
    status = await orchestrator.get_migration_status()
    pending = next((row.pending for row in status.services if plugins.get(row.service_name) == step.plugin), None)
    return None if pending is None else step.total - pending >= step.index
