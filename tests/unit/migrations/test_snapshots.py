from __future__ import annotations

import random

import pytest

from roost.migrations._snapshots import drift, from_json, to_json, words_for
from roost.schema import SchemaObject


def thing(kind: str, name: str, parent: str = "", definition: str = "d", schema: str = "notes") -> SchemaObject:
    """Return an object."""
    return SchemaObject(kind=kind, schema=schema, parent=parent, name=name, definition=definition)


OWN = [
    thing("table", "notes"),
    thing("column", "id", "notes"),
    thing("column", "at", "notes"),
    thing("view", "shown"),
    thing("index", "i", "notes"),
]


def test_what_is_written_is_read() -> None:
    """In whichever order objects come, the ledger holds one text of them, which gives them back."""
    shuffled = random.Random(1).sample(OWN, len(OWN))  # noqa: S311 -- it decides nothing
    assert to_json(shuffled) == to_json(OWN)
    assert from_json(to_json(shuffled)) == sorted(OWN)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (OWN, ()),
        ([*OWN, thing("table", "others"), thing("column", "extra", "notes")], ()),
        ([one for one in OWN if one.name != "at"], ("column notes.at is missing",)),
        ([one for one in OWN if "notes" not in (one.name, one.parent)], ("table notes is missing",)),
        ([*OWN[:3], thing("view", "shown", definition="e"), OWN[4]], ("view shown differs: e instead of d",)),
        ([thing(one.kind, one.name, one.parent, schema="other") for one in OWN], ("table notes is missing", "view shown is missing")),
    ],
    ids=["nothing", "what others added", "a column", "a table with all of it", "a definition", "everything"],
)
def test_what_was_changed_by_hand_is_told_once(found: list[SchemaObject], expected: tuple[str, ...]) -> None:
    """What is missing or differs is named, but not what went with its table; what others added is nobody's concern."""
    assert drift(OWN, found) == expected


def test_what_is_in_a_table_is_named_behind_it() -> None:
    """A column is called by its table's name and its own."""
    assert [words_for(one) for one in OWN[:2]] == ["table notes", "column notes.id"]
