from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import NumberUnclear, RenumberRefused
from roost.scaffold import Move, next_prefixes, plan_renumbering

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def following(*names: str, count: int = 1) -> tuple[str, ...]:
    return next_prefixes(names, count, now=NOW, directory="d")


def moves(*names: str, applied: tuple[str, ...] | None = (), keep: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    found = plan_renumbering(names, applied=applied, keep=keep, now=NOW, directory="d")
    assert all(isinstance(move, Move) for move in found)
    return [(move.old, move.new) for move in found]


@pytest.mark.parametrize(
    ("names", "prefixes"),
    [
        ((), ("0001_", "0002_")),
        (("0001_a.sql",), ("0002_", "0003_")),
        (("001-a.up.sql", "001-a.down.sql", "009-b.sql"), ("010-", "011-")),
        (("0001.a.sql",), ("0002.", "0003.")),
        (("20250102030405_a.sql",), ("20260504030201_", "20260504030202_")),
        (("20991231235959_a.sql",), ("21000101000000_", "21000101000001_")),
        (("202501020304_a.sql",), ("202605040302_", "202605040303_")),
        (("99999999999999_a.sql", "1_b.sql"), None),
        (("1.0.0_a.sql", "1.0.1_b.sql"), ("1.0.2_", "1.0.3_")),
        (("9_a.sql",), None),
        (("make.sql",), None),
        (("0001_a.sql", "make.sql"), None),
    ],
)
def test_new_files_go_on_as_those_that_are_there(names: tuple[str, ...], prefixes: tuple[str, ...] | None) -> None:
    """Numbers keep their width and sign; timestamps go on with the time, or behind one that lies ahead; where no name comes last, none."""
    if prefixes is None:
        with pytest.raises(NumberUnclear):
            following(*names, count=2)
    else:
        assert following(*names, count=2) == prefixes


@given(st.sets(st.from_regex(r"\A\d{1,5}[_-][a-c]{1,2}\Z"), max_size=6), st.integers(1, 3))
def test_a_new_name_comes_last(stems: set[str], count: int) -> None:
    """Whatever numbers are there: the new names stand behind them, in their own order, or there are none."""
    names = [f"{stem}.sql" for stem in stems]
    try:
        prefixes = following(*names, count=count)
    except NumberUnclear:
        return
    new = [f"{prefix}a.sql" for prefix in prefixes]
    assert sorted([*names, *new]) == [*sorted(names), *new]


def test_the_applied_step_keeps_its_number() -> None:
    """Of two with one number that is the one that the database has; both halves of the other move together."""
    names = ("0001_a.sql", "0002_b.sql", "0002_c.up.sql", "0002_c.down.sql")
    assert moves(*names, applied=("0001_a", "0002_b")) == [("0002_c.down.sql", "0003_c.down.sql"), ("0002_c.up.sql", "0003_c.up.sql")]
    assert moves(*names, applied=("0001_a", "0002_c")) == [("0002_b.sql", "0003_b.sql")]
    assert moves(*names, applied=("0001_a",)) == [("0002_c.down.sql", "0003_c.down.sql"), ("0002_c.up.sql", "0003_c.up.sql")]
    assert moves(*names, applied=("0002_b", "0002_c")) == []


def test_one_is_named_that_keeps_its_number() -> None:
    """Without a database somebody has to say it, by the step or its file; an applied step is never renamed."""
    names = ("0002_b.sql", "0002_c.sql")
    assert moves(*names, applied=None, keep=("0002_c.sql",)) == [("0002_b.sql", "0003_b.sql")]
    assert moves(*names, keep=("0002_c",)) == [("0002_b.sql", "0003_b.sql")]
    with pytest.raises(RenumberRefused, match="without a database nobody knows"):
        moves(*names, applied=None)
    with pytest.raises(RenumberRefused, match="0002_b is applied"):
        moves(*names, applied=("0002_b",), keep=("0002_c",))
    with pytest.raises(RenumberRefused, match="only one of them"):
        moves(*names, keep=("0002_b", "0002_c"))
    with pytest.raises(RenumberRefused, match="no file here is that step"):
        moves(*names, keep=("0002_d",))


def test_several_groups_move_in_order() -> None:
    """Each group keeps one, and the others follow the last number there is, in their old order; zeros in front make no other number."""
    names = ("0001_a.sql", "0001_b.sql", "0002_c.sql", "0002_d.sql", "0002_e.sql", "0007_f.sql")
    assert moves(*names) == [("0001_b.sql", "0008_b.sql"), ("0002_d.sql", "0009_d.sql"), ("0002_e.sql", "0010_e.sql")]
    assert moves("0001_a.sql", "0002_b.sql") == []
    assert moves("1_a.sql", "01_b.sql") == [("1_a.sql", "2_a.sql")]
