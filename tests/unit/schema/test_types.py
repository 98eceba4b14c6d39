from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.schema._types import ColumnType, column_type, is_lossless, judge_type_change

LOSSLESS = [
    ("smallint", "integer"),
    ("integer", "bigint"),
    ("smallint", "bigint"),
    ("integer", "numeric(10,2)"),
    ("bigint", "numeric(3,0)"),
    ("bigint", "numeric"),
    ("smallint", "real"),
    ("integer", "double precision"),
    ("real", "double precision"),
    ("numeric(10,2)", "numeric(12,4)"),
    ("numeric(10,2)", "numeric(12,2)"),
    ("numeric(10,2)", "numeric"),
    ("numeric(10)", "numeric(10,0)"),
    ("character varying(100)", "text"),
    ("character varying(100)", "character varying(100)"),
    ("character varying(100)", "character varying(255)"),
    ("character varying(100)", "character varying"),
    ("character(3)", "text"),
    ("character(3)", "character varying(3)"),
    ("text", "character varying"),
    ("date", "timestamp without time zone"),
    ("timestamp(3) without time zone", "timestamp without time zone"),
    ("interval day to second(3)", "interval"),
    ("boolean", "text"),
    ("uuid", "text"),
    ("uuid", "character varying(36)"),
    ("integer", "text"),
    ("integer", "character varying(11)"),
    ("json", "text"),
    ("jsonb", "text"),
    ("jsonb", "json"),
    ("memory.status", "text"),
    ("bigint[]", "text"),
    ("integer[]", "bigint[]"),
    ("character varying(5)[]", "text[]"),
    ("bit(3)", "bit varying(3)"),
    ("cidr", "inet"),
    ('memory."Odd (one)"', "text"),
]
LOSSY = [
    ("text", "integer"),
    ("uuid", "integer"),
    ("bigint", "integer"),
    ("integer", "smallint"),
    ("double precision", "real"),
    ("integer", "real"),
    ("bigint", "double precision"),
    ("bigint", "real"),
    ("numeric", "integer"),
    ("numeric", "numeric(10,2)"),
    ("numeric(12,4)", "numeric(12,1)"),
    ("numeric(10,2)", "numeric(10,4)"),
    ("integer", "numeric(5,-2)"),
    ("numeric(10,2)", "double precision"),
    ("real", "numeric"),
    ("text", "character varying(10)"),
    ("character varying", "character varying(10)"),
    ("character varying(100)", "character varying(50)"),
    ("integer", "character varying(10)"),
    ("character varying(3)", "character(3)"),
    ("timestamp without time zone", "timestamp with time zone"),
    ("timestamp with time zone", "timestamp without time zone"),
    ("timestamp with time zone", "date"),
    ("timestamp without time zone", "date"),
    ("timestamp without time zone", "timestamp(3) without time zone"),
    ("date", "timestamp with time zone"),
    ("json", "jsonb"),
    ("text", "jsonb"),
    ("text", "memory.status"),
    ("memory.status", "memory.state"),
    ("integer", "integer[]"),
    ("integer[]", "integer"),
    ("bigint[]", "integer[]"),
    ("text[]", "character varying(5)[]"),
    ("boolean", "integer"),
]


@pytest.mark.parametrize(("old", "new"), LOSSLESS)
def test_wider_types_lose_nothing(old: str, new: str) -> None:
    """A change to a type in which each value has its like is allowed without being named."""
    assert judge_type_change(old, new).is_lossless


@pytest.mark.parametrize(("old", "new"), LOSSY)
def test_all_others_are_taken_to_lose(old: str, new: str) -> None:
    """A change that cuts, rounds, guesses a time zone or is not known here counts as a loss, and says why."""
    judged = judge_type_change(old, new)
    assert not judged.is_lossless
    assert judged.rewrites
    assert judged.why


@pytest.mark.parametrize(
    ("old", "new", "rewrites"),
    [
        ("character varying(10)", "text", False),
        ("character varying(10)", "character varying(20)", False),
        ("numeric(10,2)", "numeric(12,2)", False),
        ("numeric(10,2)", "numeric", False),
        ("numeric(10,2)", "numeric(12,4)", True),
        ("timestamp(3) without time zone", "timestamp without time zone", False),
        ("character(3)", "text", True),
        ("integer", "bigint", True),
        ("character varying(10)[]", "text[]", True),
        ("memory.status", "text", True),
    ],
)
def test_only_what_is_laid_out_otherwise_is_written_anew(old: str, new: str, rewrites: bool) -> None:  # noqa: FBT001 -- a column of the table
    """The table is written anew unless the server takes the bytes as they are."""
    assert judge_type_change(old, new).rewrites is rewrites


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int4", ColumnType(name="integer")),
        ("varchar(5)", ColumnType(name="character varying", modifiers=(5,))),
        ("numeric(10,2)[]", ColumnType(name="numeric", modifiers=(10, 2), is_array=True)),
        ("timestamp(3) with time zone", ColumnType(name="timestamp with time zone", modifiers=(3,))),
        ("timestamptz", ColumnType(name="timestamp with time zone", modifiers=(6,))),
        ("character", ColumnType(name="character", modifiers=(1,))),
        ('memory."Odd(5)"[]', ColumnType(name='memory."Odd(5)"', is_array=True)),
    ],
)
def test_types_are_read_as_the_server_writes_them(text: str, expected: ColumnType) -> None:
    """Equal spellings of a type are one type."""
    assert column_type(text) == expected


def _with_arrays(base: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(base, base.map(lambda one: f"{one}[]"))


_NUMBERS = st.tuples(st.integers(1, 12), st.integers(-3, 12)).map(lambda pair: f"numeric({pair[0]},{pair[1]})")
_LENGTHS = st.tuples(
    st.sampled_from(["character varying", "character", "bit", "bit varying", "varchar"]), st.sampled_from([1, 5, 6, 11, 20, 36, 40])
).map(lambda pair: f"{pair[0]}({pair[1]})")
_TIMES = st.tuples(st.sampled_from(["timestamp", "time"]), st.integers(0, 6), st.sampled_from(["with", "without"])).map(
    lambda parts: f"{parts[0]}({parts[1]}) {parts[2]} time zone"
)
TYPES = _with_arrays(st.one_of(st.sampled_from(sorted({one for pair in LOSSLESS + LOSSY for one in pair})), _NUMBERS, _LENGTHS, _TIMES))


@given(TYPES, TYPES, TYPES)
def test_two_changes_without_loss_are_one_without_loss(first: str, second: str, third: str) -> None:
    """Where nothing is lost from a to b and from b to c, nothing is lost from a to c."""
    if is_lossless(first, second) and is_lossless(second, third):
        assert is_lossless(first, third)


@given(TYPES)
def test_a_type_is_kept_in_itself_and_in_text(one: str) -> None:
    """Each type loses nothing in itself, nor as a text."""
    assert is_lossless(one, one)
    assert is_lossless(one, "text")


@given(TYPES)
def test_what_is_equal_is_left_as_it_lies(one: str) -> None:
    """A change to the same type writes nothing anew."""
    assert not judge_type_change(one, one).rewrites
