"""Decides which steps may share a message: several transactions, one round trip. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.migrations._plan import PlannedStep

MOST_STEPS = 50
MOST_CHARACTERS = 1_000_000
"""A message is read whole by the server before its first statement runs."""


def in_batches(steps: Sequence[PlannedStep]) -> Iterator[Sequence[PlannedStep]]:
    """Split steps, in their order, into those that are sent together.

    Only SQL inside transactions is sent together: before a function and after it, the client has something to do.

    Args:
        steps: The steps of a plan.

    Yields:
        One step or more.
    """
    start = characters = 0
    for end, planned in enumerate(steps):
        length = _characters(planned)
        if end > start and (
            length is None or not _is_shared(steps[end - 1]) or end - start == MOST_STEPS or characters + length > MOST_CHARACTERS
        ):
            yield steps[start:end]
            start, characters = end, 0
        characters += length or 0
    if steps:
        yield steps[start:]


def _is_shared(planned: PlannedStep) -> bool:
    return planned.step.transactional and isinstance(planned.step.up, str)


def _characters(planned: PlannedStep) -> int | None:
    """Return the length of a step's texts; None where it is sent alone."""
    if not _is_shared(planned):
        return None
    down = planned.step.down
    return len(str(planned.step.up)) + (len(down) if isinstance(down, str) else 0)
