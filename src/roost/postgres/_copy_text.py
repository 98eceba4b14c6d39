"""Reads the text format of PostgreSQL's COPY, the only answer with rows that costs asyncpg a single round trip."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Row: TypeAlias = tuple[str | None, ...]

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANING = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def decode_copy_text(data: bytes) -> list[Row]:
    r"""Decode rows in COPY's text format.

    Args:
        data: UTF-8, a line a row, fields parted by tabs, ``\N`` for null, specials escaped by a backslash
            (https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS).

    Returns:
        The rows; each field as PostgreSQL's text form of the value, or None.
    """
    lines = data.decode().split("\n")
    return [tuple(_decode_field(field) for field in line.split("\t")) for line in lines[:-1]]


def _decode_field(field: str) -> str | None:
    if "\\" not in field:
        return field
    if field == "\\N":
        return None
    return _ESCAPE.sub(lambda match: _MEANING.get(match[1], match[1]), field)


def microseconds(column: str) -> str:
    """Return the SQL that gives a timestamp in a form that no DateStyle or TimeZone changes: microseconds since 1970."""
    return f"(extract(epoch FROM {column}) * 1000000)::bigint"


def from_microseconds(field: str | None) -> datetime:
    """Read what `microseconds` selects; null is the epoch."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(field or 0))
