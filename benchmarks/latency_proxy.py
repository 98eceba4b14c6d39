"""A line to the server that is as long as is asked for: each chunk arrives so much later, and none waits for another."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from roost.testing import RoundTripProxy


class LatencyProxy(RoundTripProxy):
    """Counts round trips, and delays what passes, in both directions alike.

    The line is as wide as ever: chunks are on their way at the same time. Making the connection to the proxy itself costs no trip.

    Args:
        url: The database behind it.
        delay: Seconds each way.
    """

    def __init__(self, url: str, *, delay: float) -> None:
        super().__init__(url)
        self._delay = delay

    async def exchange(
        self,
        packet: bytes,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Pass bytes both ways, late, and count turns."""
        await super().exchange(packet, self._late(client), self._late(server))
        # Who hangs up is heard as late as who speaks, and not before the last words.
        await asyncio.sleep(self._delay)

    def _late(self, side: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = side
        return side if self._delay == 0 else (reader, cast("asyncio.StreamWriter", _LateWriter(writer, self._delay)))


class _LateWriter:
    """The part of a StreamWriter that the proxy uses."""

    def __init__(self, writer: asyncio.StreamWriter, delay: float) -> None:
        self._writer = writer
        self._delay = delay
        self._under_way: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()

    def write(self, chunk: bytes) -> None:
        self._under_way.append(chunk)
        self._loop.call_later(self._delay, self._arrive)

    async def drain(self) -> None:
        await self._writer.drain()

    def _arrive(self) -> None:
        self._writer.write(self._under_way.popleft())
