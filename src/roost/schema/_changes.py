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
class Stage:
    """Statements that come behind the main transaction of a change, in an order in which they hold nobody off for long.

    Attributes:
        changes: The statements.
        is_transaction: Whether they are one transaction; otherwise it is one statement that PostgreSQL takes only outside of one.
    """

    changes: tuple[SchemaChange, ...]
    is_transaction: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginChanges:
    """What has to happen to a plugin's schema.

    Attributes:
        plugin: The plugin.
        schema: Its PostgreSQL schema.
        fingerprint: That of its declaration.
        counts: Statements that change nothing, and fail where rows that are there violate what is to come in `apart`.
        first: What has to be committed before the rest: values of enums that the rest uses.
        changes: The main transaction in its order: everything that is not elsewhere, what is for renames last.
        apart: What follows it, because it would keep others from large tables for long. Not before the last of these is the schema as it
            is declared.
        blocked: Those among all of them that would lose data and are not allowed. With any of them nothing of the plugin runs.
        refused: What can't be done at all, one sentence each. With any of them nothing of the plugin runs.
        left_alone: What a comparison would change or remove, and no plugin owns or declares.
        rename_candidates: Pairs of an old and a new name that could be one thing: a column or table that goes, and one that comes.
    """

    plugin: str
    schema: str
    fingerprint: str
    counts: tuple[str, ...] = ()
    first: tuple[SchemaChange, ...] = ()
    changes: tuple[SchemaChange, ...] = ()
    apart: tuple[Stage, ...] = ()
    blocked: tuple[SchemaChange, ...] = ()
    refused: tuple[str, ...] = ()
    left_alone: tuple[Identity, ...] = ()
    rename_candidates: tuple[tuple[str, str], ...] = ()

    @property
    def every(self) -> tuple[SchemaChange, ...]:
        """All changes, in the order in which they are sent."""
        return (*self.first, *self.changes, *(change for stage in self.apart for change in stage.changes))
