"""The example servers as their users run them: real servers, asked over HTTP, and ended while streams are open."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.plugins.build import BOUND, execute, history, query, until
from tests.plugins.web_server import WebServer

ROOT = Path(__file__).parents[2]
NOTES = ["examples.web.fastapi_app:app", "examples.web.starlette_app:app", "examples.web.litestar_app:app"]
SERVERS = ["uvicorn", "hypercorn"]

Serve = Callable[..., WebServer]


@pytest.fixture
def serve(database_url: str) -> Iterator[Serve]:
    """Start servers on the test's database."""
    servers: list[WebServer] = []

    def start(kind: str, app: str) -> WebServer:
        servers.append(WebServer(kind, database_url, app=app))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("app", NOTES)
@pytest.mark.parametrize("kind", SERVERS)
def test_notes_are_kept(serve: Serve, database_url: str, kind: str, app: str) -> None:
    """The server migrates in the background, refuses what is no note, keeps what is one, and follows new ones in a stream."""
    server = serve(kind, app)
    server.until_status(200)
    assert asyncio.run(history(database_url)) == [("notes", "make-notes", True)]
    assert server.client.post("/notes", json={"body": 7}).status_code in (400, 422)
    added = server.client.post("/notes", json={"body": "first"})
    assert (added.status_code, added.json()) == (201, {"id": 1, "body": "first"})
    assert server.client.get("/notes").json() == [{"id": 1, "body": "first"}]
    with server.client.stream("GET", "/notes/stream") as stream:
        lines = stream.iter_lines()
        assert [line for line in (next(lines) for _ in range(2)) if line.startswith("data")] == ["data: first"]
        server.client.post("/notes", json={"body": "second"})
        assert next(line for line in lines if line.startswith("data")) == "data: second"
        server.signal()
        assert [line for line in lines if line] == []  # nothing more comes, and the stream ends by itself
    server.ended()
    assert "Traceback" not in server.log


@pytest.mark.parametrize("app", NOTES)
def test_many_at_once(serve: Serve, database_url: str, app: str) -> None:
    """Replicas that start at one instant are all ready in the end, and the table was made once."""
    servers = [serve("uvicorn", app) for _ in range(3)]
    for server in servers:
        server.until_status(200)
    assert asyncio.run(history(database_url)) == [("notes", "make-notes", True)]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_request_has_a_session_of_sqlalchemy(serve: Serve, database_url: str, kind: str) -> None:
    """The ORM's tables are brought about by roost; a request is a transaction, and one that fails leaves nothing."""
    server = serve(kind, "examples.shared_engine.app:app")
    server.until_status(200)
    for title in ("Notes", "Sketches"):
        assert server.client.post("/books", json={"title": title, "author": "Ada"}).status_code == 201
    assert server.client.get("/authors").json() == [{"name": "Ada", "books": ["Notes", "Sketches"]}]
    # A server may close a connection on which the application has raised.
    answer = httpx.post(f"{server.client.base_url}/books", json={"title": "N\0", "author": "Nobody"}, timeout=BOUND, trust_env=False)
    assert answer.status_code == 500
    assert server.client.get("/authors").json() == [{"name": "Ada", "books": ["Notes", "Sketches"]}]


def test_an_agent_without_a_server(database_url: str) -> None:
    """It answers each note once, also beside another one, and SIGTERM ends it with exit code 0."""

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "examples.asyncio_agent"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url},
            text=True,
            stderr=subprocess.PIPE,
        )

    agents = [start(), start()]
    try:
        for agent in agents:
            assert agent.stderr is not None
            assert any("started in" in line for line in iter(agent.stderr.readline, ""))
        asyncio.run(execute(database_url, "INSERT INTO notes (body) SELECT 'note ' || n FROM generate_series(1, 10) AS n"))
        asyncio.run(until(database_url, "SELECT FROM answers HAVING count(*) = 10"))
        assert asyncio.run(query(database_url, "SELECT body FROM answers WHERE note = 1")) == ["I have read: note 1"]
    finally:
        for agent in agents:
            agent.terminate()
    told = [agent.communicate(timeout=BOUND)[1] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0]
    assert all("stopped in" in one and "Traceback" not in one for one in told)


def test_an_agent_that_is_told_nothing() -> None:
    """It says what is missing, and exits with 2."""
    environment: dict[str, Any] = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "examples.asyncio_agent"],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=BOUND,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "DATABASE_URL is missing, such as postgresql://user:password@host/database\n")
