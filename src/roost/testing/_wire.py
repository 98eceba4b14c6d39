"""A TCP proxy that understands where PostgreSQL's messages begin and end (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeAlias

from roost.postgres import parse_url

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
HEADER = 5
"""A message is a type byte, then its length without that byte."""

_CHUNK = 65536


Stream: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class WireProxy:
    """A proxy in front of a PostgreSQL server, reached without TLS; what it does with each client a subclass says.

    Args:
        url: The database behind it.
    """

    def __init__(self, url: str) -> None:
        self._target = parse_url(url)
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

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

    async def exchange(self, packet: bytes, client: Stream, server: Stream) -> None:
        """Serve one client whose start packet has come, until one side hangs up."""
        raise NotImplementedError

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio's would complain aloud when it is cancelled.
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            packet = await _start_packet(reader, writer)
            behind, ahead = await self._connect()
            with contextlib.closing(ahead):
                await self.exchange(packet, (reader, writer), (behind, ahead))

    async def _connect(self) -> Stream:
        host, port = self._target.hosts[0] if self._target.hosts else ("localhost", None)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port or 5432}")
        return await asyncio.open_connection(host, port or 5432)


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield what comes, as it comes, until the other side hangs up."""
    while chunk := await reader.read(_CHUNK):
        yield chunk


async def messages(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield whole messages, each with its header, until the other side hangs up."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            header = await reader.readexactly(HEADER)
            (length,) = struct.unpack("!I", header[1:])
            yield header + await reader.readexactly(length - 4)


async def _start_packet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return a client's start packet, after a No to its wish for encryption."""
    while True:
        header = await reader.readexactly(4)
        (length,) = struct.unpack("!I", header)
        body = await reader.readexactly(length - 4)
        (code,) = struct.unpack("!I", body[:4])
        if code not in (SSL_REQUEST, GSS_REQUEST):
            return header + body
        writer.write(b"N")
        await writer.drain()
