"""Columns that become serial, stop being it or change their width, which the comparison refuses to look at. Pure, but for one query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from roost.postgres import MigrationSession, quote_literal

ColumnName: TypeAlias = tuple[str, str, str]

_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, concat(quote_ident(n.nspname), '.', quote_ident(c.relname)), quote_ident(a.attname),
       format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid),
       CASE WHEN a.attidentity = '' AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
            THEN pg_get_serial_sequence(concat(quote_ident(n.nspname), '.', quote_ident(c.relname)), a.attname) END
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attidentity = '' AND a.attgenerated = ''
  AND a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerColumn:
    """A column of whole numbers.

    Attributes:
        table: Its table, quoted and qualified.
        name: Its name, quoted.
        type: Such as ``"bigint"``.
        default: Its default.
        sequence: The sequence that it owns and takes its default from, quoted and qualified.
    """

    table: str
    name: str
    type: str
    default: str | None
    sequence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """How a column's change is kept from the comparison.

    Attributes:
        away: The statements that make the column in the scratch database look as in the real one.
        back: Those that bring about, in both, what is declared.
    """

    away: tuple[str, ...]
    back: tuple[str, ...]


async def integer_columns(session: MigrationSession, schemas: Collection[str]) -> dict[ColumnName, IntegerColumn]:
    """Read the columns of whole numbers of some schemas.

    Raises:
        Exception: As the driver raises it.
    """
    names = ", ".join(quote_literal(name) for name in sorted(schemas))
    found: dict[ColumnName, IntegerColumn] = {}
    for schema, table, name, path, quoted, kind, default, sequence in await session.rows(
        f"{_COLUMNS} AND n.nspname = ANY (ARRAY[{names}]::name[])"
    ):
        found[schema or "", table or "", name or ""] = IntegerColumn(
            table=path or "", name=quoted or "", type=kind or "", default=default, sequence=sequence
        )
    return found


def detours(real: Mapping[ColumnName, IntegerColumn], declared: Mapping[ColumnName, IntegerColumn]) -> tuple[Detour, ...]:
    """Return the detours for the columns that the comparison would refuse.

    Args:
        real: The columns of the real database.
        declared: Those of the scratch database.
    """
    found: list[Detour] = []
    for name in sorted(real.keys() & declared.keys()):
        old, new = real[name], declared[name]
        alter = f"ALTER TABLE {new.table} ALTER COLUMN {new.name}"
        if old.sequence is None and new.sequence is not None:
            found.append(
                Detour(
                    away=(f"ALTER SEQUENCE {new.sequence} OWNED BY NONE",),
                    back=(f"ALTER SEQUENCE {new.sequence} OWNED BY {new.table}.{new.name}",),
                )
            )
        elif old.sequence is not None and new.sequence is None and old.type == new.type:
            default = "DROP DEFAULT" if new.default is None else f"SET DEFAULT {new.default}"
            found.append(
                Detour(
                    away=(
                        f"CREATE SEQUENCE {old.sequence} AS {old.type} OWNED BY {new.table}.{new.name}",
                        f"{alter} SET DEFAULT {old.default}",
                    ),
                    back=(f"{alter} {default}", f"DROP SEQUENCE {old.sequence}"),
                )
            )
        elif old.sequence is not None and old.sequence == new.sequence and old.type != new.type:
            found.append(
                Detour(
                    away=(f"{alter} TYPE {old.type}", f"ALTER SEQUENCE {new.sequence} AS {old.type}"),
                    back=(f"{alter} TYPE {new.type}", f"ALTER SEQUENCE {new.sequence} AS {new.type}"),
                )
            )
    return tuple(found)
