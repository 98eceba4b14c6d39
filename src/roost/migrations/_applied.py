"""Which steps of a plugin a database has, whatever the code says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.migrations import _ledger as ledger
from roost.migrations._reading import reading

if TYPE_CHECKING:
    from roost.runtime import Runtime


async def applied_steps(runtime: Runtime, plugin: str) -> tuple[str, ...] | None:
    """Return the ids of a plugin's steps in the ledger, in applied order; those that are in doubt count. No step is loaded.

    Returns:
        The ids; None where the runtime has no database.

    Raises:
        DatabaseError: The database can't be asked.
    """
    async with reading(runtime) as session:
        if session is None:
            return None
        return tuple(row.step for row in (await ledger.plugin_state(session, plugin)).applied)
