"""Names of what is made only while a schema is on its way, so that any later run knows it again. Pure."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.schema._changes import Identity

_TEMPORARY = re.compile(r"roost_[0-9a-f]{16}")


def temporary_name(*parts: str) -> str:
    """Return the name of what stands in for something; equal for equal parts, and another for others."""
    digest = sha256("\0".join(parts).encode()).hexdigest()
    return f"roost_{digest[:16]}"


def is_temporary(of: Identity) -> bool:
    """Tell whether an object is one that stands in for another."""
    return of[0] in {"constraint", "index"} and _TEMPORARY.fullmatch(of[3]) is not None
