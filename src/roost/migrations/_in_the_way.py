"""Who keeps a step from a lock, and whether it is worth its while to wait for longer. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.errors import Blocker


@dataclass(slots=True)
class InTheWay:
    """Who keeps a step from a lock.

    Attributes:
        blockers: Who was last seen to do so.
    """

    blockers: tuple[Blocker, ...] = ()
    _waited_for: frozenset[int] = field(default=frozenset(), init=False)

    def gives_way(self) -> bool:
        """Tell, once for each of them, whether nothing but autovacuums are in the way that the server ends for who waits long enough."""
        pids = frozenset(blocker.pid for blocker in self.blockers)
        if pids <= self._waited_for or not all(blocker.gives_way for blocker in self.blockers):
            return False
        self._waited_for |= pids
        return True
