"""Looks at what the database says of itself, for who wants to know whether migrations can be run there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.migrations._ledger import LEDGER_VERSION
from roost.migrations._upkeep import beside_runs
from roost.postgres import Database, MigrationSession

if TYPE_CHECKING:
    from roost.postgres import DatabaseURL, Pooling
    from roost.runtime import Runtime

_FACTS = """
SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_setting('server_version_num'), current_user,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
    (SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
    (SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()),
    pg_catalog.current_setting('server_encoding'), pg_catalog.current_setting('fsync'),
    pg_catalog.current_setting('client_connection_check_interval'),
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'),
    pg_catalog.current_setting('max_connections'),
    (SELECT pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = 'roost'),
    (SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = 'roost')
"""
_READS_LEDGER = """
SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
WHERE n.nspname = 'roost' AND c.relname = 'meta'
"""
LONG_SECONDS = 60
"""From this age on a transaction is told of."""

_LONG_TRANSACTIONS = """
SELECT pid, application_name, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - xact_start)::int
FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
    AND xact_start < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => {seconds}) ORDER BY xact_start
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTransaction:
    """A transaction that keeps its locks, and everybody's index builds, waiting.

    Attributes:
        pid: Its server process.
        application_name: What its client calls itself.
        seconds: For how long it has been open.
    """

    pid: int
    application_name: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseExamination:
    """What the database says of itself to the role that migrates, and of the ledger to the role of the application.

    Attributes:
        location: Where it is, as ``host:port/database``.
        round_trip: Seconds that the shortest of three questions took.
        is_encrypted: Whether the line to it is encrypted; None where a pooler is in between, whose line to the server says nothing of ours.
        server_version: Such as ``"18.1"``.
        server_version_num: The same as a number, such as 180001.
        server_encoding: Such as ``"UTF8"``.
        is_standby: Whether it is a standby, which takes no changes.
        is_durable: Whether it waits for its disk (``fsync``).
        notices_gone_clients: Whether it looks during a statement whether its client is still there.
        connections: How many clients are connected.
        max_connections: How many may be.
        pooling: How a pooler in between shares server processes; None without a pooler.
        role: The role that migrates.
        may_create_schemas: Whether that role may create schemas in the database.
        may_create_databases: Whether it may create databases.
        ledger_owner: Who owns the schema ``roost``; None where there is none.
        ledger_is_ours: Whether the role that migrates has the rights of that owner.
        ledger_version: The version of the ledger; None where there is none, or none that can be read.
        oldest_reader: The version that roost's own must have at least to read the ledger; None as above.
        application_reads_ledger: Whether the role of the application may read the ledger; None where that is the role that migrates, or
            there is no ledger.
        application_role: The role of the application, where it is another one.
        long_transactions: Transactions that have been open for more than a minute, as far as the role may see them.
    """

    location: str
    round_trip: float
    is_encrypted: bool | None
    server_version: str
    server_version_num: int
    server_encoding: str
    is_standby: bool
    is_durable: bool
    notices_gone_clients: bool
    connections: int
    max_connections: int
    pooling: Pooling | None
    role: str
    may_create_schemas: bool
    may_create_databases: bool
    ledger_owner: str | None
    ledger_is_ours: bool
    ledger_version: int | None
    oldest_reader: int | None
    application_reads_ledger: bool | None
    application_role: str | None
    long_transactions: tuple[LongTransaction, ...]

    @property
    def ledger_is_too_new(self) -> bool:
        """Whether the ledger was made for a newer roost than this one."""
        return self.oldest_reader is not None and self.oldest_reader > LEDGER_VERSION


async def examine(runtime: Runtime) -> DatabaseExamination:
    """Ask the database, in a few round trips; nothing is written, and no lock is taken.

    Raises:
        PoolerInTheWay: A pooler allows no transactions.
        DatabaseError: As `beside_runs` raises it.
    """
    async with beside_runs(runtime, doing="examining") as first:
        is_pooled = first.is_pooled(await first.backend_pid())
        session = await first.behind_pooler(application_name="roost: examining") if is_pooled else first
        try:
            return await _examined(session, application=runtime.get_service(Database).url)
        finally:
            session.terminate()


async def _examined(session: MigrationSession, *, application: DatabaseURL | None) -> DatabaseExamination:
    round_trip = await _round_trip(session)
    (facts,) = await session.rows(_FACTS)
    version, number, role, may_create, may_create_databases, ssl, encoding, fsync, interval, used, most, owner, is_ours = facts
    ledger = await _ledger(session)
    application_role, reads = await _as_application(application, role=role or "", session=session)
    return DatabaseExamination(
        location=session.url.location,
        round_trip=round_trip,
        is_encrypted=None if session.pooling else ssl == "t",
        server_version=version or "",
        server_version_num=int(number or 0),
        server_encoding=encoding or "",
        is_standby=session.is_standby,
        is_durable=fsync == "on",
        notices_gone_clients=interval != "0",
        connections=int(used or 0),
        max_connections=int(most or 0),
        pooling=session.pooling,
        role=role or "",
        may_create_schemas=may_create == "t",
        may_create_databases=may_create_databases == "t",
        ledger_owner=owner,
        ledger_is_ours=is_ours == "t",
        ledger_version=ledger[0],
        oldest_reader=ledger[1],
        application_reads_ledger=reads,
        application_role=application_role,
        long_transactions=tuple(
            LongTransaction(pid=int(pid or 0), application_name=name or "", seconds=int(seconds or 0))
            for pid, name, seconds in await session.rows(_LONG_TRANSACTIONS.format(seconds=LONG_SECONDS))
        ),
    )


async def _round_trip(session: MigrationSession) -> float:
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        await session.rows("SELECT 1")
        taken.append(time.perf_counter() - began)
    return min(taken)


async def _ledger(session: MigrationSession) -> tuple[int | None, int | None]:
    """Return the ledger's version and that of its oldest reader, where there is a ledger that can be read."""
    if await session.rows(_READS_LEDGER) != [("t",)]:
        return None, None
    rows = await session.rows("SELECT schema_version, oldest_reader FROM roost.meta")
    return (int(rows[0][0] or 0), int(rows[0][1] or 0)) if rows else (None, None)


async def _as_application(url: DatabaseURL | None, *, role: str, session: MigrationSession) -> tuple[str | None, bool | None]:
    """Return the application's role, where it is another one, and whether it may read the ledger."""
    if url is None or url == session.url:
        return None, None
    other = await MigrationSession.open(url, application_name="roost: examining")
    try:
        ((own,),) = await other.rows("SELECT current_user")
        if own == role:
            return None, None
        answer = await other.rows(_READS_LEDGER)
    finally:
        other.terminate()
    return own, (answer[0][0] == "t") if answer else None
