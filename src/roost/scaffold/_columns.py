"""Columns of a new table, as they are said on the command line. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from roost.errors import UnfitName
from roost.scaffold._names import sql_name, sql_type

IDENTITY = "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
_WORDS = {"not-null": "NOT NULL", "unique": "UNIQUE", "primary-key": "PRIMARY KEY"}


def column_definitions(columns: Sequence[str]) -> list[str]:
    """Return the definitions of a table's columns; arguments and errors as of `create_table`."""
    names: set[str] = set()
    definitions: list[str] = []
    for said in columns:
        name, colon, rest = said.partition(":")
        type_name, *words = rest.split(":")
        if not colon:
            raise UnfitName(what="column", name=said, reason="it is of the form name:type, such as title:text or title:text:not-null")
        if name in names:
            raise UnfitName(what="column", name=name, reason="there are two of that name")
        unknown = [word for word in words if word not in _WORDS]
        if unknown:
            raise UnfitName(what="column", name=said, reason=f"{unknown[0]!r} is none of: {', '.join(_WORDS)}")
        names.add(name)
        if name == "id" and "primary-key" not in words:
            words = [*words, "primary-key"]
        definitions.append(" ".join((sql_name(name, what="column"), sql_type(type_name), *(_WORDS[word] for word in words))))
    keys = sum("PRIMARY KEY" in definition for definition in definitions)
    if keys > 1:
        raise UnfitName(what="table", name=columns[0], reason="it can have one primary key: a column id is it by itself")
    return definitions if keys else [IDENTITY, *definitions]
