"""What one statement of a comparison says by itself, and the small tools to read it out of PostgreSQL's parse tree. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.postgres import Tree, input_parameters, names_of
from roost.schema._changes import Identity, Risk, Verb

NOBODY: Identity = ("", "", "", "")
"""What a statement is about that touches what no plugin has: privileges, extensions, event triggers."""

EXCLUSIVE = "AccessExclusiveLock"
SHARE_ROW = "ShareRowExclusiveLock"
SHARE_UPDATE = "ShareUpdateExclusiveLock"
SHARE = "ShareLock"

SERIAL = frozenset({"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"})
"""Types that bring a sequence and a default along."""

KINDS = {
    "OBJECT_TABLE": "table",
    "OBJECT_COLUMN": "column",
    "OBJECT_TABCONSTRAINT": "constraint",
    "OBJECT_INDEX": "index",
    "OBJECT_VIEW": "view",
    "OBJECT_MATVIEW": "materialized view",
    "OBJECT_SEQUENCE": "sequence",
    "OBJECT_TYPE": "type",
    "OBJECT_DOMAIN": "type",
    "OBJECT_DOMCONSTRAINT": "type",
    "OBJECT_FUNCTION": "function",
    "OBJECT_PROCEDURE": "function",
    "OBJECT_TRIGGER": "trigger",
    "OBJECT_POLICY": "policy",
    "OBJECT_SCHEMA": "schema",
}
OF_RELATION = frozenset({"column", "constraint", "trigger", "policy"})
"""What is named behind its relation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One statement.

    Attributes:
        sql: Its text, with the semicolon.
        form: What the grammar calls it, where others need to know: the kind of statement, or that of the command of an ALTER TABLE.
        object: What it is about; an index lacks its parent, where the statement doesn't tell it.
        verb: What it does.
        lock: The strongest lock on a table that it takes.
        risk: What it means if the table is there and has rows.
        why: One sentence, for people.
        also: Something else that it changes: the parent of a partition.
        new_name: What a rename gives, or a value of an enum that is new.
        old_value: A value of an enum that gets another name.
        arguments: The types of a function's input, as the parse tree names them.
    """

    sql: str
    form: str
    object: Identity
    verb: Verb
    lock: str = ""
    risk: Risk = "safe"
    why: str
    also: Identity | None = None
    new_name: str = ""
    old_value: str = ""
    arguments: tuple[str, ...] = ()


def relation_of(node: Tree) -> tuple[str, str]:
    """Return a relation's schema and name."""
    return str(node.get("schemaname", "")), str(node["relname"])


def identity_of(kind: str, names: tuple[str, ...]) -> Identity:
    """Put the parts of a dotted name in their places.

    Args:
        kind: The kind of the object.
        names: Behind the schema and, where the kind has one, the relation.
    """
    if kind == "schema":
        return kind, names[0], "", names[0]
    if kind in OF_RELATION:
        schema, parent, name = ("", "", *names)[-3:]
        return kind, schema, parent, name
    schema, name = ("", *names)[-2:]
    return kind, schema, "", name


def arguments_of(node: Tree) -> tuple[str, ...]:
    """Return the types of a function's input, by which a DROP or a COMMENT means one of several."""
    return tuple(type_text(argument["type_name"]) for argument in node["object_with_args"].get("objargs", ()))


def parameters_of(nodes: Iterable[Tree]) -> tuple[str, ...]:
    """Return the types of a function's input, as a CREATE FUNCTION has them."""
    return tuple(type_text(parameter["arg_type"]) for parameter in input_parameters(nodes))


def type_text(node: Tree) -> str:
    """Return a type in a form in which two are equal when they are one; modifiers are no part of it."""
    names = names_of(node["names"])
    return ".".join(name for name in names if name != "pg_catalog") + ("[]" if node.get("array_bounds") else "")
