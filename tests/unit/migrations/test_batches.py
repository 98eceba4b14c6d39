"""Which steps share a message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost import MigrationConfig, MigrationStep
from roost.migrations import _batches
from roost.migrations._batches import in_batches
from roost.migrations._fingerprint import ChainHashes
from roost.migrations._groups import Turn
from roost.migrations._in_hand import StepBack, StepForth, StepInHand, steps_back, steps_forth
from roost.migrations._plan import AppliedStep, PlannedStep
from roost.migrations._rollback import UndoneStep


async def function() -> None:
    pass


BODIES: dict[str, dict[str, object]] = {
    "s": {"up": "SELECT 1"},
    "p": {"up": function},
    "o": {"up": "VACUUM", "transactional": False},
    "L": {"up": "x" * 60},
}


TURN = Turn(
    run=1,
    key=1,
    service="p-migration",
    plugin="p",
    schema="public",
    track_history=True,
    step_by_step=False,
    begin="BEGIN",
    resets="RESET ALL",
)


def forth(kinds: str) -> list[StepForth]:
    """Return steps on their way: s is SQL, L long SQL, p a function, o SQL outside a transaction."""
    steps = [MigrationStep(f"s{number}", "A step", **BODIES[kind]) for number, kind in enumerate(kinds)]  # type: ignore[arg-type]
    hashes = ChainHashes("", tuple(steps))
    planned = [PlannedStep(step=step, version_after=None, hashes=hashes, place=place) for place, step in enumerate(steps, start=1)]
    return steps_forth(planned, total=len(planned), turn=TURN, config=MigrationConfig(), planned_on=None, emit=lambda _: None)


def back(kinds: str) -> list[StepBack]:
    """Return ways back of the same kinds."""
    rows = [
        AppliedStep(step=f"s{number}", version="1", state="done", fingerprint="", chain="", breaking=False, requires=(), run=1)
        for number in range(len(kinds))
    ]
    undone = [
        UndoneStep(row=row, description="", down=BODIES[kind]["up"], version_after=None, chain_after=None)  # type: ignore[arg-type]
        for row, kind in zip(rows, kinds, strict=True)
    ]
    return steps_back(undone, after=0, turn=TURN, config=MigrationConfig(), planned_on=None, emit=lambda _: None)


@pytest.mark.parametrize(
    ("kinds", "batches"),
    [
        ("", []),
        ("s", ["s"]),
        ("sss", ["sss"]),
        ("ssp", ["ss", "p"]),
        ("pss", ["p", "ss"]),
        ("spo", ["s", "p", "o"]),
        ("soos", ["s", "o", "o", "s"]),
    ],
)
def test_only_sql_in_transactions_shares(kinds: str, batches: list[str]) -> None:
    """A function and a step outside a transaction go alone."""
    assert [kinds[batch] for batch in in_batches(forth(kinds))] == batches


def test_ways_back_share_as_well() -> None:
    """SQL that undoes steps goes together, a function alone."""
    assert ["sspsp"[batch] for batch in in_batches(back("sspsp"))] == ["ss", "p", "s", "p"]


@pytest.mark.parametrize("way", [forth, back])
def test_only_what_follows_nothing_waits_for_the_disk(way: Callable[[str], Sequence[StepInHand]]) -> None:
    """The last commit takes the others along; a function's waits for itself, as it may have done more than the database knows of."""
    assert [step.flush for step in way("sspss")] == [False, False, True, False, True]


def test_a_message_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of its steps and by their text; a step that is longer than a message goes alone."""
    monkeypatch.setattr(_batches, "MOST_STEPS", 3)
    monkeypatch.setattr(_batches, "MOST_CHARACTERS", 50)
    assert ["ssssssss"[batch] for batch in in_batches(forth("ssssssss"))] == ["sss", "sss", "ss"]
    assert ["sLssLL"[batch] for batch in in_batches(forth("sLssLL"))] == ["s", "L", "ss", "L", "L"]


@given(st.text("spoL", max_size=120))
def test_each_step_is_sent_once_and_in_order(kinds: str) -> None:
    """Whatever the plan, its batches put together are the plan."""
    assert "".join(kinds[batch] for batch in in_batches(forth(kinds))) == kinds
