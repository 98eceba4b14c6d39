"""Lets a role read the ledger: all that an application needs which does not migrate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.errors import LedgerMissing, LedgerNotOwned, ReadOnlyServer, UnknownRole
from roost.migrations._upkeep import beside_runs, role_of
from roost.postgres import is_retryable, quote_identifier, quote_literal, retrying
from roost.runtime import closest

if TYPE_CHECKING:
    from roost.postgres import MigrationSession
    from roost.runtime import Runtime

ATTEMPTS = 5
"""Two who give rights on one object at one instant get in each other's way."""

# Of the tables too: a ledger that another role has upgraded may belong to two.
_FOREIGN_OWNERS = """
SELECT pg_catalog.pg_get_userbyid(owner) FROM (
    SELECT nspowner AS owner FROM pg_catalog.pg_namespace WHERE nspname = 'roost'
    UNION SELECT c.relowner FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'roost' AND c.relkind IN ('r', 'p', 'v', 'm')
) AS owners WHERE NOT pg_catalog.pg_has_role(owner, 'USAGE') ORDER BY 1
"""
_LEDGERS_OWNER = """
SELECT pg_catalog.pg_get_userbyid(n.nspowner) FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid WHERE n.nspname = 'roost' AND c.relname = 'meta'
"""


async def grant(runtime: Runtime, *, role: str) -> None:
    """Give a role USAGE of the ledger's schema, and SELECT on its tables, on later ones too.

    Raises:
        UnknownRole: There is no such role.
        LedgerMissing: There is no ledger.
        LedgerNotOwned: It belongs to another role than the one that migrates.
        ReadOnlyServer: A standby answers.
        InvalidIdentifier: No role can have that name.
        DatabaseError: As `beside_runs` raises it.
    """
    name = quote_identifier(role)
    async with beside_runs(runtime, doing="granting") as session:
        if session.is_standby:
            raise ReadOnlyServer(location=session.url.location)
        owner = await _owner(session)
        await _check_role(session, role)
        statements = (
            f"GRANT USAGE ON SCHEMA roost TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA roost TO {name}; "
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {quote_identifier(owner)} IN SCHEMA roost GRANT SELECT ON TABLES TO {name}"
        )
        async for attempt in retrying(attempts=ATTEMPTS, delay=0.05, max_delay=0.5, retryable=is_retryable):
            with attempt:
                await session.execute(statements)


async def _owner(session: MigrationSession) -> str:
    owners = await session.rows(_LEDGERS_OWNER)
    if not owners:
        raise LedgerMissing(location=session.url.location)
    # GRANT by somebody else gives nothing and only warns of it.
    foreign = await session.rows(_FOREIGN_OWNERS)
    if foreign:
        raise LedgerNotOwned(role=await role_of(session), owner=foreign[0][0] or "")
    return owners[0][0] or ""


async def _check_role(session: MigrationSession, role: str) -> None:
    # The server would take "public" for everybody, quoted or not; here it is no role, like any other that isn't in the catalogue.
    if not await session.rows(f"SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = {quote_literal(role)}"):
        known = await session.rows("SELECT rolname FROM pg_catalog.pg_roles WHERE NOT pg_catalog.starts_with(rolname, 'pg_')")
        raise UnknownRole(role=role, suggestions=closest(role, [row[0] or "" for row in known]))
