from __future__ import annotations

import pytest

from roost.errors import InvalidIdentifier
from roost.migrations._reserved import check_schema


@pytest.mark.parametrize("name", [None, "public", "x" * 63, "é" * 31, "it's", 'a"b', "Roost", "pg", "roosts"])
def test_names_that_a_schema_may_have(name: str | None) -> None:
    """Whatever PostgreSQL can keep whole and nobody else owns is accepted."""
    check_schema(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("a\0b", "NUL"),
        ("x" * 64, "64 bytes"),
        ("é" * 32, "64 bytes"),
        ("pg_catalog", "server's own"),
        ("pg_mine", "server's own"),
        ("information_schema", "server's own"),
        ("roost", "ledger"),
    ],
)
def test_names_that_it_can_not_have(name: str, reason: str) -> None:
    """A name that would be cut, or is somebody else's, is refused with the reason."""
    with pytest.raises(InvalidIdentifier, match=reason):
        check_schema(name)
