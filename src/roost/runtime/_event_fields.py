"""Takes an event apart into what a structured log keeps of it. Pure."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

PREFIX = "roost_"
"""Begins every key, so that none is an attribute that a log record has by itself."""

_PLAIN = (str, int, float, bool, type(None))


def event_fields(event: object) -> dict[str, object]:
    """Return an event's class and fields as flat, plain data, such as ``{"roost_event": "StepFinished", "roost_plugin": "notes", …}``.

    Of an error it holds the class as ``roost_error`` and the message as ``roost_error_message``. What is neither plain nor a sequence of
    plain values is left out: another session's statement, say, may hold anything.

    Args:
        event: An event, which is a dataclass.
    """
    found: dict[str, object] = {f"{PREFIX}event": type(event).__name__}
    if not is_dataclass(event):
        return found
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, BaseException):
            found[f"{PREFIX}{field.name}"] = type(value).__name__
            found[f"{PREFIX}{field.name}_message"] = getattr(value, "message", None) or str(value)
        elif isinstance(value, _PLAIN):
            found[f"{PREFIX}{field.name}"] = value
        elif isinstance(value, tuple) and all(isinstance(one, _PLAIN) for one in value):
            found[f"{PREFIX}{field.name}"] = list(value)
    return found
