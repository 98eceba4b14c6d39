"""Finds the tables that nobody is to be kept from for as long as it takes to read them."""

from __future__ import annotations

from collections.abc import Sequence

from roost.postgres import MigrationSession, quote_literal

# Partitioned tables, their partitions and tables of a family are left out: PostgreSQL builds no index of theirs beside writers, and takes
# rules that are not checked yet for some of them only.
_QUERY = """
SELECT n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ({schemas}) AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND NOT EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))
  AND pg_relation_size(c.oid) >= {least}
"""


async def large_tables(session: MigrationSession, schemas: Sequence[str], *, least: int | None) -> frozenset[tuple[str, str]]:
    """Read which tables and materialized views are large, by schema and name, in one round trip.

    Args:
        session: Where the catalogue is read.
        schemas: The PostgreSQL schemas.
        least: The bytes from which on one is large; None for none at all.

    Raises:
        Exception: As the driver raises it.
    """
    if least is None:
        return frozenset()
    names = ", ".join(quote_literal(name) for name in schemas)
    rows = await session.rows(_QUERY.format(schemas=f"ARRAY[{names}]::name[]", least=least))
    return frozenset((schema or "", name or "") for schema, name in rows)
