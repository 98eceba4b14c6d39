"""A plugin's whole change, statement by statement: what else happens to a table while one of them is judged. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roost.postgres import Tree, names_of, parse_sql
from roost.schema._reading import SERIAL, relation_of

if TYPE_CHECKING:
    from roost.schema._changes import SchemaChange

TableName = tuple[str, str]

_REMADE = frozenset({"AT_AddColumn", "AT_DropColumn", "AT_AlterColumnType", "AT_SetExpression"})
"""Commands after which a column's values are others, or none, than they were before."""
_KEEPS_INDEXES = frozenset(
    {*("AT_DropColumn", "AT_AlterColumnType", "AT_SetExpression", "AT_DropNotNull", "AT_ReplicaIdentity", "AT_DropCluster")}
)
"""Commands that may need an index dropped before."""
_MOVING = frozenset({"AT_AttachPartition", "AT_DetachPartition"})
_CODE = frozenset({"function", "type"})
_RELATIONS = frozenset({"table", "view", "materialized view"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One statement.

    Attributes:
        change: The change.
        kind: What the grammar calls the statement.
        tree: Its parts.
        command: The command of an ALTER TABLE that has one; empty for all others.
        table: The schema and name of the relation that it is about; empty where it is about none.
    """

    change: SchemaChange
    kind: str
    tree: Tree
    command: Tree
    table: TableName

    @property
    def form(self) -> str:
        """The kind of the command."""
        return str(self.command.get("subtype", ""))

    @property
    def constraint(self) -> Tree:
        """The constraint that it adds; empty where it adds none."""
        found: Tree = self.command["def"]["constraint"] if self.form == "AT_AddConstraint" else {}
        return found


def piece_of(change: SchemaChange) -> Piece:
    """Read a change."""
    (statement,) = parse_sql(change.sql) or ()
    commands = [node["alter_table_cmd"] for node in statement.tree.get("cmds", ())] if statement.kind == "alter_table_stmt" else []
    relation = statement.tree.get("relation")
    return Piece(
        change=change,
        kind=statement.kind,
        tree=statement.tree,
        command=commands[0] if len(commands) == 1 else {},
        table=relation_of(relation) if isinstance(relation, dict) else ("", ""),
    )


class WholeChange:
    """All statements of a plugin's change.

    Args:
        pieces: The statements of the main transaction.
        before: What is committed before it.
    """

    def __init__(self, pieces: Sequence[Piece], *, before: Sequence[SchemaChange]) -> None:
        self.pieces = pieces
        every = [piece.change for piece in pieces]
        self._forms: dict[tuple[str, str, str], set[str]] = {}
        for piece in pieces:
            kind, schema, parent, name = piece.change.object
            if kind == "column":
                self._forms.setdefault((schema, parent, name), set()).add(piece.form)
        self.changes_code = any(change.object[0] in _CODE and change.verb != "comment" for change in (*every, *before))
        self.reads_keys = any(_may_read_keys(piece) for piece in pieces)
        self.referenced = {relation_of(node) for piece in pieces for node in _found(piece.tree, "pktable")}
        self.made = {change.object[1::2] for change in every if change.object[0] in _RELATIONS and change.verb == "create"}
        self._moving = {
            change.object[1::2]
            for piece, change in zip(pieces, every, strict=True)
            if change.object[0] in _RELATIONS and (change.verb in {"create", "drop", "rename"} or piece.form in _MOVING)
        }
        self._moving |= {piece.table for piece in pieces if piece.form in _MOVING}
        self._drops_code = any(change.object[0] in _CODE and change.verb in {"drop", "rename"} for change in every)

    def is_moving(self, table: TableName) -> bool:
        """Tell whether a table comes, goes, or becomes or ceases to be a partition."""
        return table in self._moving

    def forms(self, table: TableName, column: str) -> set[str]:
        """Return the commands that a column gets."""
        return self._forms.get((*table, column), set())

    def is_remade(self, table: TableName, column: str) -> bool:
        """Tell whether a column's values are others afterwards."""
        return not _REMADE.isdisjoint(self.forms(table, column))

    def is_empty_column(self, table: TableName, column: str) -> bool:
        """Tell whether a column is new and empty in each row."""
        pieces = [piece for piece in self.pieces if piece.change.object == ("column", *table, column)]
        added = [piece for piece in pieces if piece.form == "AT_AddColumn"]
        if len(added) != 1 or self.forms(table, column) & (_REMADE - {"AT_AddColumn"}):
            return False
        definition = added[0].command["def"]["column_def"]
        # A domain may have a default of its own, and so has what is numbered.
        type_name = names_of(definition["type_name"]["names"])
        is_plain = (len(type_name) == 1 or type_name[0] == "pg_catalog") and type_name[-1] not in SERIAL
        return is_plain and {node["constraint"]["contype"] for node in definition.get("constraints", ())} <= {"CONSTR_NULL"}

    def adds_to(self, table: TableName, *forms: str) -> bool:
        """Tell whether a table gets one of some commands."""
        return any(piece.table == table and piece.form in forms for piece in self.pieces)

    def can_wait(self, table: TableName, name: str) -> bool:
        """Tell whether nothing of the main transaction needs an index, or the constraint that has it, dropped before."""
        if self._drops_code or self.adds_to(table, *_KEEPS_INDEXES):
            return False
        # An index that gets another name lets go of its old one, which may be that of the new index.
        renamed = [piece for piece in self.pieces if piece.kind == "rename_stmt" and piece.change.object[0] in {"index", "constraint"}]
        names = {word for piece in renamed for word in (piece.tree["newname"], piece.tree.get("subname", piece.table[1]))}
        return name not in names

    def dropping(self, table: TableName, name: str) -> Piece | None:
        """Return the statement that drops the index or the constraint of a table that has a name."""
        found = (("index", *table, name), ("constraint", *table, name))
        return next((piece for piece in self.pieces if piece.change.verb == "drop" and piece.change.object in found), None)

    def depends_on(self, piece: Piece) -> bool:
        """Tell whether another statement needs the index or constraint that one makes, comments aside."""
        kind, schema, _, name = piece.change.object
        word = re.compile(rf"(?<![\w$]){re.escape(name)}(?![\w$])")
        return any(_needs(other, schema=schema, name=name, kind=kind, word=word) for other in self.pieces if other is not piece)

    def comments_on(self, piece: Piece) -> list[Piece]:
        """Return the statements that comment on what one makes."""
        return [other for other in self.pieces if other.change.verb == "comment" and other.change.object == piece.change.object]


def columns_in(node: Any) -> set[str] | None:  # noqa: ANN401 -- any part of a tree
    """Return the columns that an expression names; None where it is about the row as a whole."""
    fields = [reference["fields"] for reference in _found(node, "column_ref")]
    if any("string" not in field[-1] for field in fields):
        return None
    return {str(field[-1]["string"]["sval"]) for field in fields}


def names_users_code(node: Any) -> bool:  # noqa: ANN401 -- any part of a tree
    """Tell whether an expression calls or casts to what somebody has made."""
    names = [call["funcname"] for call in _found(node, "func_call")] + [one["names"] for one in _found(node, "type_name")]
    names += [one["name"] for one in _found(node, "a_expr") if "name" in one] + [one["collname"] for one in _found(node, "collate_clause")]
    return any(len(parts) > 1 and parts[0].get("string", {}).get("sval") != "pg_catalog" for parts in names)


def _found(node: Any, key: str) -> Iterator[Any]:  # noqa: ANN401 -- any part of a tree
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        for part in node.values():
            yield from _found(part, key)
    elif isinstance(node, (list, tuple)):
        for part in node:
            yield from _found(part, key)


def _may_read_keys(piece: Piece) -> bool:
    """Tell whether a statement may need a key to be there when it runs: a view that groups by one, a function in SQL that names one."""
    if piece.kind == "create_function_stmt":
        languages = [one.get("arg") for one in _found(piece.tree.get("options", ()), "def_elem") if one["defname"] == "language"]
        return languages != [{"string": {"sval": "plpgsql"}}]
    return piece.kind in {"view_stmt", "create_table_as_stmt", "rule_stmt"}


def _needs(other: Piece, *, schema: str, name: str, kind: str, word: re.Pattern[str]) -> bool:
    change = other.change
    is_named = change.object[0] in {"index", "constraint"} and change.object[1] == schema and change.object[3] == name
    if is_named:
        return change.verb == "alter"
    if other.form in {"AT_ClusterOn", "AT_ReplicaIdentity"} or other.tree.get("objtype") == "OBJECT_INDEX":
        return word.search(change.sql) is not None
    return kind == "constraint" and other.kind == "create_function_stmt" and word.search(change.sql) is not None
