"""Renames that want names which others have still."""

from __future__ import annotations

import pytest

from roost.postgres import parse_sql
from roost.schema._names_in_turn import with_names_in_turn

OTHER = "CREATE INDEX other ON s.t (a)"


def index(old: str, new: str) -> str:
    """Return the statement that renames an index."""
    return f'ALTER INDEX "s"."{old}" RENAME TO "{new}"'


def constraint(old: str, new: str) -> str:
    """Return the statement that renames a constraint."""
    return f'ALTER TABLE "s"."t" RENAME CONSTRAINT "{old}" TO "{new}"'


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([index("a", "b"), OTHER], [index("a", "b"), OTHER]),
        ([index("a", "b"), OTHER, index("b", "c")], [index("b", "c"), OTHER, index("a", "b")]),
        ([OTHER, index("a", "b"), index("b", "a")], [OTHER, index("a", "a_roost_aside"), index("b", "a"), index("a_roost_aside", "b")]),
        (
            [constraint("a", "b"), index("b", "a")],
            [constraint("a", "a_roost_aside"), index("b", "a"), constraint("a_roost_aside", "b")],
        ),
        ([index("a", "b"), index("b", "a").replace('"s"', '"u"')], [index("a", "b"), index("b", "a").replace('"s"', '"u"')]),
        (["ALTER TABLE s.a RENAME TO b", "ALTER TABLE s.b RENAME TO a"], ["ALTER TABLE s.a RENAME TO b", "ALTER TABLE s.b RENAME TO a"]),
    ],
    ids=["a free name", "a chain", "a circle", "an index and a constraint", "other schemas", "other things"],
)
def test_who_has_a_name_gives_it_up_first(statements: list[str], expected: list[str]) -> None:
    """Other statements stay where they are; a circle is broken up by a name that nobody has."""
    found = parse_sql(";\n".join(statements))
    assert found is not None
    assert [one.text for one in with_names_in_turn(found)] == expected
