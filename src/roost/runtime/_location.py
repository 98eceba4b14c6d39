"""Where a class is written, for errors."""

from __future__ import annotations

import inspect


def location_of(cls: type) -> str:
    """Return ``file:line``, or the module's name where there is no source."""
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return cls.__module__
