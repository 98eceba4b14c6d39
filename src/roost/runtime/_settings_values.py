"""Turns one raw value into what a settings field's annotation asks for. Pure."""

from __future__ import annotations

import collections.abc
import enum
import json
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from uuid import UUID

from roost.runtime._secret import Secret

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_LISTS: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: tuple,
    collections.abc.Collection: tuple,
    collections.abc.Set: frozenset,
}
_MAPPINGS = (dict, collections.abc.Mapping)
_FROM_TEXT: dict[type, Callable[[str], Any]] = {
    int: int,
    float: float,
    Decimal: Decimal,
    Path: Path,
    UUID: UUID,
    Secret: Secret,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    timedelta: lambda text: timedelta(seconds=float(text)),
}
_ALWAYS_FROM_TEXT = (Decimal, Path, UUID, Secret, datetime, date, time)
"""Classes that have no form of their own in TOML or JSON, or may be written as text there."""
_FROM_NUMBER: dict[type, Callable[[float], Any]] = {
    float: float,
    Decimal: lambda number: Decimal(str(number)),
    timedelta: lambda number: timedelta(seconds=number),
}


class Refused(ValueError):  # noqa: N818 -- it never leaves this floor
    """A value is not what is asked for; the text says what is, and never shows the value."""


def convert(value: object, hint: Any, *, is_text: bool) -> Any:  # noqa: ANN401 -- any annotation, any value
    """Return a value as an annotation asks for it.

    Args:
        value: The value as a mapping, TOML or JSON has it.
        hint: A class, or one of `typing`'s forms of them.
        is_text: Whether the value is text whatever it stands for.

    Raises:
        Refused: It is not what is asked for.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint in (Any, object):
        return value
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, args, is_text=is_text)
    if origin is typing.Literal:
        return _choice(value, {option: option for option in args}, is_text=is_text)
    kind = origin or hint
    if kind in _LISTS:
        return _many(value, kind, args, is_text=is_text)
    if kind in _MAPPINGS:
        return _mapping(value, args, is_text=is_text)
    return _simple(value, kind, is_text=is_text)


def _simple(value: object, kind: Any, *, is_text: bool) -> Any:  # noqa: ANN401 -- an instance of `kind`
    if not isinstance(kind, type):
        raise Refused(f"{kind} is no type that settings can have")
    if issubclass(kind, enum.Enum):
        return _choice(value, {one.value: one for one in kind} | {one.name: one for one in kind}, is_text=is_text)
    if kind is bool and is_text:
        word = _WORDS.get(str(value).strip().lower())
        if word is None:
            raise Refused("it is no bool: write true or false")
        return word
    try:
        if isinstance(value, str) and (is_text or kind in _ALWAYS_FROM_TEXT) and kind in _FROM_TEXT:
            return _FROM_TEXT[kind](value)
        if isinstance(value, int | float) and not isinstance(value, bool) and kind in _FROM_NUMBER:
            return _FROM_NUMBER[kind](value)
    except (ValueError, InvalidOperation, OverflowError):
        raise Refused(f"it is no {kind.__name__}") from None
    is_other_number = isinstance(value, bool) and kind is not bool  # True is an int for Python only
    if not isinstance(value, kind) or is_other_number:
        raise Refused(f"it is no {kind.__name__} but {type(value).__name__}")
    return value


def _one_of(value: object, options: tuple[Any, ...], *, is_text: bool) -> Any:  # noqa: ANN401 -- one of the options
    rest = [option for option in options if option is not types.NoneType]
    if len(rest) < len(options) and (value is None or (is_text and value == "" and str not in rest)):
        return None
    # What has the very class is taken as it is; text is the last thing that a text is taken for.
    if not is_text and type(value) in rest:
        return value
    reasons = []
    for option in sorted(rest, key=lambda option: option is str):
        try:
            return convert(value, option, is_text=is_text)
        except Refused as refused:
            reasons.append(str(refused))
    raise Refused(", and ".join(dict.fromkeys(reasons)))


def _choice(value: object, choices: dict[Any, Any], *, is_text: bool) -> Any:  # noqa: ANN401 -- one of the choices
    for written, choice in choices.items():
        if value is choice or (type(value) is type(written) and value == written) or (is_text and value == str(written)):
            return choice
    raise Refused(f"it is none of {', '.join(str(written) for written in choices)}")


def _many(value: object, kind: Any, args: tuple[Any, ...], *, is_text: bool) -> Any:  # noqa: ANN401 -- of the kind asked for
    if is_text:
        text = str(value).strip()
        if text.startswith("["):
            return _many(_json(text), kind, args, is_text=False)
        value = [part.strip() for part in text.split(",")] if text else []
    if isinstance(value, str | bytes) or not isinstance(value, collections.abc.Iterable):
        raise Refused(f"it is no list but {type(value).__name__}")
    items = list(value)
    if kind is tuple and args and args[-1] is not Ellipsis:
        if len(items) != len(args):
            raise Refused(f"it has {len(items)} items, not {len(args)}")
        return tuple(convert(item, hint, is_text=is_text) for item, hint in zip(items, args, strict=True))
    hint = args[0] if args else Any
    try:
        return _LISTS[kind]([convert(item, hint, is_text=is_text) for item in items])
    except TypeError:
        raise Refused("it holds what no set can hold") from None


def _mapping(value: object, args: tuple[Any, ...], *, is_text: bool) -> dict[Any, Any]:
    if is_text:
        return _mapping(_json(str(value)), args, is_text=False)
    if not isinstance(value, collections.abc.Mapping):
        raise Refused(f"it is no table but {type(value).__name__}")
    key_hint, hint = args or (Any, Any)
    return {convert(key, key_hint, is_text=True): convert(item, hint, is_text=False) for key, item in value.items()}


def _json(text: str) -> object:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("it is no JSON") from None
    return parsed
