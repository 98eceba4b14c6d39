"""Breaks a connection at a chosen message: every message of a run has a number, so a fault can be enumerated, told and repeated."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, TypeAlias

from roost.testing._wire import HEADER, Stream, WireProxy, messages

FaultKind: TypeAlias = Literal["reset", "cut", "swallow", "half-open", "black hole", "call"]
Direction: TypeAlias = Literal["to server", "to client"]

VANISH_SECONDS = 0.2
"""After so long the server learns that a client has vanished; keepalives need some five seconds for it, which no test has."""

SILENCE_SECONDS = 0.1
"""A server that has begun to answer and says nothing for so long waits for more of the client."""

_READY_FOR_QUERY = "Z"
_TEXT = 120
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireMessage:
    """One message that the proxy saw.

    Attributes:
        number: Its number in the proxy's life, from 1, over all connections.
        connection: The number of its connection, from 1.
        direction: Which way it went.
        kind: Its type byte as a letter; ``startup`` for the first of a connection.
        text: The beginning of what it says, for people.
    """

    number: int
    connection: int
    direction: Direction
    kind: str
    text: str

    def __str__(self) -> str:
        return f"#{self.number} {self.direction} {self.kind} {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens at one message.

    - ``reset``: both sides find the connection reset before the message.
    - ``cut``: half of the message arrives, then both sides find the connection reset.
    - ``swallow``: the server does all it was asked, and the client finds the connection reset in place of the answer.
    - ``half-open``: the client hears nothing any more, though the server hears it; soon the server learns that it is alone.
    - ``black hole``: neither hears the other any more; soon the server learns that it is alone, and the client never does.
    - ``call``: `call` is awaited, and the message goes its way; for `pg_terminate_backend`, a kill, a stop of the server.

    Attributes:
        kind: What happens.
        at: The message's number.
        call: What is awaited, for the kind ``call``.
        name: What to call it; by default its kind.
    """

    kind: FaultKind
    at: int
    call: Callable[[], Awaitable[object]] | None = None
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name or self.kind} at #{self.at}"


class FaultProxy(WireProxy):
    """A proxy that numbers the messages between clients and a server, and breaks a connection at chosen ones.

    Args:
        url: The database behind it, reached without TLS.
        faults: What happens, and when; none, and it only takes notes.
        delay: Returns for each message the seconds that it is kept back, so that runs race each other in ways that can be repeated.

    Attributes:
        messages: What it saw, in order.
        fired: The messages at which faults happened.
        has_fired: Set when the first fault happens.
    """

    def __init__(self, url: str, *faults: Fault, delay: Callable[[], float] | None = None) -> None:
        super().__init__(url)
        self._delay = delay
        self.messages: list[WireMessage] = []
        self.fired: list[WireMessage] = []
        self.has_fired: asyncio.Event = asyncio.Event()
        self._faults = {fault.at: fault for fault in faults}
        self._connections = 0
        self._calls: set[asyncio.Future[object]] = set()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await super().__aexit__(kind, error, trace)
        await asyncio.gather(*self._calls)

    async def exchange(self, packet: bytes, client: Stream, server: Stream) -> None:
        """Pass messages both ways until one side hangs up; a client that is to hear nothing of that waits until the proxy ends."""
        self._connections += 1
        line = _Line(self, self._connections, client=client, server=server)
        ways = [asyncio.create_task(line.pass_questions(packet)), asyncio.create_task(line.pass_answers())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if line.is_silent:
                await asyncio.get_running_loop().create_future()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def note(self, message: bytes, *, connection: int, direction: Direction, kind: str) -> tuple[WireMessage, Fault | None]:
        """Number a message, and return what is to happen at it."""
        text = message[HEADER : HEADER + _TEXT].decode("utf-8", "replace").replace("\0", " ").strip()
        noted = WireMessage(number=len(self.messages) + 1, connection=connection, direction=direction, kind=kind, text=text)
        self.messages.append(noted)
        fault = self._faults.pop(noted.number, None)
        if fault is not None:
            self.fired.append(noted)
        return noted, fault

    async def call(self, fault: Fault) -> None:
        """Await what a fault calls, to its end also where it ends the very connection that it is called from."""
        if fault.call is None:
            return
        calling = asyncio.ensure_future(fault.call())
        self._calls.add(calling)
        calling.add_done_callback(lambda _: self.has_fired.set())
        await asyncio.shield(calling)

    async def keep_back(self) -> None:
        """Wait for as long as a message is kept back."""
        if self._delay is not None:
            await asyncio.sleep(self._delay())


class _Line:
    """One client, its server, and what is broken between them."""

    def __init__(self, proxy: FaultProxy, number: int, *, client: Stream, server: Stream) -> None:
        self._proxy = proxy
        self._number = number
        self._client = client
        self._server = server
        self._drops_questions = False
        self._drops_answers = False
        self._resets_when_ready = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the client is to hear nothing, not even an end."""
        return self._drops_answers and not self._resets_when_ready

    async def pass_questions(self, packet: bytes) -> None:
        """Pass what the client says."""
        await self._pass(packet, "to server", "startup")
        async for message in messages(self._client[0]):
            await self._pass(message, "to server", chr(message[0]))

    async def pass_answers(self) -> None:
        """Pass what the server says."""
        async for message in messages(self._server[0]):
            await self._pass(message, "to client", chr(message[0]))
        if self._resets_when_ready:
            self._reset()

    async def _pass(self, message: bytes, direction: Direction, kind: str) -> None:
        await self._proxy.keep_back()
        _, fault = self._proxy.note(message, connection=self._number, direction=direction, kind=kind)
        if fault is not None:
            await self._break(fault, message, direction)
        dropped = self._drops_questions if direction == "to server" else self._drops_answers
        if not dropped:
            await self._write(message, direction)
        if self._resets_when_ready and direction == "to client":
            self._reset_soon(at_once=kind == _READY_FOR_QUERY)

    async def _break(self, fault: Fault, message: bytes, direction: Direction) -> None:
        match fault.kind:
            case "reset":
                self._reset()
            case "cut":
                await self._write(message[: len(message) // 2], direction)
                self._reset()
            case "swallow":
                self._drops_answers = self._resets_when_ready = True
            case "half-open":
                self._drops_answers = True
                self._vanish()
            case "black hole":
                self._drops_answers = self._drops_questions = True
                self._vanish()
            case "call":
                await self._proxy.call(fault)
        self._proxy.has_fired.set()

    async def _write(self, message: bytes, direction: Direction) -> None:
        writer = self._server[1] if direction == "to server" else self._client[1]
        with contextlib.suppress(OSError):  # the other side may have gone by itself
            writer.write(message)
            await writer.drain()

    def _reset_soon(self, *, at_once: bool) -> None:
        """Reset when the server has said all: it is ready, or it is silent, as in the middle of the extended protocol."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(0 if at_once else SILENCE_SECONDS, self._reset)

    def _vanish(self) -> None:
        asyncio.get_running_loop().call_later(VANISH_SECONDS, _abort, self._server[1])

    def _reset(self) -> None:
        self._drops_questions = self._drops_answers = True
        self._resets_when_ready = True
        _abort(self._server[1])
        _abort(self._client[1])


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the other side finds it reset."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6) and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    writer.transport.abort()


def faults_at_every_message(
    seen: Sequence[WireMessage], kinds: Sequence[FaultKind] = ("reset", "cut", "swallow", "half-open", "black hole")
) -> list[Fault]:
    """Return each of the kinds of faults at each message of a run without faults; pure."""
    return [Fault(kind=kind, at=message.number) for kind in kinds for message in seen]
