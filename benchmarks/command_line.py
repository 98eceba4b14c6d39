"""How long `roost --help` takes, beside importing alone what of cyclopts and rich draws such a page."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from functools import partial

from benchmarks.measure import Row, compare

GOAL = 1.5
ROUNDS = 25
LIMIT = """
from cyclopts import App, Group, Parameter
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
"""
CANDIDATE = "import sys; from roost.cli import main; sys.exit(main(['--help']))"


async def command_line() -> AsyncIterator[Row]:
    """Compare processes: what starts Python is in both."""
    yield await compare("roost --help", goal=GOAL, candidate=partial(_process, CANDIDATE), limit=partial(_process, LIMIT), rounds=ROUNDS)


async def _process(code: str) -> float:
    started = time.perf_counter()
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
