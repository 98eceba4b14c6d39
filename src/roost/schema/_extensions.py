"""The extensions of a database, and how another database gets the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from roost.postgres import MigrationSession, is_connection_lost, quote_identifier, quote_literal

_EXTENSIONS = """
SELECT e.extname, n.nspname, e.extversion, obj_description(e.oid, 'pg_extension'),
       (SELECT string_agg(r.extname, E'\\n') FROM pg_depend d JOIN pg_extension r ON r.oid = d.refobjid
        WHERE d.classid = 'pg_extension'::regclass AND d.objid = e.oid AND d.refclassid = d.classid)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
ORDER BY e.extname
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """An extension that a database has.

    Attributes:
        name: Its name.
        schema: The schema of its objects.
        version: Its version.
        comment: The comment on it.
        needs: The extensions that it is built on.
    """

    name: str
    schema: str
    version: str
    comment: str | None = None
    needs: tuple[str, ...] = ()


async def extensions_in(session: MigrationSession) -> tuple[Extension, ...]:
    """Read the extensions of a database.

    Returns:
        Each behind those that it is built on.

    Raises:
        Exception: As the driver raises it.
    """
    found: dict[str, Extension] = {}
    for row in await session.rows(_EXTENSIONS):
        name, schema, version, comment, needs = row
        needed = tuple(needs.split("\n")) if needs else ()
        found[name or ""] = Extension(name=name or "", schema=schema or "", version=version or "", comment=comment, needs=needed)
    order = TopologicalSorter({one.name: one.needs for one in found.values()})
    return tuple(found[name] for name in order.static_order())


async def install_extensions(session: MigrationSession, wanted: Sequence[Extension]) -> tuple[tuple[Extension, ...], dict[str, str]]:
    """Give a database the extensions of another one, in the same schemas and versions.

    Args:
        session: A session in it.
        wanted: The extensions, each behind those that it is built on.

    Returns:
        Those that it has now, and why not for each of the others, by its name.

    Raises:
        Exception: The connection broke.
    """
    has = {one.name: one for one in await extensions_in(session)}
    lacking: dict[str, str] = {}
    for one in wanted:
        if one.name in has:
            continue
        name, schema = quote_identifier(one.name), quote_identifier(one.schema)
        versioned = f"CREATE EXTENSION {name} WITH SCHEMA {schema} VERSION {quote_literal(one.version)}"
        # A server that was upgraded may lack the files of the version that a database still has.
        for create in (versioned, f"CREATE EXTENSION {name} WITH SCHEMA {schema}"):
            comment = "" if one.comment is None else f"; COMMENT ON EXTENSION {name} IS {quote_literal(one.comment)}"
            try:
                # In one message, so in one transaction.
                await session.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; {create}{comment}")
            except Exception as error:
                if is_connection_lost(error):
                    raise
                lacking[one.name] = str(error)
            else:
                has[one.name] = one
                lacking.pop(one.name, None)
                break
    return tuple(has.values()), lacking
