"""Who is inside ``async with runtime``: a crash cancels them, by the cancel and uncancel protocol of `asyncio.timeout`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False, slots=True)
class Entrance:
    """One task that is inside.

    Attributes:
        task: The task; another one may leave in its place.
        cancelling: How many cancellations it was carrying when it entered.
        is_struck: Whether a crash has cancelled it.
    """

    task: asyncio.Task[Any]
    cancelling: int
    is_struck: bool = False


class Entrances:
    """The tasks that are inside, in the order in which they came."""

    def __init__(self) -> None:
        self._inside: list[Entrance] = []

    def enter(self) -> None:
        """Note the present task."""
        task = asyncio.current_task()
        if task is not None:
            self._inside.append(Entrance(task, task.cancelling()))

    def strike(self) -> None:
        """Cancel all that are inside."""
        for one in self._inside:
            if not one.task.done() and not one.is_struck:
                one.is_struck = True
                one.task.cancel("a service of the runtime crashed")

    def leave(self) -> bool:
        """Let the present task, or another one where it has not entered itself, leave.

        Returns:
            Whether a crash has cancelled it, and nobody else since it entered.
        """
        present = asyncio.current_task()
        leaving = next((one for one in reversed(self._inside) if one.task is present), None) or (self._inside[0] if self._inside else None)
        if leaving is None:
            return False
        self._inside.remove(leaving)
        if not leaving.is_struck or leaving.task is not present:
            return False
        return leaving.task.uncancel() <= leaving.cancelling
