"""Puts the difference between a database and declared schemas into words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

if TYPE_CHECKING:
    from roost.migrations import SchemaCheck
    from roost.schema import SchemaChange

_STYLES = {"safe": "green", "blocking": "yellow", "rewriting": "yellow", "data-losing": "red"}


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


def difference_document(checks: Sequence[SchemaCheck]) -> dict[str, Any]:
    """Return the same as plain data."""
    return {
        "differs": any(check.changes for check in checks),
        "plugins": [
            {
                "plugin": check.plugin,
                "schema": check.schema,
                "is_blocked": check.is_blocked,
                "losses": list(check.losses),
                "left_alone": list(check.left_alone),
                "changes": [asdict(change) for change in check.changes],
            }
            for check in checks
        ],
    }


def _counted(changes: Sequence[SchemaChange]) -> str:
    return f"{len(changes)} {'statement' if len(changes) == 1 else 'statements'}"
