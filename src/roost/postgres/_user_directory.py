"""Where users of PostgreSQL keep what all their clients share."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def user_file(name: str) -> Path:
    """Return the path of a user's file, such as ``"pgpass"``: ``.pgpass`` in the home, ``pgpass.conf`` on Windows."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", "")) / "postgresql" / (f"{name}.conf" if name == "pgpass" else f".{name}")
    return Path(os.path.expanduser("~")) / f".{name}"  # noqa: PTH111 -- Path.expanduser raises where a user has no home
