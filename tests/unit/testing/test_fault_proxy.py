from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from roost.testing import Fault, FaultKind, FaultProxy, WireMessage, faults_at_every_message

START = b"\x00\x00\x00\x08\x00\x03\x00\x00"
READY = b"Z\x00\x00\x00\x05I"
QUESTION = b"Q\x00\x00\x00\x06x\x00"
ANSWER = b"C\x00\x00\x00\x06y\x00"


class Echo:
    """A server of a kind: it is ready at once, and answers each question with one message and that it is ready."""

    def __init__(self) -> None:
        self.heard = b""
        self.ends: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(len(START))
            writer.write(READY)
            while True:
                self.heard += await reader.readexactly(len(QUESTION))
                writer.write(ANSWER + READY)
        except asyncio.IncompleteReadError as error:
            self.heard += error.partial
            self.ends.append("closed")
        except ConnectionError:
            self.ends.append("reset")
        finally:
            writer.close()


@asynccontextmanager
async def behind(*faults: Fault, patience: float = 120.0) -> AsyncIterator[tuple[FaultProxy, Echo, Callable[[], Awaitable[bytes]]]]:
    """Provide a proxy before a server, the server, and what asks one question and returns all that came before its patience ended."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy(f"postgresql://me@127.0.0.1:{port}/db", *faults) as proxy:
        own = int(proxy.url.split(":")[-1].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", own)
        writer.write(START)
        found = await reader.readexactly(len(READY))

        async def ask() -> bytes:
            nonlocal found
            writer.write(QUESTION)
            try:
                async with asyncio.timeout(patience):
                    while not found.endswith(ANSWER + READY):
                        more = await reader.read(100)
                        if not more:
                            return found + b"|closed"
                        found += more
            except ConnectionError:
                return found + b"|reset"
            except TimeoutError:
                return found + b"|silence"
            return found

        yield proxy, echo, ask
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    server.close()
    while len(echo.ends) < proxy.messages[-1].connection:
        await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0)


@pytest.mark.asyncio
async def test_messages_are_numbered_in_order() -> None:
    """Each message has its number, connection, direction and kind; without faults everything passes."""
    async with behind() as (proxy, echo, ask):
        assert await ask() == READY + ANSWER + READY
        assert echo.heard == QUESTION
    assert [(one.number, one.direction, one.kind) for one in proxy.messages] == [
        (1, "to server", "startup"),
        (2, "to client", "Z"),
        (3, "to server", "Q"),
        (4, "to client", "C"),
        (5, "to client", "Z"),
    ]
    assert str(proxy.messages[2]) == "#3 to server Q x"
    assert (proxy.fired, proxy.has_fired.is_set()) == ([], False)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "at", "client_hears", "server_heard"),
    [
        ("reset", 3, READY + b"|reset", b""),
        ("reset", 4, READY + b"|reset", QUESTION),
        ("cut", 3, READY + b"|reset", QUESTION[:3]),
        ("cut", 4, READY + ANSWER[:3] + b"|reset", QUESTION),
        ("swallow", 3, READY + b"|reset", QUESTION),
        ("swallow", 4, READY + b"|reset", QUESTION),
        ("half-open", 3, READY + b"|silence", QUESTION),
        ("half-open", 4, READY + b"|silence", QUESTION),
        ("black hole", 3, READY + b"|silence", b""),
        ("black hole", 4, READY + b"|silence", QUESTION),
    ],
)
async def test_each_kind_of_fault(kind: FaultKind, at: int, client_hears: bytes, server_heard: bytes) -> None:
    """At a question or at an answer: what either side has heard by then, and how it ends for the client."""
    async with behind(Fault(kind=kind, at=at), patience=0.5 if client_hears.endswith(b"|silence") else 120.0) as (proxy, echo, ask):
        heard = await ask()
        await proxy.has_fired.wait()
        assert [one.number for one in proxy.fired] == [at]
        while not echo.ends:
            await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0)
    # A reset may overtake what was sent just before it.
    assert heard in (client_hears, READY + b"|reset" if client_hears.endswith(b"|reset") else client_hears)
    assert echo.heard in (server_heard, b"" if kind == "cut" else server_heard)


@pytest.mark.asyncio
async def test_a_call_is_awaited_before_the_message() -> None:
    """What is called has happened when the message goes its way; only the first message of that number is struck."""
    called: list[bytes] = []

    async def call() -> None:
        called.append(echo.heard)

    async with behind(Fault(kind="call", at=3, call=call, name="kill")) as (proxy, echo, ask):
        assert (await ask(), called) == (READY + ANSWER + READY, [b""])
        assert proxy.has_fired.is_set()
    assert str(Fault(kind="call", at=3, name="kill")) == "kill at #3"


def test_every_fault_at_every_message() -> None:
    """The enumeration is complete, in a fixed order, and has no duplicates."""
    seen = [WireMessage(number=number, connection=1, direction="to server", kind="Q", text="") for number in (1, 2, 3)]
    faults = faults_at_every_message(seen, ("reset", "cut"))
    assert [str(fault) for fault in faults] == ["reset at #1", "reset at #2", "reset at #3", "cut at #1", "cut at #2", "cut at #3"]
    assert len({(fault.kind, fault.at) for fault in faults_at_every_message(seen)}) == 15


@pytest.mark.asyncio
async def test_a_call_outlives_the_connection_that_it_ends() -> None:
    """What a fault calls may stop the server: the line that it is called from breaks, and the call goes on to its end."""
    ended: list[str] = []
    lines: list[asyncio.StreamWriter] = []

    async def stop_and_start() -> None:
        lines.pop().transport.abort()
        for _ in range(20):
            await asyncio.sleep(0.001)
        ended.append("started again")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(writer)
        writer.write(READY)
        await reader.read()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    fault = Fault(kind="call", at=3, call=stop_and_start, name="restart")
    async with FaultProxy(f"postgresql://me@127.0.0.1:{server.sockets[0].getsockname()[1]}/db", fault) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.split(":")[-1].split("/")[0]))
        writer.write(START)
        await reader.readexactly(len(READY))
        writer.write(QUESTION)
        assert await reader.read() == b""
        async with asyncio.timeout(120):
            await proxy.has_fired.wait()
        assert ended == ["started again"]
        writer.close()
    server.close()
