"""Sends one statement outside a transaction, and watches it: who is in its way, how far it is, and when it has waited for too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.postgres import sqlstate_of, watching_statement

if TYPE_CHECKING:
    from roost.migrations._telling import StepTelling
    from roost.postgres import MigrationSession

CANCELLED = "57014"


class StatementStopped(Exception):  # noqa: N818 -- it becomes a StepFailed, which says the rest
    """A statement that can't be tried again in this run.

    Attributes:
        is_blocked: Whether others kept it from what it needs for too long.
        told: The error that says what happened.
    """

    def __init__(self, message: str, *, told: Exception | None = None) -> None:
        super().__init__(message)
        self.is_blocked: bool = told is None
        self.told: Exception = told or self


def waited_too_long(budget: float) -> StatementStopped:
    """Return what to raise when others were in the way for as long as one waits for them."""
    return StatementStopped(f"it waited for others for {budget:g} s, as long as lock_wait_budget allows")


async def send_watched(session: MigrationSession, statement: str, *, pid: int, budget: float, telling: StepTelling) -> None:
    """Send one statement, without a transaction around it.

    The server's own `lock_timeout` is no help here: it would break off a build while that waits for other transactions to end, without
    a word about who they are.

    Args:
        session: The run's session.
        statement: One statement.
        pid: The session's server process.
        budget: Seconds that it may wait for locks in all; its own work takes as long as it takes.
        telling: What is told of the step.

    Raises:
        StatementStopped: It waited for too long.
        Exception: As the server raises it.
    """
    async with watching_statement(session.url, pid, budget=budget, blocked=telling.block, progressed=telling.progress) as watch:
        try:
            await session.execute(statement)
        except Exception as error:
            if watch.is_cancelled and sqlstate_of(error) == CANCELLED:
                telling.in_the_way.blockers = watch.blockers
                raise waited_too_long(budget) from error
            raise
