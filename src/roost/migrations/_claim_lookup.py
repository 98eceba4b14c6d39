"""Asks the catalogue for what steps claim: one query for all of it, and what its answer means in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.postgres import quote_identifier, quote_literal, quote_nullable

if TYPE_CHECKING:
    from roost.migrations._claimed_objects import ClaimedObject, ColumnType
    from roost.postgres import MigrationSession

_RELATION_KINDS = {
    "table": "rpf",
    "view": "v",
    "materialized view": "m",
    "index": "iI",
    "sequence": "S",
    "relation": "rpfvmiIS",
}

# A column's, a constraint's or a trigger's relation; a composite type has columns too.
_OWNER = (
    "(SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = claim.in_schema AND c.relname = claim.parent)"
)
_TYPE = (
    "(SELECT t.oid FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace "
    "WHERE n.nspname = claim.in_schema AND t.typname = {name})"
)
_LOOKUP = f"""
SELECT claim.number,
    CASE claim.kind
        WHEN 'schema' THEN EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = claim.name)
        WHEN 'extension' THEN EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = claim.name)
        WHEN 'type' THEN {_TYPE.format(name="claim.name")} IS NOT NULL
        WHEN 'value' THEN EXISTS (
            SELECT FROM pg_catalog.pg_enum WHERE enumtypid = {_TYPE.format(name="claim.parent")} AND enumlabel = claim.name)
        WHEN 'function' THEN EXISTS (
            SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
            WHERE n.nspname = claim.in_schema AND p.proname = claim.name)
        WHEN 'constraint' THEN EXISTS (
            SELECT FROM pg_catalog.pg_constraint WHERE conname = claim.name
            AND (conrelid = {_OWNER} OR contypid = {_TYPE.format(name="claim.parent")}))
        WHEN 'trigger' THEN EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgname = claim.name AND tgrelid = {_OWNER})
        WHEN 'column' THEN att.attnum IS NOT NULL
        ELSE rel.oid IS NOT NULL
    END,
    claim.kind <> 'index' OR rel.relkind = 'I' OR EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = rel.oid AND indisvalid),
    pg_catalog.format_type(att.atttypid, att.atttypmod),
    claim.type IS NULL OR att.atttypid IS NOT DISTINCT FROM COALESCE(
        pg_catalog.to_regtype(claim.type), pg_catalog.to_regtype(claim.type_of_schema))
FROM (VALUES
    {{claims}}
) AS claim(number, kind, in_schema, parent, name, relkinds, type, type_of_schema)
LEFT JOIN pg_catalog.pg_namespace AS nsp ON nsp.nspname = claim.in_schema
LEFT JOIN pg_catalog.pg_class AS rel
    ON rel.relnamespace = nsp.oid AND rel.relname = claim.name AND pg_catalog.strpos(claim.relkinds, rel.relkind::text) > 0
LEFT JOIN pg_catalog.pg_attribute AS att
    ON claim.kind = 'column' AND att.attrelid = {_OWNER} AND att.attname = claim.name AND att.attnum > 0 AND NOT att.attisdropped
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the catalogue says of a claimed object.

    Attributes:
        is_there: Whether there is one of that name and kind.
        is_valid: Whether it can be used; an index that was not built to its end can't.
        type: A column's type in full.
        is_same_type: Whether that is the claimed one, whatever stands in its parentheses.
    """

    is_there: bool
    is_valid: bool = True
    type: str | None = None
    is_same_type: bool = True


async def look_up(session: MigrationSession, objects: Sequence[ClaimedObject]) -> list[Found]:
    """Look for objects in the catalogue, in one round trip.

    Args:
        session: Where to ask.
        objects: What is looked for.

    Returns:
        What is found, one for each.

    Raises:
        Exception: As the driver raises it.
    """
    if not objects:
        return []
    rows = await session.rows(_LOOKUP.replace("{claims}", ",\n    ".join(_row(number, one) for number, one in enumerate(objects))))
    found = {
        int(number or 0): Found(is_there=there == "t", is_valid=valid == "t", type=full, is_same_type=same == "t")
        for number, there, valid, full, same in rows
    }
    return [found[number] for number in range(len(objects))]


def _row(number: int, one: ClaimedObject) -> str:
    texts = (one.kind, one.schema, one.parent, one.name, _RELATION_KINDS.get(one.kind, ""))
    types = (_written(one.type, home="pg_catalog"), _written(one.type, home=one.type.home if one.type is not None else ""))
    return f"({number}, {', '.join(map(quote_literal, texts))}, {', '.join(f'{quote_nullable(text)}::text' for text in types)})"


def _written(column_type: ColumnType | None, *, home: str) -> str | None:
    """Return a type's name as the server takes it; `home` is the schema of a name without one."""
    if column_type is None:
        return None
    name = column_type.name if len(column_type.name) > 1 or not home else (home, *column_type.name)
    return ".".join(map(quote_identifier, name)) + ("[]" if column_type.is_array else "")


def differences(objects: Sequence[ClaimedObject], found: Sequence[Found]) -> tuple[str, ...]:
    """Return in words which of the claimed objects are not as claimed.

    Args:
        objects: What is claimed.
        found: What the catalogue says of each.
    """
    told = [(one, _difference(one, what)) for one, what in zip(objects, found, strict=True)]
    # Of a table that is not there nobody misses the columns.
    gone = {(one.schema, one.name) for one, what in zip(objects, found, strict=True) if not one.parent and not what.is_there}
    return tuple(
        f"{one.step}: {one.label} {difference}"
        for one, difference in told
        if difference is not None and not (one.parent and (one.schema, one.parent) in gone)
    )


def _difference(one: ClaimedObject, found: Found) -> str | None:
    if not found.is_there:
        return "is not there"
    if not found.is_valid:
        return "is not valid"
    if one.type is None or found.type is None:
        return None
    _, opened, rest = found.type.partition("(")
    actual = tuple(part.strip() for part in rest.partition(")")[0].split(",")) if opened else ()
    claimed = one.type.modifiers
    if claimed is not None and one.type.name[-1] == "numeric" and len(claimed) == 1:
        claimed = (*claimed, "0")
    if found.is_same_type and claimed in (None, actual):
        return None
    return f"is of type {found.type}, not {one.type.text}"
