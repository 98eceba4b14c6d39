"""Columns that are computed from one whose type changes."""

from __future__ import annotations

from dataclasses import replace

from roost.postgres import parse_sql
from roost.schema._generated_columns import GeneratedColumn, with_generated_anew

NAME = ("s", "t", "twice")
OLD = GeneratedColumn(definition="integer GENERATED ALWAYS AS (a * 2) STORED", is_used=False, comment=None, sources=frozenset({"a", "b"}))
NEW = replace(OLD, definition="bigint GENERATED ALWAYS AS (a * 2) STORED", comment="double")
WIDEN_A, WIDEN_B, WIDEN_IT = (f'ALTER TABLE "s"."t" ALTER COLUMN "{name}" TYPE bigint' for name in ("a", "b", "twice"))
OTHER = "CREATE INDEX i ON s.t (a)"
AWAY = 'ALTER TABLE "s"."t" DROP COLUMN "twice"'
BACK = [f'ALTER TABLE "s"."t" ADD COLUMN "twice" {NEW.definition}', 'COMMENT ON COLUMN "s"."t"."twice" IS \'double\'']


def ordered(*statements: str, real: GeneratedColumn = OLD) -> list[str]:
    """Return the statements as they are to be run."""
    found = parse_sql(";\n".join(statements))
    assert found is not None
    return [one.text for one in with_generated_anew(found, {NAME: real}, {NAME: NEW})]


def test_it_goes_and_comes_back() -> None:
    """Before the first of the columns that it is computed from, and behind the last; its own change is in that."""
    assert ordered(WIDEN_A, OTHER) == [AWAY, WIDEN_A, *BACK, OTHER]
    assert ordered(OTHER, WIDEN_A, WIDEN_IT, WIDEN_B) == [OTHER, AWAY, WIDEN_A, WIDEN_B, *BACK]


def test_it_stays() -> None:
    """Where something uses it, where the comparison makes it anew itself, and where only others change."""
    assert ordered(WIDEN_A, real=replace(OLD, is_used=True)) == [WIDEN_A]
    assert ordered(AWAY, WIDEN_A) == [AWAY, WIDEN_A]
    assert ordered(WIDEN_IT, WIDEN_A.replace('"t"', '"u"')) == [WIDEN_IT, WIDEN_A.replace('"t"', '"u"')]
