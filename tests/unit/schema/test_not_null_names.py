"""The names of NOT NULL constraints of tables that become partitions, or are none any more."""

from __future__ import annotations

import pytest

from roost.postgres import parse_sql
from roost.schema._not_null_names import with_not_null_names

ATTACH = 'ALTER TABLE "s"."p" ATTACH PARTITION "s"."t" FOR VALUES IN (1)'
DETACH = 'ALTER TABLE "s"."p" DETACH PARTITION "s"."t"'
RENAME = 'ALTER TABLE "s"."t" RENAME CONSTRAINT "old" TO "new"'
OLD, NEW = {("s", "t", "a"): "old", ("s", "t", "b"): "same", ("s", "u", "a"): "old"}, {("s", "t", "a"): "new", ("s", "t", "b"): "same"}


@pytest.mark.parametrize(("statement", "expected"), [(ATTACH, [RENAME, ATTACH]), (DETACH, [DETACH, RENAME])])
def test_names_follow_while_the_table_is_by_itself(statement: str, expected: list[str]) -> None:
    """Before it is attached, or behind where it was detached; names that are right, and tables that stay what they are, are left."""
    found = parse_sql(statement)
    assert found is not None
    assert [one.text for one in with_not_null_names(found, OLD, NEW)] == expected
    assert [one.text for one in with_not_null_names(found, {}, {})] == [statement]
