from __future__ import annotations

import json
from dataclasses import replace

import pytest

from roost.migrations._reconcile import Action, IndexSeen, Seen, conflict_of, decide
from roost.postgres import (
    AddsEnumValue,
    BuildsIndex,
    DetachesPartition,
    DropsIndex,
    Effect,
    FitsTransaction,
    ObjectName,
    RebuildsIndexes,
    RunsAgain,
    Uncertain,
)

T = ObjectName("t")
BUILD = BuildsIndex(name="i", table=T, strict="", twin="")
REBUILD = RebuildsIndexes(scope="table", of=T)
DETACH = DetachesPartition(parent=T, partition=ObjectName("p"))
VALUE = AddsEnumValue(type=T, value="v")
OURS = IndexSeen(kind="i", name="public.i", is_ours=True, is_valid=True, definition="CREATE INDEX i")
INVALID = replace(OURS, is_valid=False)
NOTHING = Seen(pid=1)


def seen(index: IndexSeen | None, *builders: int) -> Seen:
    return Seen(pid=1, table=2, index=index, builders=builders)


@pytest.mark.parametrize("is_resumed", [True, False])
@pytest.mark.parametrize(
    ("there", "was_idle", "action"),
    [
        (NOTHING, False, "run"),
        (seen(None, 7), False, "run"),
        (seen(OURS), False, "compare"),
        (seen(OURS, 7), False, "compare"),
        (seen(replace(OURS, is_ours=False)), False, "conflict"),
        (seen(replace(INVALID, is_ours=False), 7), False, "conflict"),
        (seen(replace(INVALID, kind="r", is_ours=False)), True, "conflict"),
        (seen(replace(INVALID, kind="I")), True, "compare"),
        (seen(INVALID, 7), False, "wait"),
        (seen(INVALID, 7), True, "wait"),
        (seen(INVALID), False, "look again"),
        (seen(INVALID), True, "remove"),
    ],
)
def test_an_index(there: Seen, was_idle: bool, action: Action, is_resumed: bool) -> None:  # noqa: FBT001 -- parameters of the test
    """It is decided by what has its name, whether that was begun before or not; one look at an idle index is not enough."""
    assert decide(BUILD, there, is_resumed=is_resumed, was_idle=was_idle) == action


LEFT = Seen(pid=1, leftovers=("public.i_ccnew",))


@pytest.mark.parametrize(
    ("effect", "there", "action"),
    [
        (DropsIndex(T), NOTHING, "done"),
        (DropsIndex(T), Seen(pid=1, is_there=True), "run"),
        (VALUE, NOTHING, "run"),
        (VALUE, Seen(pid=1, is_there=True), "done"),
        (REBUILD, NOTHING, "run"),
        (REBUILD, LEFT, "look again"),
        (REBUILD, replace(LEFT, builders=(7,)), "wait"),
        (DETACH, Seen(pid=1, partition="attached"), "run"),
        (DETACH, Seen(pid=1, partition="pending"), "finalize"),
        (DETACH, Seen(pid=1, partition="apart"), "done"),
        (DETACH, Seen(pid=1, partition="unknown"), "run"),
        (RunsAgain(), NOTHING, "run"),
        (FitsTransaction(), NOTHING, "run"),
        (Uncertain(), NOTHING, "run"),
    ],
)
def test_what_may_have_been_begun(effect: Effect, there: Seen, action: Action) -> None:
    """What is done is not done again; at a first attempt everything runs, and PostgreSQL says what is wrong."""
    assert decide(effect, there, is_resumed=True, was_idle=False) == action
    assert decide(effect, there, is_resumed=False, was_idle=False) == "run"


def test_leftovers_that_stay_idle() -> None:
    """They are removed at the second look."""
    assert decide(REBUILD, LEFT, is_resumed=True, was_idle=True) == "remove"


def test_a_look_is_read() -> None:
    """What the server leaves out, or says as null, is nothing."""
    index = {"kind": "i", "name": "i", "is_ours": True, "is_valid": False, "definition": "d"}
    assert Seen.read(json.dumps({"pid": 3})) == Seen(pid=3)
    assert Seen.read(json.dumps({"pid": 3, "index": None, "builders": None, "leftovers": None})) == Seen(pid=3)
    text = json.dumps({"pid": 3, "table": 4, "index": index, "builders": [5], "is_there": True, "partition": "apart", "leftovers": ["x"]})
    expected = IndexSeen(kind="i", name="i", is_ours=True, is_valid=False, definition="d")
    assert Seen.read(text) == Seen(pid=3, table=4, index=expected, builders=(5,), is_there=True, partition="apart", leftovers=("x",))


def test_a_conflict_is_told() -> None:
    """An index by its definition, anything else by its kind."""
    assert conflict_of(OURS) == ("CREATE INDEX i", "an index of another table has its name")
    assert conflict_of(replace(OURS, kind="S")) == ("sequence public.i", "its name belongs to a sequence")
    assert conflict_of(replace(OURS, kind="?")) == ("relation public.i", "its name belongs to a relation")
