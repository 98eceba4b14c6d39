"""What a rehearsal says of a step, worked out of two measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from roost.migrations import LOCK_MODES, HeldLock, TakenLock, TouchedRows
from roost.migrations import _rehearsal_groups as texts
from roost.migrations._rehearsal import Measure, Relation, StepMeasures, compare, held_locks, moved_sequences, why_not

NOTES = Relation(name="public.notes", kind="table", file=10)
BY_BODY = Relation(name="public.by_body", kind="index", file=11)
NUMBERS = Relation(name="public.numbers", kind="sequence", file=12)
KNOWN = {1: NOTES, 2: BY_BODY, 3: NUMBERS}


def measure(
    relations: Mapping[int, Relation] = KNOWN, *locks: tuple[int, str], rows: Mapping[int, Any] | None = None, **fields: Any
) -> Measure:
    """Return a measure."""
    facts = {"transaction": "7", "counts_rows": True, "enum_values": 0, **fields}
    return Measure(relations=relations, locks=frozenset(locks), rows=rows or {}, **facts)


FIRST = measure()


def test_nothing_changed() -> None:
    """Then there is nothing to tell, whatever was held and counted before."""
    before = measure(KNOWN, (1, "AccessExclusiveLock"), rows={1: (3, 2, 1)})
    assert compare(before, before, first=FIRST) == StepMeasures()


def test_only_new_locks_count_and_the_strongest_of_them() -> None:
    """A mode that was held is the earlier step's; a relation is named once; tables come first."""
    before = measure(KNOWN, (1, "AccessShareLock"), (2, "ShareLock"))
    after = measure(KNOWN, (1, "AccessShareLock"), (1, "RowExclusiveLock"), (1, "ShareLock"), (2, "ShareLock"), (2, "AccessExclusiveLock"))
    assert compare(before, after, first=FIRST).locks == (
        TakenLock(relation="public.notes", kind="table", mode="SHARE", is_new=False),
        TakenLock(relation="public.by_body", kind="index", mode="ACCESS EXCLUSIVE", is_new=False),
    )


def test_locks_on_what_is_new_dropped_or_the_systems() -> None:
    """New is what was not there before the first step; what was dropped keeps its name; what no measure knows is not told."""
    made = {**KNOWN, 4: Relation(name="public.made", kind="table", file=20)}
    before = measure(made)
    after = measure({4: made[4]}, (1, "AccessExclusiveLock"), (4, "AccessShareLock"), (99, "AccessExclusiveLock"))
    assert [(lock.relation, lock.is_new) for lock in compare(before, after, first=FIRST).locks] == [
        ("public.made", True),
        ("public.notes", False),
    ]


def test_rewritten_is_a_table_that_was_there_and_has_another_file() -> None:
    """Not a new one, and not an index, which has another one as soon as it is built again."""
    after = {
        1: Relation(name="public.notes", kind="table", file=30),
        2: Relation(name="public.by_body", kind="index", file=31),
        4: Relation(name="public.made", kind="table", file=32),
    }
    assert compare(FIRST, measure(after), first=FIRST).rewritten == ("public.notes",)


def test_rows_are_what_came_on_top() -> None:
    """Of each table; a count that fell, as after TRUNCATE, is nothing; a table that is gone is not told."""
    before = measure(rows={1: (3, 2, 1), 9: (1, 0, 0)})
    after = measure(rows={1: (5, 1, 1), 9: (4, 0, 0)})
    assert compare(before, after, first=FIRST).rows == (TouchedRows(table="public.notes", inserted=2, updated=0, deleted=0),)
    assert compare(before, measure(rows={1: (0, 0, 0)}), first=FIRST).rows == ()
    assert compare(before, measure(rows={1: (9, 9, 9)}, counts_rows=False), first=FIRST).rows is None


def lock(mode: str, relation: str = "public.notes", *, kind: str = "table", is_new: bool = False) -> TakenLock:
    """Return a lock."""
    return TakenLock(relation=relation, kind=kind, mode=mode, is_new=is_new)


def test_locks_are_held_from_their_step_to_the_end() -> None:
    """Each relation's strongest one, since the step that took it; the strongest first; none on what is new."""
    taken = [
        (1.0, [lock("ROW EXCLUSIVE"), lock("SHARE", "public.tags"), lock("ACCESS EXCLUSIVE", "public.made", is_new=True)]),
        (3.0, [lock("ACCESS EXCLUSIVE")]),
        (4.0, [lock("ACCESS SHARE"), lock("ROW EXCLUSIVE", "public.numbers", kind="sequence")]),
    ]
    assert held_locks(taken, ended=5.0) == (
        HeldLock(relation="public.notes", kind="table", mode="ACCESS EXCLUSIVE", seconds=2.0),
        HeldLock(relation="public.tags", kind="table", mode="SHARE", seconds=4.0),
        HeldLock(relation="public.numbers", kind="sequence", mode="ROW EXCLUSIVE", seconds=1.0),
    )
    assert moved_sequences(taken) == ("public.numbers",)
    assert moved_sequences([(1.0, [lock("ACCESS SHARE", "public.numbers", kind="sequence")])]) == ()


def test_modes_are_ranked_as_postgresql_ranks_them() -> None:
    """From the one that SELECT takes to the one that keeps out even that."""
    assert (LOCK_MODES[0], LOCK_MODES[2], LOCK_MODES[-1], len(LOCK_MODES)) == ("ACCESS SHARE", "ROW EXCLUSIVE", "ACCESS EXCLUSIVE", 8)


@pytest.mark.parametrize(
    ("state", "enum_values", "is_first", "words"),
    [
        ("55P04", 1, False, "enum"),
        ("55P04", 0, False, None),
        ("53200", 0, False, "max_locks_per_transaction"),
        ("53200", 0, True, None),
        ("42P01", 1, False, None),
        (None, 1, False, None),
    ],
)
def test_failures_that_are_the_rehearsals_own(state: str | None, enum_values: int, is_first: bool, words: str | None) -> None:  # noqa: FBT001 -- a parameter of the test
    """Only what one transaction for all steps brings about, and not what a run would meet as well."""
    reason = why_not(state, before=measure(enum_values=enum_values), first=FIRST, is_first=is_first)
    assert reason is None if words is None else words in str(reason)


def test_a_measure_is_read_from_one_answer() -> None:
    """Rows of several kinds, each with its texts."""
    read = texts.read_measure(
        [
            ("transaction", "742", "off", "3", None),
            ("relation", "1", "public.notes", "r", "10"),
            ("relation", "5", "public.parts", "p", "0"),
            ("relation", "6", "public.odd", "?", "0"),
            ("lock", "1", "AccessShareLock", None, None),
            ("rows", "1", "3", "2", "1"),
        ]
    )
    assert read == Measure(
        transaction="742",
        counts_rows=False,
        enum_values=3,
        relations={
            1: NOTES,
            5: Relation(name="public.parts", kind="table", file=0),
            6: Relation(name="public.odd", kind="relation", file=0),
        },
        locks=frozenset({(1, "AccessShareLock")}),
        rows={1: (3, 2, 1)},
    )
