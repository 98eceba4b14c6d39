"""A line to a server through a proxy in a process of its own, which so takes none of the candidate's time."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from roost.postgres import parse_url


class Line:
    """A line that is in use.

    Attributes:
        delay: Seconds that it adds each way.
    """

    def __init__(self, process: Process, port: int, delay: float) -> None:
        self._process = process
        self._port = port
        self.delay = delay

    def to(self, url: str) -> str:
        """Return the URL of a database of the same server at the end of the line."""
        return replace(parse_url(url), hosts=(("127.0.0.1", self._port),), params=(("sslmode", "disable"),)).dsn

    async def counts(self) -> tuple[int, int]:
        """Return the connections, and the round trips after their start, since the last call."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(b"\n")
        connections, trips = (await stdout.readline()).split()
        return int(connections), int(trips)


@asynccontextmanager
async def line(url: str, *, delay: float) -> AsyncIterator[Line]:
    """Draw a line to the server of a database."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.proxy_process", url, str(delay), stdin=PIPE, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        yield Line(process, int(await process.stdout.readline()), delay)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
