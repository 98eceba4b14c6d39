"""Judges a change of a column's type: whether each value has its like in the new one, and whether the table is written anew. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_INTEGERS = {"smallint": 1, "integer": 2, "bigint": 3}
_WIDTHS = {"smallint": 6, "integer": 11, "bigint": 20, "uuid": 36, "boolean": 5}
"""How long the longest value is as a text."""

_EXACT_IN = {"smallint": {"real", "double precision"}, "integer": {"double precision"}}
"""Integers that a float keeps to the last digit."""

_KEPT_IN = {
    ("real", "double precision"),
    ("date", "timestamp without time zone"),
    ("jsonb", "json"),
    ("cidr", "inet"),
    ("macaddr", "macaddr8"),
}
_LENGTHS = {"character": 1, "bit": 1}
"""What has a length also where none is written."""

_PRECISE = {"timestamp without time zone", "timestamp with time zone", "time without time zone", "time with time zone"}
_MOST_PRECISE = 6
_OTHER_NAMES = {
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "decimal": "numeric",
    "varchar": "character varying",
    "char": "character",
    "varbit": "bit varying",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
    "timetz": "time with time zone",
}
_FORM = re.compile(r'(?P<head>(?:"(?:[^"]|"")*"|[^"(\[])+?)\s*(?:\((?P<modifiers>[^)]*)\)(?P<tail>[^()\[\]"]*))?(?P<array>(?:\[\d*\])*)')
_ZONED = ({"timestamp without time zone", "date"}, "timestamp with time zone")
_TIMES = {"time without time zone", "time with time zone"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """A type as ``format_type`` writes it.

    Attributes:
        name: Without modifiers and brackets.
        modifiers: Such as a length, or a precision and a scale.
        is_array: Whether it is an array of it.
    """

    name: str
    modifiers: tuple[int, ...] = ()
    is_array: bool = False

    @property
    def element(self) -> ColumnType:
        """What an array is of."""
        return ColumnType(name=self.name, modifiers=self.modifiers)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeJudgement:
    """What a change of a type means.

    Attributes:
        is_lossless: Whether each value has its like in the new type, or is refused by the server with everything rolled back.
        rewrites: Whether the table is written anew.
        why: One sentence, for people.
    """

    is_lossless: bool
    rewrites: bool
    why: str


def column_type(text: str) -> ColumnType:
    """Read a type.

    Args:
        text: As ``format_type`` writes it, such as ``"character varying(20)[]"``; usual other names, such as ``"int4"``, are taken too.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return ColumnType(name=text.strip())
    name = " ".join(f"{found['head']} {found['tail'] or ''}".split())
    written = [one.strip() for one in (found["modifiers"] or "").split(",")]
    modifiers = tuple(int(one) for one in written if re.fullmatch(r"-?\d+", one))
    name = _OTHER_NAMES.get(name, name)
    if name == "numeric" and len(modifiers) == 1:
        modifiers = (*modifiers, 0)
    if name in _LENGTHS and not modifiers:
        modifiers = (_LENGTHS[name],)
    if name in _PRECISE and not modifiers:
        modifiers = (_MOST_PRECISE,)
    return ColumnType(name=name, modifiers=modifiers, is_array=bool(found["array"]))


def judge_type_change(old: str, new: str) -> TypeJudgement:
    """Judge a change of a column's type by ``USING column::new``, which cuts texts and rounds numbers without a word.

    Args:
        old: The type in the database, as ``format_type`` writes it.
        new: The declared one.
    """
    was, is_ = column_type(old), column_type(new)
    is_lossless = _is_lossless(was, is_)
    return TypeJudgement(
        is_lossless=is_lossless,
        rewrites=not (is_lossless and _is_kept_as_it_lies(was, is_)),
        why=f"each {old} has its like in {new}" if is_lossless else _loss(was, is_, old=old, new=new),
    )


def is_lossless(old: str, new: str) -> bool:
    """Tell whether each value of a type has its like in another, or is refused by the server."""
    return _is_lossless(column_type(old), column_type(new))


def _is_lossless(old: ColumnType, new: ColumnType) -> bool:
    if old == new:
        return True
    if not new.is_array and _is_any_text(new):
        return True
    if old.is_array or new.is_array:
        return old.is_array and new.is_array and _is_lossless(old.element, new.element)
    return _is_kept(old, new)


def _is_any_text(one: ColumnType) -> bool:
    return one.name == "text" or (one.name == "character varying" and not one.modifiers)


def _is_kept(old: ColumnType, new: ColumnType) -> bool:
    is_one = old.name == new.name
    return (
        (old.name, new.name) in _KEPT_IN
        or new.name in _EXACT_IN.get(old.name, ())
        or (new.name in _INTEGERS and _INTEGERS.get(old.name, len(_INTEGERS) + 1) <= _INTEGERS[new.name])
        # What is too great for it is refused by the server, and nothing is rounded.
        or (old.name in _INTEGERS and new.name == "numeric" and (not new.modifiers or new.modifiers[1] >= 0))
        or (old.name in _WIDTHS and new.name == "character varying" and new.modifiers[0] >= _WIDTHS[old.name])
        or (is_one and old.name == "numeric" and _is_wider_number(old.modifiers, new.modifiers))
        or (is_one and old.name in _PRECISE and old.modifiers <= new.modifiers)
        or (old.name.startswith("interval") and new.name == "interval" and not new.modifiers)
        or _is_longer(old, new)
    )


def _is_wider_number(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    if not new:
        return True
    return bool(old) and new[1] >= old[1] and new[0] - new[1] >= old[0] - old[1]


def _is_longer(old: ColumnType, new: ColumnType) -> bool:
    texts = {("character", "character"), ("character", "character varying"), ("character varying", "character varying")}
    bits = {("bit", "bit varying"), ("bit varying", "bit varying")}
    if (old.name, new.name) not in texts | bits:
        return False
    return not new.modifiers or (bool(old.modifiers) and old.modifiers[0] <= new.modifiers[0])


def _is_kept_as_it_lies(old: ColumnType, new: ColumnType) -> bool:
    """Tell whether the server leaves the table's files as they are, for changes that lose nothing."""
    if old == new:
        return True
    if old.is_array or new.is_array:
        return False
    if old.name in {"character varying", "text"} and new.name in {"character varying", "text"}:
        return True
    if old.name == new.name == "numeric":
        return not new.modifiers or old.modifiers[1:] == new.modifiers[1:]
    if old.name == new.name and (old.name in _PRECISE or old.name == "bit varying"):
        return True
    return (old.name, new.name) == ("cidr", "inet")


def _loss(was: ColumnType, is_: ColumnType, *, old: str, new: str) -> str:
    zoned, zone = _ZONED
    if (was.name in zoned and is_.name == zone) or (was.name == zone and is_.name in zoned) or {was.name, is_.name} == _TIMES:
        return f"what {old} becomes as {new} depends on the session's time zone; a migration step with AT TIME ZONE can say which"
    if is_.name in {"character", "character varying"} and is_.modifiers and was.name in {"text", "character", "character varying"}:
        return f"{new} cuts longer texts off without a word"
    if (was.name, is_.name) == ("json", "jsonb"):
        return "jsonb keeps neither the order of keys nor repeated ones"
    if is_.name in {"real", "double precision", "numeric"} and was.name in {"real", "double precision", "numeric", *_INTEGERS}:
        return f"{new} rounds what {old} holds"
    return f"not each {old} has its like in {new}"
