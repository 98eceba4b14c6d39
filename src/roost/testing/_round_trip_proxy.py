"""Counts round trips: a figure that is the same on every machine, where time is not."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import replace
from types import TracebackType
from typing import Self

from roost.postgres import parse_url

_CHUNK = 65536
_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104
_READY_FOR_QUERY = ord("Z")
_HEADER = 5
"""A message is a type byte, then its length without that byte (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""


class RoundTripProxy:
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
        self._target = parse_url(url)
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self.connections: int = 0
        self.startup_trips: int = 0
        self.round_trips: int = 0

    @property
    def url(self) -> str:
        """The URL of the same database through the proxy.

        Raises:
            RuntimeError: The proxy is not entered.
        """
        if self._server is None:
            raise RuntimeError("the proxy has a URL inside its `async with` block only")
        port = self._server.sockets[0].getsockname()[1]
        params = (*(pair for pair in self._target.params if pair[0] != "sslmode"), ("sslmode", "disable"))
        return replace(self._target, hosts=(("127.0.0.1", port),), params=params).dsn

    def reset(self) -> None:
        """Count from zero."""
        self.connections = self.startup_trips = self.round_trips = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        # A task of our own: asyncio's would complain aloud when it is cancelled.
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            packet = await _start_packet(reader, writer)
            behind, ahead = await self._connect()
            with contextlib.closing(ahead):
                ahead.write(packet)
                await _Exchange(self, client=(reader, writer), server=(behind, ahead)).run()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._target.hosts[0] if self._target.hosts else ("localhost", None)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port or 5432}")
        return await asyncio.open_connection(host, port or 5432)


class _Exchange:
    """One client and its server, and whose turn it is."""

    def __init__(
        self,
        counts: RoundTripProxy,
        *,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
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
        while chunk := await self._client[0].read(_CHUNK):
            self._client_spoke = True
            self._server[1].write(chunk)
            await self._server[1].drain()

    async def _pass_answers(self) -> None:
        while chunk := await self._server[0].read(_CHUNK):
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
        while len(self._answers) >= _HEADER:
            kind, length = struct.unpack("!BI", self._answers[:_HEADER])
            if len(self._answers) < length + 1:
                return False
            del self._answers[: length + 1]
            if kind == _READY_FOR_QUERY:
                return True
        return False


async def _start_packet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return a client's start packet, after a No to its wish for encryption."""
    while True:
        size = await reader.readexactly(4)
        packet = size + await reader.readexactly(struct.unpack("!I", size)[0] - 4)
        if struct.unpack("!I", packet[4:8])[0] not in (_SSL_REQUEST, _GSS_REQUEST):
            return packet
        writer.write(b"N")
