"""Which steps share a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost import MigrationStep
from roost.migrations import _batches
from roost.migrations._batches import in_batches
from roost.migrations._plan import PlannedStep


async def function() -> None:
    pass


BODIES: dict[str, dict[str, object]] = {
    "s": {"up": "SELECT 1"},
    "p": {"up": function},
    "o": {"up": "VACUUM", "transactional": False},
    "L": {"up": "x" * 60},
}


def planned(kinds: str) -> list[PlannedStep]:
    """Return planned steps: s is SQL, L long SQL, p a function, o SQL outside a transaction."""
    steps = [MigrationStep(f"s{number}", "A step", **BODIES[kind]) for number, kind in enumerate(kinds)]  # type: ignore[arg-type]
    return [PlannedStep(step=step, version="1.0.0", chain=step.id, version_after=None) for step in steps]


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
    assert [kinds[batch] for batch in in_batches(planned(kinds))] == batches


def test_a_message_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of its steps and by their text; a step that is longer than a message goes alone."""
    monkeypatch.setattr(_batches, "MOST_STEPS", 3)
    monkeypatch.setattr(_batches, "MOST_CHARACTERS", 50)
    assert ["ssssssss"[batch] for batch in in_batches(planned("ssssssss"))] == ["sss", "sss", "ss"]
    assert ["sLssLL"[batch] for batch in in_batches(planned("sLssLL"))] == ["s", "L", "ss", "L", "L"]


@given(st.text("spoL", max_size=120))
def test_each_step_is_sent_once_and_in_order(kinds: str) -> None:
    """Whatever the plan, its batches put together are the plan."""
    assert "".join(kinds[batch] for batch in in_batches(planned(kinds))) == kinds
