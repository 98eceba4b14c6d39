"""Binds the `Database` service to a migration step's own connection while the step runs, for it and the tasks it starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.errors import StepEscapeError

if TYPE_CHECKING:
    from roost.postgres._protocols import Connection


@dataclass(frozen=True, slots=True)
class StepBinding:
    """A step in progress: its connection, the `Database` it belongs to, and its name for errors."""

    connection: Connection
    database: object
    step: str


_current: ContextVar[StepBinding | None] = ContextVar("_current", default=None)


@contextmanager
def bind_step(connection: Connection, *, database: object, step: str) -> Iterator[None]:
    """Make `database` speak through `connection` until the step is over; every other way to a database is shut."""
    token = _current.set(StepBinding(connection, database, step))
    try:
        yield
    finally:
        _current.reset(token)


def bound_connection(database: object) -> Connection | None:
    """Return the step's connection where a step is in progress, else None.

    Raises:
        StepEscapeError: The step asks for another database than the one it migrates.
    """
    binding = _current.get()
    if binding is None:
        return None
    if binding.database is not database:
        raise StepEscapeError(step=binding.step)
    return binding.connection


def refuse_in_step() -> None:
    """Refuse to connect from inside a step.

    Raises:
        StepEscapeError: A step is in progress: what it did on another connection would not be rolled back with it.
    """
    binding = _current.get()
    if binding is not None:
        raise StepEscapeError(step=binding.step)
