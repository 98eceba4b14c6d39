"""Columns that become serial, stop being it or change their width, which the comparison refuses to look at. Pure, but for one query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from roost.postgres import MigrationSession, quote_literal
from roost.schema._chosen_names import chosen_name

ColumnName: TypeAlias = tuple[str, str, str]
SequenceName: TypeAlias = tuple[str, str]

_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, concat(quote_ident(n.nspname), '.', quote_ident(c.relname)), quote_ident(a.attname),
       format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), own.path, q.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN LATERAL (
    SELECT pg_get_serial_sequence(concat(quote_ident(n.nspname), '.', quote_ident(c.relname)), a.attname) AS path
    WHERE pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
) own ON true
LEFT JOIN pg_class q ON q.oid = own.path::regclass
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attidentity = '' AND a.attgenerated = ''
  AND a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
"""
_SEQUENCES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S'
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
        sequence_name: What that is called, unquoted.
    """

    table: str
    name: str
    type: str
    default: str | None
    sequence: str | None
    sequence_name: str | None = None


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
    for schema, table, name, path, quoted, kind, default, sequence, called in await session.rows(
        f"{_COLUMNS} AND n.nspname = ANY (ARRAY[{names}]::name[])"
    ):
        found[schema or "", table or "", name or ""] = IntegerColumn(
            table=path or "", name=quoted or "", type=kind or "", default=default, sequence=sequence, sequence_name=called
        )
    return found


async def sequences_in(session: MigrationSession, schemas: Collection[str]) -> frozenset[SequenceName]:
    """Read which sequences there are in some schemas.

    Raises:
        Exception: As the driver raises it.
    """
    names = ", ".join(quote_literal(name) for name in sorted(schemas))
    rows = await session.rows(f"{_SEQUENCES} AND n.nspname = ANY (ARRAY[{names}]::name[])")
    return frozenset((schema or "", name or "") for schema, name in rows)


def detours(
    real: Mapping[ColumnName, IntegerColumn],
    declared: Mapping[ColumnName, IntegerColumn],
    *,
    present: Collection[SequenceName] = (),
    wanted: Collection[SequenceName] = (),
) -> tuple[Detour, ...]:
    """Return the detours for the columns that the comparison would refuse, or would give another sequence than theirs.

    It makes a column that is new as a ``serial``, whose sequence the server makes, and calls as it likes.

    Args:
        real: The columns of the real database.
        declared: Those of the scratch database.
        present: The sequences of the real database.
        wanted: Those of the scratch database.
    """
    taken = {(place[0], column.sequence_name) for place, column in declared.items()}
    found: list[Detour] = []
    for place in sorted(declared):
        old, new = real.get(place), declared[place]
        if old is None:
            if new.sequence is not None and (
                new.sequence_name != chosen_name(*place[1:], "seq") or (place[0], new.sequence_name) in present
            ):
                found.append(_owned_later(new))
        elif old.sequence is None and new.sequence is not None:
            found.append(_owned_later(new))
        elif old.sequence is not None and new.sequence is None:
            own = place[0], old.sequence_name
            if own in wanted and own not in taken:
                found.append(_owned_no_more(old, new))
            elif old.type == new.type:
                found.append(_without_sequence(old, new))
        elif old.sequence is not None and old.sequence == new.sequence and old.type != new.type:
            found.append(_of_other_width(old, new))
    return tuple(found)


def _owned_later(new: IntegerColumn) -> Detour:
    return Detour(
        away=(f"ALTER SEQUENCE {new.sequence} OWNED BY NONE",), back=(f"ALTER SEQUENCE {new.sequence} OWNED BY {new.table}.{new.name}",)
    )


def _owned_no_more(old: IntegerColumn, new: IntegerColumn) -> Detour:
    away, back = [f"ALTER SEQUENCE {old.sequence} OWNED BY {new.table}.{new.name}"], [f"ALTER SEQUENCE {old.sequence} OWNED BY NONE"]
    if old.default != new.default:
        away.append(f"{_alter(new)} SET DEFAULT {old.default}")
        back.append(f"{_alter(new)} {_default(new)}")
    return Detour(away=tuple(away), back=tuple(back))


def _without_sequence(old: IntegerColumn, new: IntegerColumn) -> Detour:
    return Detour(
        away=(
            f"CREATE SEQUENCE {old.sequence} AS {old.type} OWNED BY {new.table}.{new.name}",
            f"{_alter(new)} SET DEFAULT {old.default}",
        ),
        back=(f"{_alter(new)} {_default(new)}", f"DROP SEQUENCE {old.sequence}"),
    )


def _of_other_width(old: IntegerColumn, new: IntegerColumn) -> Detour:
    return Detour(
        away=(f"{_alter(new)} TYPE {old.type}", f"ALTER SEQUENCE {new.sequence} AS {old.type}"),
        back=(f"{_alter(new)} TYPE {new.type}", f"ALTER SEQUENCE {new.sequence} AS {new.type}"),
    )


def _alter(column: IntegerColumn) -> str:
    return f"ALTER TABLE {column.table} ALTER COLUMN {column.name}"


def _default(column: IntegerColumn) -> str:
    return "DROP DEFAULT" if column.default is None else f"SET DEFAULT {column.default}"
