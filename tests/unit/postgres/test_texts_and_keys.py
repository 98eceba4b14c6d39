from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.postgres import advisory_lock_key, from_microseconds
from roost.postgres._copy_text import decode_copy_text

SPECIAL = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def encode(row: list[str | None]) -> str:
    """Write a row as the server does."""
    return "\t".join("\\N" if field is None else "".join(SPECIAL.get(sign, sign) for sign in field) for field in row) + "\n"


@given(st.lists(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1)))
def test_rows_read_back(rows: list[list[str | None]]) -> None:
    """Whatever fields hold, rows in COPY's text form are read as they were written."""
    assert decode_copy_text("".join(map(encode, rows)).encode()) == [tuple(row) for row in rows]


def test_null_is_not_the_text_of_null() -> None:
    """A field of a backslash and an N is a text; null is its own sign; an empty field is an empty text."""
    assert decode_copy_text(b"\\N\t\\\\N\t\n") == [(None, "\\N", "")]


def test_microseconds() -> None:
    """A number of microseconds is a moment with a zone; null is the epoch."""
    assert from_microseconds("1700000000000001") == datetime(2023, 11, 14, 22, 13, 20, 1, tzinfo=UTC)
    assert from_microseconds(None) == datetime(1970, 1, 1, tzinfo=UTC)


@given(st.text(), st.text())
def test_keys_differ_by_name(one: str, other: str) -> None:
    """A key is a signed 64-bit number, and two names have the same only if they are the same."""
    keys = advisory_lock_key(one), advisory_lock_key(other)
    assert all(-(2**63) <= key < 2**63 for key in keys)
    assert (keys[0] == keys[1]) is (one == other)


@pytest.mark.parametrize(("name", "key"), [("roost", 3578283859857523776), ("app", -6813155839046105269)])
def test_keys_are_the_same_in_every_process(name: str, key: int) -> None:
    """The key of a name is written down here: with another one an old and a new release would run at once."""
    assert advisory_lock_key(name) == key
