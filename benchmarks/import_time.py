"""What `import roost` adds to `import asyncio`, in fresh interpreters."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial

from benchmarks.measure import Comparison, compare

GOAL = 1.25
DRIVERS = ("asyncpg", "psycopg", "anyio", "tenacity", "packaging")
_TIMED = "import time; t = time.perf_counter(); import asyncio{more}; print(time.perf_counter() - t)"


async def import_time() -> Comparison:
    """Compare `import asyncio, roost` with `import asyncio`.

    Raises:
        AssertionError: `import roost` brings a driver along.
    """
    loaded = _python(f"import roost, sys; print([name for name in {DRIVERS} if name in sys.modules])")
    assert loaded == "[]", f"import roost imports {loaded}"
    return await compare(
        "import roost, beside asyncio", goal=GOAL, candidate=partial(_import, ", roost"), limit=partial(_import, ""), rounds=15
    )


async def _import(more: str) -> float:
    return float(await asyncio.to_thread(_python, _TIMED.format(more=more)))


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
