"""Has indexes and constraints take each other's names: who holds a name gives it up before another gets it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from roost.postgres import ParsedStatement, parse_sql, quote_identifier
from roost.schema._chosen_names import chosen_name

_KINDS = {"OBJECT_INDEX", "OBJECT_TABCONSTRAINT"}


@dataclass(frozen=True, slots=True)
class _Renaming:
    schema: str
    table: str
    old: str
    new: str

    @property
    def aside(self) -> str:
        return chosen_name(self.old, "roost", "aside")

    def via(self, old: str, new: str) -> ParsedStatement:
        path = f"{quote_identifier(self.schema)}."
        if self.table:
            sql = f"ALTER TABLE {path}{quote_identifier(self.table)} RENAME CONSTRAINT {quote_identifier(old)} TO {quote_identifier(new)}"
        else:
            sql = f"ALTER INDEX {path}{quote_identifier(old)} RENAME TO {quote_identifier(new)}"
        return (parse_sql(sql) or ())[0]


def with_names_in_turn(statements: Sequence[ParsedStatement]) -> list[ParsedStatement]:
    """Return statements in which each rename of an index or a constraint finds its name free.

    Those that form a circle are broken up: the first steps aside under a name of its own, and gets its new one last.

    Args:
        statements: The statements, in order.
    """
    slots = {index: renaming for index, statement in enumerate(statements) if (renaming := _renaming(statement)) is not None}
    in_turn = list(_in_turn(list(slots.values())))
    ordered: list[ParsedStatement] = []
    for index, statement in enumerate(statements):
        if index not in slots:
            ordered.append(statement)
        elif index == max(slots):
            ordered += in_turn
        elif in_turn:
            ordered.append(in_turn.pop(0))
    return ordered


def _in_turn(renamings: list[_Renaming]) -> Iterator[ParsedStatement]:
    waiting = list(renamings)
    while waiting:
        held = {(one.schema, one.old) for one in waiting}
        free = next((one for one in waiting if (one.schema, one.new) not in held), None)
        if free is None:
            first = waiting.pop(0)
            yield first.via(first.old, first.aside)
            waiting.append(_Renaming(first.schema, first.table, first.aside, first.new))
            continue
        waiting.remove(free)
        yield free.via(free.old, free.new)


def _renaming(statement: ParsedStatement) -> _Renaming | None:
    tree = statement.tree
    if statement.kind != "rename_stmt" or tree["rename_type"] not in _KINDS or "schemaname" not in tree["relation"]:
        return None
    schema, name = tree["relation"]["schemaname"], tree["relation"]["relname"]
    if tree["rename_type"] == "OBJECT_INDEX":
        return _Renaming(schema, "", name, tree["newname"])
    return _Renaming(schema, name, tree["subname"], tree["newname"])
