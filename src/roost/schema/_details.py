"""What the comparison passes over: storage parameters, statistics, comments on columns of views and the like. Decisions are pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from roost.postgres import MigrationSession, ParsedStatement, Tree, quote_literal

Place = tuple[str, str, str]
"""A schema, the name of a relation or type in it, and a part of that, such as a column; empty for all of it."""

_RELATIONS = {
    "create_stmt": ("relation",),
    "view_stmt": ("view",),
    "create_table_as_stmt": ("into", "rel"),
    "composite_type_stmt": ("typevar",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What is not as it would be by itself.

    Attributes:
        place: Where; a detail without a name says that the place is there.
        name: What, such as ``"fillfactor"``.
        brought_about: The statement that makes it so.
        taken_back: The statement that makes it as it would be by itself.
    """

    place: Place
    name: str
    brought_about: str
    taken_back: str


async def details_in(session: MigrationSession, schemas: Collection[str]) -> tuple[Detail, ...]:
    """Read the details of schemas.

    Raises:
        Exception: As the driver raises it.
    """
    names = ", ".join(quote_literal(name) for name in sorted(schemas))
    rows = await session.rows(_query().replace("{schemas}", f"ARRAY[{names}]::name[]"))
    return tuple(
        sorted(
            (
                Detail(place=(schema or "", name or "", part or ""), name=detail or "", brought_about=made or "", taken_back=undone or "")
                for schema, name, part, detail, made, undone in rows
            ),
            key=lambda one: (one.place, one.name),
        )
    )


def detail_statements(source: Sequence[Detail], target: Sequence[Detail], statements: Sequence[ParsedStatement]) -> list[str]:
    """Return the statements that bring the details of one database to those of another, to be run after the others.

    Args:
        source: The details of the database that is to change.
        target: Those of the database that is as it should be.
        statements: The statements that come before; what they make anew loses its details.
    """
    anew = {place for statement in statements for place in _made(statement)}
    there = {one.place for one in target if not one.name}
    has = {(one.place, one.name): one for one in source if one.name and not anew.intersection((one.place, (*one.place[:2], "")))}
    wants = {(one.place, one.name): one for one in target if one.name}
    undone = [one.taken_back for key, one in has.items() if key not in wants and one.place in there]
    return undone + [one.brought_about for key, one in wants.items() if key not in has or has[key].brought_about != one.brought_about]


def _made(statement: ParsedStatement) -> Iterator[Place]:
    """Yield what a statement makes anew, so that it has no details."""
    tree = statement.tree
    if statement.kind in _RELATIONS:
        relation: Any = tree
        for key in _RELATIONS[statement.kind]:
            relation = relation.get(key, {})
        yield _place(relation)
    elif statement.kind == "alter_seq_stmt" and _becomes_free(tree):
        # From now on the comparison looks at its comment and its numbers.
        yield _place(tree.get("sequence", {}))
    elif statement.kind == "index_stmt":
        yield tree.get("relation", {}).get("schemaname", ""), tree.get("idxname", ""), ""
    elif statement.kind == "alter_table_stmt":
        schema, table, _ = _place(tree.get("relation", {}))
        for node in tree.get("cmds", []):
            yield from _made_in_table(schema, table, node.get("alter_table_cmd", {}))


def _becomes_free(tree: Tree) -> bool:
    """Tell whether an ALTER SEQUENCE takes a sequence away from its column."""
    options = [node.get("def_elem", {}) for node in tree.get("options", ())]
    owners = [option["arg"]["list"]["items"] for option in options if option.get("defname") == "owned_by"]
    return [[node["string"]["sval"] for node in owner] for owner in owners] == [["none"]]


def _made_in_table(schema: str, table: str, command: Any) -> Iterator[Place]:  # noqa: ANN401 -- a part of a parse tree
    definition = command.get("def", {})
    if command.get("subtype") == "AT_AlterColumnType":
        yield schema, table, command.get("name", "")
    elif command.get("subtype") == "AT_AddColumn":
        yield schema, table, definition.get("column_def", {}).get("colname", "")
    elif command.get("subtype") == "AT_AddConstraint":
        # The index behind it has its name.
        yield schema, definition.get("constraint", {}).get("conname", ""), ""


def _place(relation: Any) -> Place:  # noqa: ANN401 -- a part of a parse tree
    return relation.get("schemaname", ""), relation.get("relname", ""), ""


@cache
def _query() -> str:
    text = files("roost.schema").joinpath("sql/details.sql").read_text("utf-8")
    return text[text.index("\nWITH\n") + 1 :]
