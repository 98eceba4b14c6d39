"""Counts round trips: a figure that is the same on every machine, where time is not."""

from __future__ import annotations

import asyncio
import struct

from roost.testing._wire import HEADER, Stream, WireProxy, chunks

_READY_FOR_QUERY = ord("Z")


class RoundTripProxy(WireProxy):
    """A proxy in front of a PostgreSQL server that counts how often its clients had to wait for an answer.

    A round trip is a turn in which the client spoke and the server answered, however many messages either sent.

    Args:
        url: The database behind it, reached without TLS.

    Attributes:
        connections: How many clients have connected.
        startup_trips: Round trips until the server said for the first time that it is ready: start packet, authentication.
        round_trips: Round trips after that.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.connections: int = 0
        self.startup_trips: int = 0
        self.round_trips: int = 0

    def reset(self) -> None:
        """Count from zero."""
        self.connections = self.startup_trips = self.round_trips = 0

    async def exchange(self, packet: bytes, client: Stream, server: Stream) -> None:
        """Pass bytes both ways, and count turns."""
        self.connections += 1
        server[1].write(packet)
        await _Exchange(self, client=client, server=server).run()


class _Exchange:
    """One client and its server, and whose turn it is."""

    def __init__(self, counts: RoundTripProxy, *, client: Stream, server: Stream) -> None:
        self._counts = counts
        self._client = client
        self._server = server
        self._answers = bytearray()
        self._client_spoke = True  # the start packet
        self._ready = False

    async def run(self) -> None:
        """Pass bytes both ways until one side hangs up."""
        ways = [asyncio.create_task(self._pass_questions()), asyncio.create_task(self._pass_answers())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_questions(self) -> None:
        async for chunk in chunks(self._client[0]):
            self._client_spoke = True
            self._server[1].write(chunk)
            await self._server[1].drain()

    async def _pass_answers(self) -> None:
        async for chunk in chunks(self._server[0]):
            if self._client_spoke:
                self._client_spoke = False
                if self._ready:
                    self._counts.round_trips += 1
                else:
                    self._counts.startup_trips += 1
            if not self._ready:
                self._ready = self._says_ready(chunk)
            self._client[1].write(chunk)
            await self._client[1].drain()

    def _says_ready(self, chunk: bytes) -> bool:
        self._answers += chunk
        while len(self._answers) >= HEADER:
            kind, length = struct.unpack("!BI", self._answers[:HEADER])
            if len(self._answers) < length + 1:
                return False
            del self._answers[: length + 1]
            if kind == _READY_FOR_QUERY:
                return True
        return False
