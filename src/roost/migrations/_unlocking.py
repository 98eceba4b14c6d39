"""Ends a run that is frozen and keeps the lock, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.errors import UnlockDenied, UnlockFailed
from roost.migrations._ledger import NO_RIGHT
from roost.migrations._lock_holding import MigrationLockHolder, migration_lock_holder
from roost.migrations._run_entry import KEY
from roost.migrations._upkeep import beside_runs, role_of
from roost.postgres import end_lock_holder, sqlstate_of

if TYPE_CHECKING:
    from roost.runtime import Runtime

PATIENCE = 5.0
"""Seconds in which a server process that is told to end does so, unless it waits for the operating system."""


async def find_lock_holder(runtime: Runtime) -> MigrationLockHolder | None:
    """Return who holds the lock; errors as of `beside_runs`."""
    async with beside_runs(runtime, doing="looking") as session:
        return await migration_lock_holder(session, KEY)


async def unlock(runtime: Runtime, *, pid: int) -> bool:
    """End a server process, if it is the one that holds the lock.

    Returns:
        Whether it did, and is gone.

    Raises:
        UnlockDenied: The role may not.
        UnlockFailed: The process was told to end and did not.
        DatabaseError: As `beside_runs` raises it.
    """
    async with beside_runs(runtime, doing="unlocking") as session:
        try:
            ended = await end_lock_holder(session, KEY, pid=pid, patience=PATIENCE)
        except Exception as error:
            if sqlstate_of(error) == NO_RIGHT:
                raise UnlockDenied(pid=pid, role=await role_of(session), reason=str(error)) from error
            raise
    if ended is False:
        raise UnlockFailed(pid=pid, waited=PATIENCE)
    return ended is not None
