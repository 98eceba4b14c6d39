"""Reads what the ledger says of declared schemas: which was brought about last, of what it consisted, and what has become of that."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.migrations._ledger import rows_of
from roost.migrations._plan import SCHEMA_STEP
from roost.postgres import from_microseconds, microseconds, quote_literal
from roost.schema import SchemaObject

if TYPE_CHECKING:
    from datetime import datetime

    from roost.postgres import MigrationSession
    from roost.schema import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a plugin's declared schema consisted of after the last change of it.

    Attributes:
        plugin: The plugin.
        number: How many changes there were, this one included.
        objects: Of what it consisted: these are the plugin's own.
        taken_at: When the change was made.
    """

    plugin: str
    number: int
    objects: tuple[SchemaObject, ...]
    taken_at: datetime


async def brought_about(session: MigrationSession) -> dict[str, str]:
    """Read the fingerprint of the declaration that was brought about last, by plugin; nothing where there is no ledger yet."""
    rows = await rows_of(session, f"SELECT plugin, fingerprint FROM roost.repeatable WHERE step = {quote_literal(SCHEMA_STEP)}")
    return {plugin or "": fingerprint or "" for plugin, fingerprint in rows}


async def last_snapshots(session: MigrationSession) -> dict[str, Snapshot]:
    """Read the last snapshot of each plugin that has one; nothing where there is no ledger yet, or one of an older roost."""
    rows = await rows_of(
        session,
        f"SELECT DISTINCT ON (plugin) plugin, number, objects::text, {microseconds('taken_at')} FROM roost.snapshot "
        "ORDER BY plugin, number DESC",
    )
    return {
        plugin or "": Snapshot(
            plugin=plugin or "",
            number=int(number or 0),
            objects=tuple(from_json(objects or "[]")),
            taken_at=from_microseconds(taken_at),
        )
        for plugin, number, objects, taken_at in rows
    }


def to_json(objects: Iterable[SchemaObject]) -> str:
    """Return objects as the ledger keeps them; equal ones in equal order."""
    return json.dumps([[one.kind, one.schema, one.parent, one.name, one.definition] for one in sorted(objects)], ensure_ascii=False)


def from_json(text: str) -> list[SchemaObject]:
    """Return the objects that `to_json` wrote."""
    return [
        SchemaObject(kind=kind, schema=schema, parent=parent, name=name, definition=definition)
        for kind, schema, parent, name, definition in json.loads(text)
    ]


def drift(own: Sequence[SchemaObject], found: Collection[SchemaObject]) -> tuple[str, ...]:
    """Tell what of a plugin's objects is no longer as it was brought about, each in a few words. Pure.

    Args:
        own: Of what the declared schema consists.
        found: What the schema holds now.
    """
    now = {one.identity: one.definition for one in found}
    gone = {(one.schema, one.name) for one in own if not one.parent and one.identity not in now}
    told = []
    for one in own:
        if one.identity not in now:
            # With a table go its columns, which need not be told.
            if not one.parent or (one.schema, one.parent) not in gone:
                told.append(f"{words_for(one)} is missing")
        elif now[one.identity] != one.definition:
            told.append(f"{words_for(one)} differs: {now[one.identity]} instead of {one.definition}")
    return tuple(told)


def differences(missing: Iterable[SchemaObject]) -> tuple[str, ...]:
    """Tell what of a declaration is not there, or otherwise, each in a few words. Pure."""
    return tuple(f"{words_for(one)} is not {one.definition}" for one in missing)


def words_for(one: SchemaObject) -> str:
    """Return what an object is called: its kind, and its name with its table's in front."""
    return words_for_identity(one.identity)


def words_for_identity(of: Identity) -> str:
    """Return what an object is called, by its identity."""
    kind, _, parent, name = of
    return f"{kind} {parent}.{name}" if parent else f"{kind} {name}"
