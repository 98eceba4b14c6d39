"""Finds the plugins in the ledger that no service of a runtime answers for."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from roost.migrations import _ledger as ledger
from roost.migrations._records import UnclaimedPlugin

if TYPE_CHECKING:
    from roost.postgres import MigrationSession


async def unclaimed_plugins(session: MigrationSession | None, *, claimed: Collection[str]) -> tuple[UnclaimedPlugin, ...]:
    """Return the plugins of the ledger that are not among `claimed`, by name; one of which nothing is left is none.

    Args:
        session: Where the ledger is read; None without a database.
        claimed: The plugins that the runtime's services answer for.

    Raises:
        DatabaseError: The database can't be asked.
    """
    if session is None:
        return ()
    found = [UnclaimedPlugin(plugin=name, version=version, steps=steps) for name, version, steps in await ledger.plugins(session)]
    return tuple(plugin for plugin in found if plugin.plugin not in claimed and (plugin.steps or plugin.version is not None))
