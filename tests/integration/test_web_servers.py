"""A runtime under real servers: while it starts, when it breaks, and when it is asked to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import asyncpg
import httpx
import pytest

from tests.plugins.own_server import OwnServer
from tests.plugins.web_server import GATE_KEY, GRACE, SERVERS, WebServer

STARTUP_FAILURE = 3
STREAMS = 20
Serve: TypeAlias = Callable[..., WebServer]


@pytest.fixture
def serve(database_url: str) -> Iterator[Serve]:
    """Starts servers, on the test's database or on another one."""
    servers: list[WebServer] = []

    def start(kind: str = "uvicorn", *, url: str = database_url, **options: Any) -> WebServer:
        servers.append(WebServer(kind, url, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@contextlib.contextmanager
def held_step(url: str) -> Iterator[None]:
    """Keep the application's migration from its end inside the block."""
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(url))
    loop.run_until_complete(connection.execute(f"SELECT pg_advisory_lock({GATE_KEY})"))
    try:
        yield
    finally:
        loop.run_until_complete(connection.close())
        loop.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_probes_and_gate_while_migrations_run(serve: Serve, database_url: str, kind: str) -> None:
    """A server that starts in the background lives and refuses at once, says where the run stands, and serves when that is done."""
    with held_step(database_url):
        server = serve(kind, background=True)
        server.until_status(200, "/livez")
        server.until(lambda: server.details().json()["status"] == "migrating")
        server.until(lambda: server.details().json()["migrations"] == {"done": 0, "of": 1})
        told = server.details().json()
        assert told["details"]["waits_for"].startswith("notes 1/1 hold, ")
        assert "details" not in server.client.get("/readyz").json()
        assert [server.client.get(path).status_code for path in ("/livez", "/startupz", "/readyz")] == [200, 503, 503]
        refused = server.client.get("/now")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert server.client.get("/hello").text == "hello"
    server.until_status(200)
    assert [server.client.get(path).status_code for path in ("/livez", "/startupz", "/now", "/hello")] == [200] * 4


def test_a_replica_that_waits_says_for_whom(serve: Serve, database_url: str) -> None:
    """While one replica migrates, another says which step on which host it waits for; then both are ready."""
    with held_step(database_url):
        first = serve(background=True)
        first.until(lambda: "hold" in (first.details().json()["details"]["waits_for"] or ""))
        second = serve(background=True)
        second.until(lambda: "holder" in (second.details().json()["details"]["waits_for"] or ""))
        line = second.details().json()["details"]["waits_for"]
        assert line.startswith("waiting for another run (roost notes: hold), ")
        assert line.endswith(f", holder {socket.gethostname()}")
        assert second.details().json()["details"]["run"]["holder"]["pid"] == first.process.pid
    for server in (first, second):
        server.until_status(200)


@pytest.mark.asyncio
async def test_the_database_goes_and_comes_back(serve: Serve) -> None:
    """Killed under load, it makes the server unready, and nothing else; when it is back, the server is ready and answers as before."""
    async with OwnServer() as database:
        server = serve(url=database.url, check=True)
        await asyncio.to_thread(server.until_status, 200)
        seen: Counter[int] = Counter()
        is_over = threading.Event()

        def load() -> None:
            with httpx.Client(base_url=server.client.base_url, timeout=GRACE, trust_env=False) as client:
                while not is_over.is_set():
                    with contextlib.suppress(httpx.TransportError):  # the server closes the line after an error
                        seen[client.get("/now").status_code] += 1

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            await asyncio.to_thread(server.until, lambda: seen[200] > 10)
            await database.stop(at_once=True)
            told = await asyncio.to_thread(server.until_status, 503)
            assert told["status"] == "unhealthy"
            assert [one["service"] for one in told["details"]["unhealthy"]] == ["database"]
            assert (await asyncio.to_thread(server.client.get, "/livez")).status_code == 200
            await database.start()
            await asyncio.to_thread(server.until_status, 200)
            before = seen[200]
            await asyncio.to_thread(server.until, lambda: seen[200] > before + 10)
        finally:
            is_over.set()
            for thread in threads:
                await asyncio.to_thread(thread.join)
        server.signal()
        assert await asyncio.to_thread(server.ended) == -signal.SIGTERM
        assert "the clock stopped" in server.log


NOBODY = "postgresql://a@127.0.0.1:1/x"


@pytest.mark.parametrize("kind", SERVERS)
def test_no_database_at_the_start(serve: Serve, kind: str) -> None:
    """A server that starts first and serves then does not serve, and says why."""
    server = serve(kind, url=NOBODY)
    server.ended()
    assert "running on" not in server.log.lower()
    assert "127.0.0.1:1/x can't be reached" in server.log
    assert "the own lifespan is entered" not in server.log


@pytest.mark.parametrize("kind", SERVERS)
def test_no_database_at_a_start_in_the_background(serve: Serve, kind: str) -> None:
    """By policy the server says why and ends, or goes on: alive, unready, refusing what needs the database."""
    server = serve(kind, url=NOBODY, background=True, on_crash="unready")
    server.until(lambda: server.details().json()["status"] == "failed")
    told = server.details().json()
    assert "can't be reached" in told["details"]["error"]
    assert [server.client.get(path).status_code for path in ("/livez", "/startupz", "/readyz", "/now", "/hello")] == [
        200,
        503,
        503,
        503,
        200,
    ]
    ending = serve(kind, url=NOBODY, background=True)
    ending.ended()
    assert "the start in the background failed" in ending.log


@pytest.mark.parametrize("kind", SERVERS)
def test_a_crash_ends_the_server(serve: Serve, kind: str) -> None:
    """By default a crash ends the process, after the services were stopped, and open streams end with it."""
    server = serve(kind)
    server.until_status(200)
    with server.client.stream("GET", "/stream") as response:
        assert next(response.iter_lines()).startswith("data: ")
        assert server.client.post("/crash").text == "lit"
        server.ended()
    assert "the fuse blew" in server.log
    assert "the clock stopped" in server.log


@pytest.mark.parametrize("kind", SERVERS)
def test_a_crash_makes_the_server_unready(serve: Serve, kind: str) -> None:
    """By the other policy the process goes on, alive and unready, and its end is a clean one."""
    server = serve(kind, on_crash="unready")
    server.until_status(200)
    assert server.client.post("/crash").text == "lit"
    # Before anybody knows of what it fails, it is stopping.
    server.until(lambda: server.details().json()["status"] == "failed")
    assert "the fuse blew" in server.until_status(503)["details"]["error"]
    assert [server.client.get(path).status_code for path in ("/livez", "/startupz", "/now", "/hello")] == [200, 200, 503, 200]
    assert "the own lifespan is left" not in server.log
    server.signal()
    server.ended()
    assert "the own lifespan is left" in server.log


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("kind", ["uvicorn", "hypercorn"])
def test_streams_end_when_the_server_is_to_end(serve: Serve, kind: str, times: int) -> None:
    """Twenty open streams hold nothing up: SIGTERM, once or twice, ends them, then the application's lifespan, then the services."""
    server = serve(kind)
    server.until_status(200)
    ends: list[str] = []

    def follow() -> None:
        with (
            httpx.Client(base_url=server.client.base_url, timeout=GRACE, trust_env=False) as client,
            client.stream("GET", "/stream") as answer,
        ):
            ends.extend("open" for line in answer.iter_lines() if line)
        ends.append("closed")

    threads = [threading.Thread(target=follow) for _ in range(STREAMS)]
    for thread in threads:
        thread.start()
    server.until(lambda: ends.count("open") >= STREAMS)
    asked = time.monotonic()
    for _ in range(times):
        server.signal()
    assert server.ended() in (0, -signal.SIGTERM)
    assert time.monotonic() - asked < GRACE / 2, "it waited for its streams until it gave them up"
    for thread in threads:
        thread.join(GRACE)
    assert ends.count("closed") == STREAMS
    assert server.log.index("the own lifespan is left") < server.log.index("the clock stopped")
    assert server.log.count("the clock stopped") == 1
    assert "Traceback" not in server.log


@pytest.mark.parametrize("kind", ["uvicorn", "hypercorn"])
def test_a_signal_while_migrations_run(serve: Serve, database_url: str, kind: str) -> None:
    """A server that waits for its start ends on SIGTERM in the middle of a step, which the next server then finds to be done."""
    with held_step(database_url):
        server = serve(kind)
        server.until(lambda: "the step runs" in server.log)
        server.signal()
        server.ended()
        assert "the own lifespan is entered" not in server.log
        after = serve(kind)
        after.until(lambda: "the step runs" in after.log)
    after.until_status(200)


@pytest.mark.parametrize("kind", ["uvicorn", "hypercorn"])
def test_a_client_that_never_reads(serve: Serve, kind: str) -> None:
    """It holds the server up for no longer than the time that the server gives to requests, and the services are stopped all the same."""
    server = serve(kind, grace=1)
    server.until_status(200)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /stream?size=1000000 HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(1)
        assert server.client.get("/livez").status_code == 200
        server.signal()
        server.ended()
    assert "the clock stopped" in server.log


@pytest.mark.parametrize(("own", "word"), [("entering", "startup"), ("leaving", "shutdown")])
def test_an_own_lifespan_that_raises(serve: Serve, own: str, word: str) -> None:
    """Its error is the server's, and the services are stopped whichever end it raises at."""
    server = serve(own=own)
    if own == "leaving":
        server.until_status(200)
        server.signal()
    assert (server.ended() == STARTUP_FAILURE) == (own == "entering")
    assert "LookupError: no cache" in server.log
    assert f"Application {word} failed" in server.log
    assert "the clock stopped" in server.log


@pytest.mark.parametrize(("listener", "said"), [("hangs", "took 1."), ("raises", "a wrong listener")])
def test_a_wrong_listener(serve: Serve, listener: str, said: str) -> None:
    """One that raises, or holds up the event loop for a while, is reported, and the server gets ready."""
    server = serve(listener=listener, background=True)
    server.until_status(200)
    server.until(lambda: said in server.log)
    server.signal()
    assert server.ended() == -signal.SIGTERM
