"""Lends the connection of a step to SQLAlchemy: its transactions become savepoints in the step's. The one room that knows SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from roost.interop._alembic_extra import of_extra
from roost.postgres import Connection

SAVEPOINT = "roost_lent"


class _Savepoint:
    """What SQLAlchemy takes for a transaction of the driver's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def start(self) -> None:
        await self._connection.execute(f"SAVEPOINT {SAVEPOINT}")

    async def commit(self) -> None:
        await self._connection.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")

    async def rollback(self) -> None:
        await self._connection.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}")


class _Lent:
    """The driver's connection, but for what would end it, its transaction, or outlast the step."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 -- of the driver's connection more is used than roost promises
        self._connection = connection
        self._codecs: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- all that the driver has
        return getattr(self._connection, name)

    def transaction(self, **_: object) -> _Savepoint:
        return _Savepoint(self._connection)

    async def set_type_codec(self, typename: str, *, schema: str = "public", **codec: Any) -> None:
        """Let SQLAlchemy read JSON in its own way, until the connection is given back."""
        await self._connection.set_type_codec(typename, schema=schema, **codec)
        self._codecs.append((typename, schema))

    async def give_back(self) -> None:
        """Let the steps after this one read JSON as ever. A connection that can't do that is of no use to them."""
        try:
            for typename, schema in self._codecs:
                await self._connection.reset_type_codec(typename, schema=schema)
        except Exception:  # noqa: BLE001 -- whatever it is, the connection is not as it was
            self._connection.terminate()

    async def close(self, *_: object, **__: object) -> None:
        """Leave the connection open: it is the run's."""

    def terminate(self) -> None:
        """Leave the connection open: it is the run's."""


async def run_lent(connection: Connection, function: Callable[[Any], None]) -> None:
    """Call a function with a connection of SQLAlchemy's that speaks through a step's own.

    Args:
        connection: The step's connection, in its transaction.
        function: Called in a greenlet; it is not async, and may wait for the database all the same.

    Raises:
        AlembicExtraMissing: SQLAlchemy is not installed.
        Exception: As the function raises it; an error of the driver's as the driver raised it.
    """
    asyncio_part, pool, errors = (of_extra(f"sqlalchemy.{name}") for name in ("ext.asyncio", "pool", "exc"))

    lending = _Lent(connection)

    async def lend(*_: object, **__: object) -> _Lent:
        return lending

    engine = asyncio_part.create_async_engine(
        "postgresql+asyncpg://",
        poolclass=pool.NullPool,
        connect_args={
            "async_creator_fn": lend,
            # Behind a pooler others may have prepared statements of the same names.
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"roost_{uuid4().hex}",
        },
    )
    failure: BaseException | None = None
    try:
        async with engine.connect() as lent:
            # Begun by a call, so that the function may commit and go on, as under Alembic; what is not committed is rolled back at the end.
            await lent.begin()
            await lent.run_sync(function)
            await lent.commit()
    except errors.DBAPIError as error:
        cause = getattr(error.orig, "__cause__", None)
        if cause is None:
            raise
        # The place in the revision is in the traceback of the outer one, SQLSTATE and the server's words are in the inner one.
        failure = cause.with_traceback(error.__traceback__)
        cause.add_note(f"in: {error.statement}")
    finally:
        await lending.give_back()
    if failure is not None:
        raise failure
