from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from roost.cli._interruption import StepsSeen, kept_of, outcome_of
from roost.migrations import StepFinished, StepStarted

STARTED = StepStarted(plugin="notes", step="kind", description="Kinds", version="1.0.0", direction="up", index=2, total=3)


def finished(error: BaseException | None) -> StepFinished:
    """Return the end of that step."""
    fields: dict[str, Any] = {"plugin": "notes", "step": "kind", "version": "1.0.0", "direction": "up", "index": 2, "total": 3}
    return StepFinished(**fields, duration=0.1, attempts=1, error=error)


@pytest.mark.parametrize(
    ("step", "is_done", "said"),
    [
        (STARTED, False, "was rolled back"),
        (STARTED, True, "was done before that was heard"),
        (replace(STARTED, direction="down"), True, "was undone before that was heard"),
        (replace(STARTED, direction="down"), False, "was rolled back"),
        (replace(STARTED, transactional=False), False, "what it had done stays"),
        (STARTED, None, "could not be asked"),
    ],
)
def test_what_became_of_the_step(step: StepStarted, *, is_done: bool | None, said: str) -> None:
    """Only a step in a transaction is said to be rolled back, and nothing is said that the ledger did not say."""
    assert said in outcome_of(step, is_done=is_done)


def test_what_events_tell() -> None:
    """A step that ended well is done; one that was interrupted is still in hand, and another event changes nothing."""
    seen = StepsSeen()
    seen.see(STARTED)
    assert (seen.done, seen.in_hand) == (0, STARTED)
    seen.see(finished(TimeoutError()))
    assert (seen.done, seen.in_hand) == (0, STARTED)
    assert kept_of(seen) == ""
    seen.see(finished(None))
    assert (seen.done, seen.in_hand) == (1, None)
    seen.see(object())
    assert (seen.done, seen.in_hand) == (1, None)
    assert kept_of(seen) == "1 step is done, and that stays"


def test_what_is_undone_is_not_told_as_done() -> None:
    """`redo` goes down and then up: each is counted by itself."""
    seen = StepsSeen()
    for _ in range(2):
        seen.see(replace(STARTED, direction="down"))
        seen.see(replace(finished(None), direction="down"))
    assert (seen.done, seen.undone, seen.in_hand) == (0, 2, None)
    assert kept_of(seen) == "2 steps are undone, and that stays"
    seen.see(STARTED)
    seen.see(finished(None))
    assert kept_of(seen) == "2 steps are undone and 1 step is done, and that stays"
