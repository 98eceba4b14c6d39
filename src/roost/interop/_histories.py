"""Reads out of the rows of other tools' histories what they have applied, and finds the steps that it is. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from roost.errors import HistoryNotInCode, HistoryUnfinished, HistoryUnreadable
from roost.migrations import flyway_version

if TYPE_CHECKING:
    from roost.migrations import MigrationStep

HistoryTool: TypeAlias = Literal["alembic", "dbmate", "django", "elizaos", "flyway", "golang-migrate", "goose", "rails"]
Row: TypeAlias = Sequence[str | None]
Key: TypeAlias = str | int | tuple[int, ...]

HISTORY_TOOLS: tuple[HistoryTool, ...] = get_args(HistoryTool)
"""The tools whose histories can be imported."""

_TRUE = "true"
_NUMBER = re.compile(r"\d{1,999}")
_FLYWAY = re.compile(r"V?(\d{1,999}(?:[._]\d{1,999})*)(?:__.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTable:
    """Where a tool keeps its history.

    Attributes:
        name: The table.
        columns: What is read of it.
        schema: Its schema; None where that is the user's choice.
        order: The column by which its rows are read.
        never: Columns that tell it from the table of the same name of another tool.
    """

    name: str
    columns: tuple[str, ...]
    schema: str | None = None
    order: str | None = None
    never: tuple[str, ...] = ()


TABLES: Mapping[HistoryTool, HistoryTable] = {
    "alembic": HistoryTable(name="alembic_version", columns=("version_num",)),
    "dbmate": HistoryTable(name="schema_migrations", columns=("version",), never=("dirty",)),
    "django": HistoryTable(name="django_migrations", columns=("app", "name"), order="id"),
    "elizaos": HistoryTable(name="_journal", columns=("plugin_name", "entries"), schema="migrations"),
    "flyway": HistoryTable(name="flyway_schema_history", columns=("version", "type", "success", "script"), order="installed_rank"),
    "golang-migrate": HistoryTable(name="schema_migrations", columns=("version", "dirty")),
    "goose": HistoryTable(name="goose_db_version", columns=("version_id", "is_applied"), order="id"),
    "rails": HistoryTable(name="schema_migrations", columns=("version",), never=("dirty",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignHistory:
    """What another tool says that it has applied.

    Attributes:
        tool: The tool.
        table: Where it says so.
        entries: What it has applied, in its own words.
        up_to: That all up to this is applied, without being told one by one; None says nothing.
    """

    tool: HistoryTool
    table: str
    entries: tuple[str, ...] = ()
    up_to: str | None = None


def history_of(tool: HistoryTool, rows: Sequence[Row], *, table: str, name: str) -> ForeignHistory:
    """Read the rows of a history.

    Args:
        tool: Whose it is.
        rows: The columns that `TABLES` names, as text, in its order.
        table: The table, for errors.
        name: Whose migrations are meant, where the history is that of several: an app of Django's, a plugin of ElizaOS.

    Raises:
        HistoryUnfinished: A migration failed halfway.
        HistoryUnreadable: It does not know the name, or a row is none that the tool would write.
    """
    match tool:
        case "flyway":
            return _flyway(rows, table)
        case "golang-migrate":
            return _golang_migrate(rows, table)
        case "goose":
            last = {str(version): applied for version, applied in rows}
            return ForeignHistory(tool=tool, table=table, entries=tuple(one for one in last if last[one] == _TRUE and one != "0"))
        case "django" | "elizaos":
            return _named(tool, rows, table=table, name=name)
        case _:
            return ForeignHistory(tool=tool, table=table, entries=tuple(str(row[0]) for row in rows))


def _flyway(rows: Sequence[Row], table: str) -> ForeignHistory:
    failed = tuple(str(script) for _, _, success, script in rows if success != _TRUE)
    if failed:
        raise HistoryUnfinished(tool="flyway", table=table, entries=failed)
    applied: dict[str, None] = {}
    up_to: str | None = None
    for version, kind, _, _ in rows:
        # Without a version it is a repeatable one, or the note that Flyway has made the schema.
        if version is None or kind == "SCHEMA":
            continue
        if kind in ("BASELINE", "SQL_BASELINE"):
            up_to = version
        elif kind == "DELETE" or str(kind).startswith("UNDO"):
            applied.pop(version, None)
        else:
            applied[version] = None
    return ForeignHistory(tool="flyway", table=table, entries=tuple(applied), up_to=up_to)


def _golang_migrate(rows: Sequence[Row], table: str) -> ForeignHistory:
    dirty = tuple(str(version) for version, is_dirty in rows if is_dirty == _TRUE)
    if dirty:
        raise HistoryUnfinished(tool="golang-migrate", table=table, entries=dirty)
    if len(rows) > 1:
        reason = f"it has {len(rows)} rows, and golang-migrate keeps one, with the number that it is at"
        raise HistoryUnreadable(
            tool="golang-migrate", table=table, reason=reason, remedy="bring it into order: golang-migrate force VERSION"
        )
    # -1 is none.
    version = next((str(version) for version, _ in rows), None)
    if version is None or version == "-1":
        return ForeignHistory(tool="golang-migrate", table=table)
    return ForeignHistory(tool="golang-migrate", table=table, entries=(version,), up_to=version)


def _named(tool: HistoryTool, rows: Sequence[Row], *, table: str, name: str) -> ForeignHistory:
    own = [str(row[1]) for row in rows if row[0] == name]
    if not own:
        known = ", ".join(dict.fromkeys(str(row[0]) for row in rows))
        reason = f"it has nothing of {name!r}"
        raise HistoryUnreadable(
            tool=tool, table=table, reason=reason, remedy=f"say with --app which is meant; there are: {known or 'none'}"
        )
    if tool == "django":
        return ForeignHistory(tool=tool, table=table, entries=tuple(own))
    try:
        entries = tuple(str(int(entry["idx"])) for entry in json.loads(own[0]))
    except (ValueError, KeyError, TypeError) as error:
        reason, remedy = f"its entries of {name!r} are no journal", "look whether it is elizaos's; else claim the steps with: roost mark"
        raise HistoryUnreadable(tool=tool, table=table, reason=reason, remedy=remedy) from error
    return ForeignHistory(tool=tool, table=table, entries=entries)


def chosen(
    history: ForeignHistory,
    steps: Sequence[MigrationStep],
    *,
    plugin: str,
    below: Callable[[Collection[str]], Collection[str]] | None = None,
) -> list[str]:
    """Return the ids of the steps that a history says are applied.

    Args:
        history: The history.
        steps: All steps of the plugin, in their order.
        plugin: The plugin, for errors.
        below: Returns revisions with all that lie below, where the plugin's steps are revisions of Alembic's.

    Raises:
        HistoryNotInCode: The history has something that is none of the steps.
        HistoryUnreadable: What lies below several heads of Alembic's can't be told.
    """
    if history.tool == "alembic":
        return _chosen_revisions(history, steps, plugin=plugin, below=below)
    key = _KEYS[history.tool]
    keys = {step.id: key(step.id) for step in steps}
    known = {own for own in keys.values() if own is not None}
    unknown = tuple(entry for entry in history.entries if key(entry) not in known)
    if unknown:
        raise HistoryNotInCode(tool=history.tool, table=history.table, plugin=plugin, entries=unknown)
    listed = {key(entry) for entry in history.entries}
    highest = None if history.up_to is None else key(history.up_to)
    return [name for name, own in keys.items() if own is not None and (own in listed or _is_up_to(own, highest))]


def _chosen_revisions(
    history: ForeignHistory, steps: Sequence[MigrationStep], *, plugin: str, below: Callable[[Collection[str]], Collection[str]] | None
) -> list[str]:
    ids = [step.id for step in steps]
    at = {head: _place(head, ids) for head in history.entries}
    unknown = tuple(head for head, place in at.items() if place is None)
    if unknown:
        raise HistoryNotInCode(tool=history.tool, table=history.table, plugin=plugin, entries=unknown)
    if below is not None:
        applied = below(history.entries)
        return [name for name in ids if name in applied]
    if len(at) > 1:
        reason = f"it has several heads, {', '.join(at)}, and nothing says what lies below each"
        remedy = "merge them by alembic merge and upgrade, or let an AlembicMigrationService bring the directory"
        raise HistoryUnreadable(tool=history.tool, table=history.table, reason=reason, remedy=remedy)
    return [name for place in at.values() if place is not None for name in ids[: place + 1]]


def _place(revision: str, ids: Sequence[str]) -> int | None:
    return next((place for place, name in enumerate(ids) if name == revision or name.startswith((f"{revision}_", f"{revision}-"))), None)


def _is_up_to(own: Key, highest: Key | None) -> bool:
    match own, highest:
        case (int(), int()):
            return own <= highest
        case (tuple(), tuple()):
            return own <= highest
        case _:
            return False


def _digits(text: str) -> str | None:
    found = _NUMBER.match(text)
    return None if found is None else found[0]


def _number(text: str) -> int | None:
    digits = _digits(text)
    return None if digits is None else int(digits)


def _version(text: str) -> tuple[int, ...] | None:
    found = _FLYWAY.fullmatch(text)
    return None if found is None else flyway_version(found[1])


_KEYS: Mapping[str, Callable[[str], Key | None]] = {
    "dbmate": _digits,
    "django": str,
    "elizaos": _number,
    "flyway": _version,
    "golang-migrate": _number,
    "goose": _number,
    "rails": _digits,
}
"""By what an entry and a step's id are the same."""
