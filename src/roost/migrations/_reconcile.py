"""Decides, from what the catalogue shows, what is left to do for a statement outside a transaction. Pure: no I/O, no clock."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from roost.postgres import AddsEnumValue, BuildsIndex, DetachesPartition, DropsIndex, RebuildsIndexes

if TYPE_CHECKING:
    from roost.postgres import Effect

Action: TypeAlias = Literal["run", "done", "compare", "wait", "look again", "remove", "finalize", "conflict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSeen:
    """What stands under an index's name, in the schema of its table.

    Attributes:
        kind: ``pg_class.relkind``: ``i`` for an index, ``I`` for one of a partitioned table.
        name: Its quoted name with its schema.
        is_ours: Whether it is an index of the statement's own table.
        is_valid: Whether queries use it.
        definition: What PostgreSQL says of it.
    """

    kind: str
    name: str
    is_ours: bool
    is_valid: bool
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the catalogue shows of a statement's object.

    Attributes:
        pid: The server process that looked: the run's own.
        table: The oid of the table of the index; None where there is no such table.
        index: What stands under the index's name; None where nothing does.
        is_there: Whether the object that a statement drops or adds is there.
        partition: ``"attached"``, ``"pending"`` where a detachment was begun, ``"apart"``, or ``"unknown"`` where a table is missing.
        leftovers: Quoted names of invalid indexes that an interrupted ``REINDEX … CONCURRENTLY`` left.
        builders: Server processes of others that build indexes on the table, or do something else that lets nobody build one there.
    """

    pid: int
    table: int | None = None
    index: IndexSeen | None = None
    is_there: bool = False
    partition: str = "unknown"
    leftovers: tuple[str, ...] = ()
    builders: tuple[int, ...] = ()

    @classmethod
    def read(cls, text: str) -> Seen:
        """Read what a look of `_outside_groups` returned."""
        found: dict[str, Any] = json.loads(text)
        index = found.get("index")
        return cls(
            pid=found["pid"],
            table=found.get("table"),
            index=IndexSeen(**index) if index else None,
            is_there=bool(found.get("is_there")),
            partition=found.get("partition") or "unknown",
            leftovers=tuple(found.get("leftovers") or ()),
            builders=tuple(found.get("builders") or ()),
        )


def decide(effect: Effect, seen: Seen, *, is_resumed: bool, was_idle: bool) -> Action:
    """Decide what is left to do.

    Args:
        effect: What the statement does.
        seen: What the catalogue shows.
        is_resumed: Whether the statement may have been begun before.
        was_idle: Whether an earlier look found the same, and nobody who builds. One look does not tell: it reads the catalogue first and
            the locks then, and a build may end in between. What a second look shows is later than the locks of the first.

    Returns:
        ``"run"`` it; it is ``"done"``; ``"compare"`` the definitions; ``"wait"`` for whoever builds; ``"look again"`` at once;
        ``"remove"`` what an interrupted build left, then look again; ``"finalize"`` a detachment; or there is a ``"conflict"``.
    """
    match effect:
        case BuildsIndex():
            return _index(seen, was_idle=was_idle)
        case RebuildsIndexes() if is_resumed and seen.leftovers:
            return _idle(seen, was_idle=was_idle)
        case DropsIndex() if is_resumed and not seen.is_there:
            return "done"
        case AddsEnumValue() if is_resumed and seen.is_there:
            return "done"
        case DetachesPartition() if is_resumed:
            return {"pending": "finalize", "apart": "done"}.get(seen.partition, "run")  # type: ignore[return-value] # two of the actions
        case _:
            return "run"


def _index(seen: Seen, *, was_idle: bool) -> Action:
    index = seen.index
    if index is None:
        return "run"
    if index.kind not in ("i", "I") or not index.is_ours:
        return "conflict"
    # An index of a partitioned table is valid once each partition has its own: that is no trace of an interrupted build.
    if index.is_valid or index.kind == "I":
        return "compare"
    return _idle(seen, was_idle=was_idle)


def _idle(seen: Seen, *, was_idle: bool) -> Action:
    if seen.builders:
        return "wait"
    return "remove" if was_idle else "look again"


RELATION_KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "S": "sequence", "c": "type", "f": "table"}


def conflict_of(index: IndexSeen) -> tuple[str, str]:
    """Return what stands under an index's name, and the reason why that can't be the step's index."""
    if index.kind not in ("i", "I"):
        kind = RELATION_KINDS.get(index.kind, "relation")
        return f"{kind} {index.name}", f"its name belongs to a {kind}"
    return index.definition, "an index of another table has its name"
