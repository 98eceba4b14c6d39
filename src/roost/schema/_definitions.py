"""Reads definitions of objects, as `objects_in` has them: types, labels of enums, and the statement that makes an object. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roost.postgres import names_of_object, parse_sql, quote_identifier, quote_literal

if TYPE_CHECKING:
    from roost.schema._catalogue import SchemaObject

_BEHIND_TYPE = "COLLATE|NOT NULL|NOT VALID|NO INHERIT|DEFAULT|GENERATED|STORAGE|COMPRESSION|STATISTICS|OPTIONS|FDW OPTIONS|COMMENT"
_TYPE = re.compile(rf'(?:"(?:[^"]|"")*"|[^"])*?(?= (?:{_BEHIND_TYPE})\b|$)', re.DOTALL)
_GENERATED = re.compile(
    r'(?: COLLATE (?:"(?:[^"]|"")*"|[^" ])+)?(?: NOT NULL)?(?: NOT VALID)?(?: NO INHERIT)? GENERATED ALWAYS AS (?!IDENTITY)'
)
_IDENTITY = re.compile(r"(?: NOT NULL)?(?: NOT VALID)?(?: NO INHERIT)? GENERATED (?:ALWAYS|BY DEFAULT) AS IDENTITY")
_NOT_NULL = re.compile(r'(?: COLLATE (?:"(?:[^"]|"")*"|[^" ])+)? NOT NULL')
_LITERAL = r"E?'(?:[^']|'')*'"
_LABEL = re.compile(rf"(?:ENUM \(|, )({_LITERAL})")
_COMMENT = re.compile(rf" COMMENT ({_LITERAL})\Z", re.DOTALL)
_OWNED_BY = re.compile(r" OWNED BY (?P<of>.+?)(?: COMMENT E?\'|\Z)", re.DOTALL)
_PARTITION_OF = re.compile(r'(?:UNLOGGED )?TABLE PARTITION OF (?P<of>(?:"(?:[^"]|"")*"|[^" ])+) ')
_INVALID = re.compile(rf" INVALID(?: STATISTICS [0-9=,]+)?(?: COMMENT {_LITERAL})?\Z", re.DOTALL)
_ENABLED = re.compile(r" ENABLED O\Z")


def type_of_column(definition: str) -> str:
    """Return the type at the beginning of a column's definition."""
    found = _TYPE.match(definition)
    return definition if found is None else found.group()


def is_generated(definition: str) -> bool:
    """Tell whether a column's values are computed from other columns."""
    return _GENERATED.match(definition, len(type_of_column(definition))) is not None


def is_identity(definition: str) -> bool:
    """Tell whether a column is numbered by the server, and brings its sequence along."""
    return _IDENTITY.match(definition, len(type_of_column(definition))) is not None


def is_not_null(definition: str) -> bool:
    """Tell whether a column refuses to be empty."""
    return _NOT_NULL.match(definition, len(type_of_column(definition))) is not None


def is_invalid(definition: str) -> bool:
    """Tell whether an index is one that was not built to its end, so that no query uses it."""
    return _INVALID.search(definition) is not None


def is_same_index(invalid: str, declared: str) -> bool:
    """Tell whether an index that was not built to its end is the declared one, whatever is said of it in comments."""
    found, comment = _INVALID.search(invalid), _COMMENT.search(declared)
    return found is not None and invalid[: found.start()] == (declared if comment is None else declared[: comment.start()])


def enum_labels(definition: str) -> tuple[str, ...]:
    """Return the values of an enum in their order; none for another type."""
    labels: list[str] = []
    position = 0
    while found := _LABEL.match(definition, position):
        labels.append(_value(found[1]))
        position = found.end()
    return tuple(labels)


def owner_of_sequence(definition: str) -> tuple[str, ...]:
    """Return schema, table and name of the column that a sequence goes with; nothing for a sequence of its own."""
    found = _OWNED_BY.search(definition)
    parsed = None if found is None else parse_sql(f"COMMENT ON COLUMN {found['of']} IS NULL")
    return () if not parsed else names_of_object(parsed[0].tree["object"])


def parent_of_partition(definition: str) -> tuple[str, ...]:
    """Return schema and name of the table that another is a partition of; nothing for one that is no partition."""
    found = _PARTITION_OF.match(definition)
    parsed = None if found is None else parse_sql(f"COMMENT ON TABLE {found['of']} IS NULL")
    return () if not parsed else names_of_object(parsed[0].tree["object"])


def statements_making(thing: SchemaObject) -> tuple[str, ...]:
    """Write what makes an index, a constraint or a trigger.

    Args:
        thing: The object as it is declared.

    Returns:
        The statement, and one for its comment if it has any; nothing where the definition does not say enough.
    """
    comment = _COMMENT.search(thing.definition)
    body = thing.definition if comment is None else thing.definition[: comment.start()]
    relation = f"{quote_identifier(thing.schema)}.{quote_identifier(thing.parent)}"
    name = quote_identifier(thing.name)
    if thing.kind == "constraint":
        # A table has no second primary key.
        making, place = (
            ("" if body.startswith("PRIMARY KEY") else f"ALTER TABLE {relation} ADD CONSTRAINT {name} {body};"),
            f"CONSTRAINT {name} ON {relation}",
        )
    elif thing.kind == "trigger":
        making, place = (f"{_ENABLED.sub('', body)};" if _ENABLED.search(body) else ""), f"TRIGGER {name} ON {relation}"
    else:
        making, place = f"{body};", f"INDEX {quote_identifier(thing.schema)}.{name}"
    if not making or len(parse_sql(making) or ()) != 1:
        return ()
    return (making,) if comment is None else (making, f"COMMENT ON {place} IS {quote_literal(_value(comment[1]))};")


def _value(literal: str) -> str:
    value = literal.removeprefix("E")[1:-1].replace("''", "'")
    return value.replace("\\\\", "\\") if literal.startswith("E") else value
