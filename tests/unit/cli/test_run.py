from __future__ import annotations

import asyncio
from typing import Any

from roost import Service
from roost.cli._run import _tell_what_is_slow
from roost.testing import run_virtual
from tests.plugins.services import hang, noting, runtime_of


class Notes:
    """Stands for a command's output."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def test_a_slow_start_says_what_it_waits_for() -> None:
    """After five seconds, and then again, by name and with how long; what started in time is not named."""

    async def slow(_self: Service) -> None:
        await asyncio.sleep(12)

    async def main() -> list[str]:
        output: Any = Notes()
        runtime = runtime_of(noting("quick", []), noting("slow", [], start=slow), noting("stuck", [], start=hang))
        telling = asyncio.create_task(_tell_what_is_slow(runtime, output))
        starting = asyncio.create_task(runtime.start())
        await asyncio.sleep(16)
        telling.cancel()
        starting.cancel()
        await asyncio.wait({telling, starting})
        lines: list[str] = output.lines
        return lines

    assert run_virtual(main()) == [
        "still starting: slow (5 s), stuck (5 s)",
        "still starting: slow (10 s), stuck (10 s)",
        "still starting: stuck (15 s)",
    ]
