"""Foreign keys to a key that is dropped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from roost.postgres import parse_sql
from roost.schema._foreign_keys import ForeignKey, with_foreign_keys_aside

KEY = ForeignKey(schema="s", table="t", name="fk", definition="FOREIGN KEY (a) REFERENCES s.p(a)", comment="why", index="p_key")
DROP_KEY = 'ALTER TABLE "s"."p" DROP CONSTRAINT "p_key"'
DROP_INDEX = 'DROP INDEX "s"."p_key"'
NEW_KEY = "ALTER TABLE s.p ADD UNIQUE (a)"
AWAY = 'ALTER TABLE "s"."t" DROP CONSTRAINT "fk"'
BACK = ('ALTER TABLE "s"."t" ADD CONSTRAINT "fk" FOREIGN KEY (a) REFERENCES s.p(a)', 'COMMENT ON CONSTRAINT "fk" ON "s"."t" IS \'why\'')


def ordered(*statements: str, declared: ForeignKey | None = KEY) -> list[str]:
    """Return the statements as they are to be run."""
    found = parse_sql(";\n".join(statements))
    assert found is not None
    return [one.text for one in with_foreign_keys_aside(found, [KEY], [] if declared is None else [declared])]


@pytest.mark.parametrize("drop", [DROP_KEY, DROP_INDEX])
def test_one_that_stays_goes_and_comes_back(drop: str) -> None:
    """Before the key, and behind everything; it is checked again, and its comment is there again."""
    assert ordered(drop, NEW_KEY) == [AWAY, drop, NEW_KEY, *BACK]


def test_one_that_goes_goes_before_the_key() -> None:
    """Where it changes, what the comparison makes of it stays behind."""
    assert ordered(DROP_KEY, NEW_KEY, AWAY, declared=None) == [AWAY, DROP_KEY, NEW_KEY]
    assert ordered(AWAY, DROP_KEY) == [AWAY, DROP_KEY]


def test_others_are_left() -> None:
    """Those to other keys; and one that nobody declares, for which the server then refuses the change."""
    assert ordered(DROP_KEY.replace("p_key", "other"), DROP_KEY.replace('"s"', '"u"')) == [
        DROP_KEY.replace("p_key", "other"),
        DROP_KEY.replace('"s"', '"u"'),
    ]
    assert ordered(DROP_KEY, declared=None) == [DROP_KEY]
    assert ordered(DROP_KEY, declared=replace(KEY, definition=f"{KEY.definition} ON DELETE CASCADE")) == [DROP_KEY]
