"""Decides which steps may share a message: several transactions, one round trip. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.migrations._in_hand import StepInHand

MOST_STEPS = 100
MOST_CHARACTERS = 1_000_000
"""A message is read whole by the server before its first statement runs."""


def in_batches(steps: Sequence[StepInHand]) -> Iterator[slice]:
    """Split steps, in their order, into those that are sent together.

    Only SQL inside transactions is sent together: before a function and after it, the client has something to do.

    Args:
        steps: The steps of a plan, there or back.

    Yields:
        Slices of `steps`, of one step or more.
    """
    start = characters = 0
    for end, step in enumerate(steps):
        length = step.characters
        is_full = end - start == MOST_STEPS or characters + length > MOST_CHARACTERS
        if end > start and (is_full or not (step.is_shared and steps[end - 1].is_shared)):
            yield slice(start, end)
            start, characters = end, 0
        characters += length
    if steps:
        yield slice(start, len(steps))
