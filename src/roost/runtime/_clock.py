"""What time it is for a runtime."""

from __future__ import annotations

import asyncio
import time


def now() -> float:
    """Return the seconds of the running loop's clock, which may be a virtual one; outside of a loop those of the monotonic clock."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()
