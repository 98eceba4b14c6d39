"""What a rehearsal saw of each step, worked out of what the server said before and after it. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from roost.errors import RehearsedStepFailed
    from roost.migrations._records import BlockedChange

RehearsalOutcome: TypeAlias = Literal["rehearsed", "failed", "not rehearsed"]

_MODES = {
    "AccessShareLock": "ACCESS SHARE",
    "RowShareLock": "ROW SHARE",
    "RowExclusiveLock": "ROW EXCLUSIVE",
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}
"""PostgreSQL's lock modes, weakest first: what ``pg_locks`` calls them, and what its documentation does."""

LOCK_MODES: tuple[str, ...] = tuple(_MODES.values())
"""PostgreSQL's lock modes on tables, the weakest first."""

_STRENGTH = {mode: strength for strength, mode in enumerate(_MODES)}
_HAS_ROWS = ("table", "materialized view")
_UNSAFE_NEW_VALUE = "55P04"
_OUT_OF_MEMORY = "53200"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, an index or the like.

    Attributes:
        name: With its schema, as SQL writes it.
        kind: ``"table"``, ``"index"``, ``"sequence"``, ``"view"``…
        file: The number of the file that holds it, another one after a rewrite; 0 where there is none.
    """

    name: str
    kind: str
    file: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What the server says of the rehearsal's own transaction at one moment.

    Attributes:
        transaction: Its id.
        counts_rows: Whether the server counts rows at all (``track_counts``).
        enum_values: How many values of enum types there are.
        relations: All relations outside the system's schemas, by oid.
        locks: The locks on relations that it holds, each the relation's oid and a mode as ``pg_locks`` calls it.
        rows: Rows inserted, updated and deleted by oid of the table.
    """

    transaction: str
    counts_rows: bool
    enum_values: int
    relations: Mapping[int, Relation]
    locks: frozenset[tuple[int, str]]
    rows: Mapping[int, tuple[int, int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenLock:
    """A lock that a step took on a relation, and that no step before it held.

    Attributes:
        relation: Its name with its schema.
        kind: ``"table"``, ``"index"``, ``"sequence"``, ``"view"``…
        mode: The strongest of the modes that are new, in PostgreSQL's words, such as ``"ACCESS EXCLUSIVE"``.
        is_new: Whether the rehearsal made the relation, so that its lock is in nobody's way.
    """

    relation: str
    kind: str
    mode: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchedRows:
    """How many rows of a table a step inserted, updated and deleted."""

    table: str
    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMeasures:
    """What one step did, by what is different after it.

    Attributes:
        locks: The locks that it took, tables first, by name.
        rewritten: The tables that were there before it and whose files it replaced: rewritten, or truncated.
        rows: What it did to rows, by table; None where the server doesn't count them (``track_counts``).
    """

    locks: tuple[TakenLock, ...] = ()
    rewritten: tuple[str, ...] = ()
    rows: tuple[TouchedRows, ...] | None = ()


NOTHING_MEASURED = StepMeasures()


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedStep:
    """One step of a rehearsal.

    Attributes:
        service: The service whose step it is.
        plugin: Its plugin.
        step: The step's id; None for a service whose steps only itself knows.
        description: What it does.
        version: The version it belongs to; None where the step is.
        sql: The SQL that was, or would be, sent; None for a Python function.
        outcome: ``"rehearsed"``, ``"failed"`` or ``"not rehearsed"``.
        reason: Why it was not rehearsed, or what may have made it fail; None else.
        error: What a run would raise; None unless it failed.
        attempts: How often it was tried.
        duration: Seconds that its last attempt took.
        locks: The locks that it took and no step before it held, tables first.
        rewritten: The tables whose files it replaced: rewritten, or truncated; none that are its own.
        rows: The rows that it touched, by table; None where the server doesn't count them (``track_counts``).
    """

    service: str
    plugin: str
    step: str | None
    description: str
    version: str | None
    sql: str | None
    outcome: RehearsalOutcome
    reason: str | None = None
    error: RehearsedStepFailed | None = None
    attempts: int = 0
    duration: float = 0.0
    locks: tuple[TakenLock, ...] = ()
    rewritten: tuple[str, ...] = ()
    rows: tuple[TouchedRows, ...] | None = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLock:
    """The strongest lock that a rehearsal held on a relation that others may use.

    Attributes:
        relation: Its name with its schema.
        kind: ``"table"``, ``"index"``…
        mode: In PostgreSQL's words.
        seconds: From the beginning of the step that took it to the end of the rehearsal; a run gives it back with the step.
    """

    relation: str
    kind: str
    mode: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalReport:
    """What a rehearsal saw. Everything was rolled back.

    Attributes:
        steps: Every pending step in its order, the changes of declared schemas among them, and each service that can't say its steps.
        held: For each relation that was there before, the strongest lock and for how long; the strongest modes first.
        sequences: Sequences that moved on: no rollback takes that back, and no harm is done by a gap.
        broken_off: Why not all steps were gone through; None where they were.
        waited: Seconds spent waiting for the lock.
        duration: Seconds in all.
        blocked: What a run would refuse, because data would be lost. Nothing of that plugin's schema is rehearsed.
    """

    steps: tuple[RehearsedStep, ...]
    held: tuple[HeldLock, ...]
    sequences: tuple[str, ...]
    broken_off: str | None
    waited: float
    duration: float
    blocked: tuple[BlockedChange, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether it went through to its end: no step failed and nothing is blocked, though some may not be fit to be rehearsed."""
        return self.broken_off is None


def compare(before: Measure, after: Measure, *, first: Measure) -> StepMeasures:
    """Return what a step did.

    Args:
        before: What the server said before it.
        after: What it said after it.
        first: What it said before the first step.
    """
    relations = {**before.relations, **after.relations}
    return StepMeasures(
        locks=_taken(after.locks - before.locks, relations, known=first.relations),
        rewritten=tuple(
            sorted(
                relation.name
                for oid, relation in after.relations.items()
                if relation.kind in _HAS_ROWS and oid in before.relations and before.relations[oid].file != relation.file
            )
        ),
        rows=_touched(before, after) if after.counts_rows else None,
    )


def _taken(locks: frozenset[tuple[int, str]], relations: Mapping[int, Relation], *, known: Mapping[int, Relation]) -> tuple[TakenLock, ...]:
    strongest: dict[int, str] = {}
    for oid, mode in locks:
        # What is not among the relations is the system's, or was made and dropped in between.
        if oid in relations and _STRENGTH[mode] >= _STRENGTH[strongest.get(oid, mode)]:
            strongest[oid] = mode
    taken = [
        TakenLock(relation=relations[oid].name, kind=relations[oid].kind, mode=_MODES[mode], is_new=oid not in known)
        for oid, mode in strongest.items()
    ]
    return tuple(sorted(taken, key=lambda lock: (lock.kind != "table", lock.kind, lock.relation)))


def _touched(before: Measure, after: Measure) -> tuple[TouchedRows, ...]:
    touched = []
    for oid, counts in after.rows.items():
        if oid not in after.relations:
            continue
        earlier = before.rows.get(oid, (0, 0, 0))
        # TRUNCATE lets the server forget what was counted before it in the same transaction.
        inserted, updated, deleted = (max(now - then, 0) for now, then in zip(counts, earlier, strict=True))
        if inserted or updated or deleted:
            touched.append(TouchedRows(table=after.relations[oid].name, inserted=inserted, updated=updated, deleted=deleted))
    return tuple(sorted(touched, key=lambda one: one.table))


def held_locks(taken: Sequence[tuple[float, Sequence[TakenLock]]], *, ended: float) -> tuple[HeldLock, ...]:
    """Return for each relation that others may use its strongest lock and for how long it was held, the strongest modes first.

    Args:
        taken: For each rehearsed step the moment at which it began and the locks that it took.
        ended: The moment at which all was rolled back.
    """
    strongest: dict[str, HeldLock] = {}
    for began, locks in taken:
        for lock in locks:
            held = strongest.get(lock.relation)
            if not lock.is_new and (held is None or LOCK_MODES.index(lock.mode) > LOCK_MODES.index(held.mode)):
                strongest[lock.relation] = HeldLock(relation=lock.relation, kind=lock.kind, mode=lock.mode, seconds=ended - began)
    return tuple(sorted(strongest.values(), key=lambda held: (-LOCK_MODES.index(held.mode), held.kind != "table", held.relation)))


def moved_sequences(taken: Sequence[tuple[float, Sequence[TakenLock]]]) -> tuple[str, ...]:
    """Return the sequences that were there before and gave numbers away: who takes one locks its sequence so."""
    locks = [lock for _, step in taken for lock in step]
    return tuple(sorted({lock.relation for lock in locks if lock.kind == "sequence" and not lock.is_new and lock.mode == "ROW EXCLUSIVE"}))


def why_not(sqlstate: str | None, *, before: Measure, first: Measure, is_first: bool) -> str | None:
    """Return why a failure is that of the rehearsal and not of the step; None where a run would fail as well.

    Args:
        sqlstate: PostgreSQL's code for the error.
        before: What the server said before the step.
        first: What it said before the first step.
        is_first: Whether no step was rehearsed before it.
    """
    if sqlstate == _UNSAFE_NEW_VALUE and before.enum_values > first.enum_values:
        return (
            "it uses a new value of an enum type, which PostgreSQL allows once that is committed, and here all steps share one transaction"
        )
    if sqlstate == _OUT_OF_MEMORY and not is_first:
        return "the server has no room for the locks of all steps in one transaction (max_locks_per_transaction)"
    return None
