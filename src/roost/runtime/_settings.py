"""Fills a settings dataclass from a mapping."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from roost.errors import InvalidSettings


def fill_settings(cls: type, values: Mapping[str, Any], *, section: str) -> Any:  # noqa: ANN401 -- an instance of `cls`
    """Make a settings dataclass.

    Args:
        cls: The dataclass.
        values: Its fields' values.
        section: Where they come from, for errors.

    Returns:
        An instance.

    Raises:
        InvalidSettings: A value is missing or unknown, or the dataclass refuses one.
    """
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    unknown = [name for name in values if name not in fields]
    if unknown:
        close = difflib.get_close_matches(unknown[0], list(fields), n=1)
        advice = f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(fields)}"
        raise InvalidSettings(section=section, settings=cls.__qualname__, reason=f"there is no {unknown[0]!r}{advice}")
    missing = [
        name
        for name, field in fields.items()
        if name not in values and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise InvalidSettings(section=section, settings=cls.__qualname__, reason=f"{', '.join(missing)} is missing")
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise InvalidSettings(section=section, settings=cls.__qualname__, reason=str(error)) from error
