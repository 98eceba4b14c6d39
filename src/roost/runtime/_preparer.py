"""The ports through which higher floors take part in a runtime without the runtime knowing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from roost.runtime._plugin import AnyRuntime, Plugin


class Preparer(Protocol):
    """Makes the world ready for plugins before their services start; migrations are prepared so."""

    async def prepare(self, plugins: Sequence[Plugin], /) -> None:
        """Complete what the plugins' services rely on.

        Args:
            plugins: The plugins whose services are about to start.

        Raises:
            Exception: It can't be done; no service of these plugins starts then.
        """


@runtime_checkable
class OnDemand(Protocol):
    """A service class that the runtime provides by itself when something asks for it and no plugin brings one.

    It may be asked for after the start, so it opens what it needs at first use. It is stopped last.
    """

    @classmethod
    def on_demand(cls, runtime: AnyRuntime, /) -> Self:
        """Make the service for a runtime, without I/O."""
