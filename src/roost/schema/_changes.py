"""Changes of a schema as values, and what is about to become of a plugin's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Identity: TypeAlias = tuple[str, str, str, str]
"""What an object is called: kind, schema, parent and name, as `SchemaObject.identity` has it."""

Verb: TypeAlias = Literal["create", "alter", "drop", "rename", "comment"]

Risk: TypeAlias = Literal["safe", "blocking", "rewriting", "data-losing"]
"""Whether it is over at once, holds off others while it reads a table, while it writes one anew, or can lose what a table holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChange:
    """One statement that brings a schema nearer to what is declared.

    Attributes:
        sql: The statement, with its semicolon.
        object: What it is about.
        verb: What it does to it.
        lock: The strongest lock on a table that it takes, such as ``"AccessExclusiveLock"``; empty for none that anybody else could
            wait for.
        risk: What it means for those who use the tables.
        is_reversible: Whether what was declared before, applied again, would bring everything back.
        loses: What it would lose, by the names that ``allow_data_loss`` takes: ``"agents"``, ``"agents.username"``, and with the schema
            in front where that is not the plugin's own.
        why: One sentence about it, for people.
    """

    sql: str
    object: Identity
    verb: Verb
    lock: str
    risk: Risk
    is_reversible: bool
    loses: tuple[str, ...] = ()
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginChanges:
    """What has to happen to a plugin's schema.

    Attributes:
        plugin: The plugin.
        schema: Its PostgreSQL schema.
        fingerprint: That of its declaration.
        first: What has to be committed before the rest: values of enums that the rest uses.
        changes: Everything else in its order, those for renames last.
        blocked: Those among `first` and `changes` that would lose data and are not allowed. With any of them nothing of the plugin runs.
        refused: What can't be done at all, one sentence each. With any of them nothing of the plugin runs.
        left_alone: What a comparison would change or remove, and no plugin owns or declares.
        rename_candidates: Pairs of an old and a new name that could be one thing: a column or table that goes, and one that comes.
    """

    plugin: str
    schema: str
    fingerprint: str
    first: tuple[SchemaChange, ...] = ()
    changes: tuple[SchemaChange, ...] = ()
    blocked: tuple[SchemaChange, ...] = ()
    refused: tuple[str, ...] = ()
    left_alone: tuple[Identity, ...] = ()
    rename_candidates: tuple[tuple[str, str], ...] = ()
