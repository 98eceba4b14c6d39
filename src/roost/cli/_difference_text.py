"""Puts the difference between a database and declared schemas into words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from rich.text import Text

if TYPE_CHECKING:
    from roost.migrations import SchemaCheck
    from roost.schema import SchemaChange

_STYLES = {"safe": "green", "blocking": "yellow", "rewriting": "yellow", "data-losing": "red"}


class DifferenceRow(TypedDict):
    """What it would take to bring about a plugin's declared schema.

    Attributes:
        plugin: The plugin.
        schema: The PostgreSQL schema.
        is_blocked: Whether a run would refuse it, because a loss is not allowed.
        losses: What would be lost, by the names that `--allow-data-loss` takes.
        left_alone: What is otherwise in the schema, each in a few words, and stays so, because no plugin declares it.
        changes: The statements in their order, each with what it means for those who use the tables.
    """

    plugin: str
    schema: str
    is_blocked: bool
    losses: tuple[str, ...]
    left_alone: tuple[str, ...]
    changes: tuple[SchemaChange, ...]


class DifferenceDocument(TypedDict):
    """How a database differs from what plugins declare.

    Attributes:
        differs: Whether it does.
        plugins: How, plugin by plugin.
    """

    differs: bool
    plugins: list[DifferenceRow]


def difference_text(checks: Sequence[SchemaCheck]) -> Text:
    """Return the statements, with what is to be known of each in a comment above it."""
    if not checks:
        return Text("no plugin declares a schema")
    different = [check for check in checks if check.changes]
    if not different:
        return Text("no difference: the database is what the plugins declare")
    text = Text()
    for check in different:
        text.append(f"-- plugin {check.plugin}, schema {check.schema}: {_counted(check.changes)}\n")
        for change in check.changes:
            text.append(f"-- {judgement(change)}\n", style=_STYLES[change.risk])
            text.append(f"{change.sql}\n")
    text.rstrip()
    return text


def judgement(change: SchemaChange) -> str:
    """Return what a change means for those who use the tables, in one line."""
    parts = ["loses data: " + ", ".join(change.loses) if change.loses else change.risk]
    if change.risk != "safe":
        parts.append(change.why)
    if change.lock:
        parts.append(f"takes {change.lock}")
    return "; ".join(parts)


def difference_document(checks: Sequence[SchemaCheck]) -> DifferenceDocument:
    """Return the same as plain data."""
    rows = [
        DifferenceRow(
            plugin=check.plugin,
            schema=check.schema,
            is_blocked=check.is_blocked,
            losses=check.losses,
            left_alone=check.left_alone,
            changes=check.changes,
        )
        for check in checks
    ]
    return DifferenceDocument(differs=any(check.changes for check in checks), plugins=rows)


def _counted(changes: Sequence[SchemaChange]) -> str:
    return f"{len(changes)} {'statement' if len(changes) == 1 else 'statements'}"
