"""Reads out of steps what they leave in a database, so that it can be looked for. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from roost.migrations import _claim_changes as changes
from roost.migrations import _claim_makes as makes
from roost.migrations._claim_reading import ClaimReading, NotLocated

if TYPE_CHECKING:
    from roost.migrations._claimed_objects import ClaimedObject
    from roost.migrations._step import MigrationStep
    from roost.postgres import ParsedStatement, Tree

    Parse: TypeAlias = Callable[[str], Sequence[ParsedStatement] | None]

SHOWN_SIGNS = 60

_READERS: Mapping[str, Callable[[ClaimReading, Tree], bool]] = {
    "create_stmt": makes.table,
    "create_foreign_table_stmt": makes.foreign_table,
    "create_table_as_stmt": makes.table_as,
    "select_stmt": makes.select_into,
    "view_stmt": makes.view,
    "create_seq_stmt": makes.sequence,
    "index_stmt": makes.index,
    "create_enum_stmt": makes.enum,
    "composite_type_stmt": makes.composite,
    "create_range_stmt": makes.range_type,
    "create_domain_stmt": makes.domain,
    "define_stmt": makes.base_type,
    "create_function_stmt": makes.function,
    "create_trig_stmt": makes.trigger,
    "create_extension_stmt": makes.extension,
    "alter_table_stmt": changes.altered_table,
    "alter_enum_stmt": changes.altered_enum,
    "alter_domain_stmt": changes.altered_domain,
    "drop_stmt": changes.dropped,
    "rename_stmt": changes.renamed,
    "alter_object_schema_stmt": changes.moved,
    "variable_set_stmt": changes.search_path,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What steps say is in a database.

    Attributes:
        objects: What is there once they have run.
        not_checked: What they do that can't be looked for, for people.
    """

    objects: tuple[ClaimedObject, ...] = ()
    not_checked: tuple[str, ...] = ()


def claim_of(steps: Sequence[MigrationStep], *, of: frozenset[str], schema: str, parse: Parse) -> Claim:
    """Return what some of a plugin's steps claim.

    Args:
        steps: The steps in their order, from the plugin's first.
        of: The ids of those whose claim it is; the others only explain it, as where a step renames what an earlier one made.
        schema: The PostgreSQL schema in which unqualified names live.
        parse: Splits SQL into statements; None where it can't.

    Returns:
        The claim.
    """
    reading = ClaimReading(schema)
    not_checked: list[str] = []
    for step in steps:
        left_out = _read(reading, step, parse)
        not_checked += left_out if step.id in of else ()
    return Claim(objects=tuple(one for one in reading.objects if one.step in of), not_checked=tuple(not_checked))


def _read(reading: ClaimReading, step: MigrationStep, parse: Parse) -> list[str]:
    """Read one step, and return what in it can't be looked for."""
    if not isinstance(step.up, str):
        return [f"{step.id}: a Python function"]
    statements = parse(step.up)
    if statements is None:
        return [f"{step.id}: SQL that can't be parsed"]
    reading.begin(step.id)
    return [f"{step.id}: {_shown(statement)}" for statement in statements if not _is_claimed(reading, statement.kind, statement.tree)]


def _is_claimed(reading: ClaimReading, kind: str, tree: Tree) -> bool:
    try:
        if kind == "create_schema_stmt":
            return _read_schema(reading, tree)
        reader = _READERS.get(kind)
        return reader is not None and reader(reading, tree)
    except NotLocated:
        return False


def _read_schema(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE SCHEMA``, with what it makes in it."""
    name = tree.get("schemaname")
    if name is None:  # it is called like a role
        return False
    reading.make("schema", "", name, is_kept=bool(tree.get("if_not_exists")))
    before, reading.schema = reading.schema, name
    within = [_is_claimed(reading, kind, part) for element in tree.get("schema_elts", ()) for kind, part in element.items()]
    reading.schema = before
    return all(within)


def _shown(statement: ParsedStatement) -> str:
    text = " ".join(statement.text.split())
    return text if len(text) <= SHOWN_SIGNS else f"{text[: SHOWN_SIGNS - 1]}…"
