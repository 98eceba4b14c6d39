"""The example server as its users run it: processes on a database, asked over HTTP."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from examples.agent_server import inbox, memory
from roost import Database, DatabaseMigrationService, MigrationOrchestrator, PluginMigrationService, Runtime
from tests.plugins import memory_by_steps
from tests.plugins.build import BOUND, query

ROOT = Path(__file__).parents[2]
ACTIVE = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()"

OBJECTS = """
SELECT oid, relname::text, relfilenode FROM pg_class WHERE relnamespace = 'memory'::regnamespace
UNION ALL
SELECT oid, conname::text, conindid FROM pg_constraint WHERE connamespace = 'memory'::regnamespace
ORDER BY 1
"""


class Server:
    """One process of the example, and a client of it."""

    def __init__(self, database_url: str) -> None:
        """Start the process and wait until it says that it serves."""
        environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "ROOST_DATABASE_URL"}}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "examples.agent_server", "--database-url", database_url, "--port", "0"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        said: SimpleQueue[str] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(said,), daemon=True)
        self._reader.start()
        self.client = httpx.Client(base_url=said.get(timeout=BOUND) or self._fail(), timeout=BOUND, trust_env=False)

    def _read(self, said: SimpleQueue[str]) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"running on (http://\S+)", line):
                said.put(found[1])
        said.put("")

    def _fail(self) -> str:
        self.process.wait(BOUND)
        raise AssertionError("the server ended:\n" + "".join(self.log))

    def wait_until(self, path: str, is_done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask again and again, each time with the longest wait that it grants, and return the last answer."""
        due = time.monotonic() + BOUND
        while True:
            told: dict[str, Any] = self.client.get(path, params={"wait": 30}).json()
            if is_done(told) or time.monotonic() > due:
                return told

    def stand_still(self) -> None:
        """Stop the process until it's sent SIGCONT, and wait until it has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def end(self) -> None:
        """Kill what is left."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(BOUND)
        self._reader.join(BOUND)
        if self.process.stderr is not None:
            self.process.stderr.close()
        self.client.close()


@pytest.fixture
def serve(database_url: str) -> Iterator[Callable[[], Server]]:
    """Start servers on the test's database."""
    servers: list[Server] = []

    def start() -> Server:
        servers.append(Server(database_url))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


def ask(database_url: str, query: str) -> list[dict[str, Any]]:
    """Return what the database answers."""

    async def fetch() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(database_url, command_timeout=BOUND)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def declaring(database_url: str) -> Runtime:
    """Return a runtime whose `memory` declares its tables; it is not started."""
    return Runtime(plugins=[memory.plugin, inbox.plugin], services=[DatabaseMigrationService], database=database_url)


def test_it_serves_and_stops(serve: Callable[[], Server]) -> None:
    """It says what it does, runs a task from the queue to its answer, keeps what it is told, and SIGTERM ends it."""
    server = serve()
    index = server.client.get("/").json()
    assert index["plugins"].keys() == {"memory", "inbox", "jobs"}
    assert set(index["services"].values()) == {"running"}

    stored = server.client.post("/memories", json={"body": "Owls hunt at night", "kind": "fact"})
    assert stored.status_code == 201
    assert server.client.get(f"/memories/{stored.json()['id']}").json() == stored.json()
    assert server.client.get("/memories", params={"q": "hunting owl"}).json() == {"memories": [stored.json()]}

    deferred = server.client.post("/tasks", json={"prompt": "When do owls hunt?"})
    assert deferred.status_code == 202
    task = server.wait_until(deferred.headers["location"], lambda told: told["status"] == "succeeded")
    assert (task["status"], task["answer"]) == ("succeeded", "I remember: Owls hunt at night")
    shown = server.client.get("/demo").json()
    assert (shown["status"], shown["answer"]) == ("succeeded", "I remember: Birds come home to roost in the evening")
    assert server.client.get("/tasks").json()["succeeded"] == 2

    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(BOUND) == -signal.SIGTERM
    assert not [line for line in server.log if "Traceback" in line or "ERROR" in line]


@pytest.mark.parametrize(
    ("asked", "content", "status", "words"),
    [
        ("POST /tasks", b"{", 400, "no JSON"),
        ("POST /tasks", b"\xff", 400, "no JSON"),
        ("POST /tasks", b"[" * 100_000, 400, "no JSON"),
        ("POST /tasks", b"[]", 400, "no JSON object"),
        ("POST /tasks", b'{"prompt": 7}', 400, "'prompt' is missing"),
        ("POST /tasks", b'{"prompt": "\\u0000"}', 400, "can't be stored"),
        ("POST /tasks", b'{"prompt": "\\ud800"}', 400, "can't be stored"),
        ("GET /tasks?wait=soon", b"", 400, "'wait' is a number"),
        ("GET /tasks?wait=1e9", b"", 400, "'wait' is a number"),
        ("GET /tasks/4711", b"", 404, "no task 4711"),
        ("GET /tasks/99999999999999999999", b"", 404, "99999999999999999999"),
        ("POST /memories", b'{"body": " "}', 400, "'body' is missing"),
        ("POST /memories", b'{"body": "a", "kind": "A b"}', 400, "'kind' is a word"),
        ("GET /memories?q=%00", b"", 400, "can't be stored"),
        ("GET /memories/4711", b"", 404, "no memory 4711"),
        ("GET /memories/one", b"", 404, "Not Found"),
        ("POST /inbox", b'{"body": "a"}', 400, "'sender' is missing"),
        ("DELETE /inbox", b"", 405, "Method Not Allowed"),
    ],
)
def test_bad_input_is_answered(refusing: Server, asked: str, content: bytes, status: int, words: str) -> None:
    """Whatever is wrong with a request, the answer names it in JSON, and it is no 500."""
    method, path = asked.split()
    answer = refusing.client.request(method, path, content=content)
    assert answer.status_code == status
    assert words in answer.json()["error"]


@pytest.fixture(scope="module")
def refusing(postgres_url: str) -> Iterator[Server]:
    """One server for all bad requests, on a database of its own."""
    name = f"roost_test_refusing_{os.getpid()}"
    ask(postgres_url, f"CREATE DATABASE {name}")
    server = Server(urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}")))
    yield server
    server.end()
    ask(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def test_tasks_of_a_killed_server_are_done_by_the_other(serve: Callable[[], Server], database_url: str) -> None:
    """Two servers share 200 tasks; one is killed with tasks in its hands; every task ends done, those by the other."""
    doomed = serve()
    assert doomed.client.get("/demo").status_code == 200
    [worker] = ask(database_url, "SELECT id FROM jobs.procrastinate_workers")
    survivor = serve()

    def defer(server: Server, number: int) -> int:
        found: int = server.client.post("/tasks", json={"prompt": f"Task {number}"}).json()["id"]
        return found

    numbers = [defer((doomed, survivor)[turn % 2], turn) for turn in range(100)]
    held: set[int] = set()
    while not held:
        assert len(numbers) < 200, "the server to kill had never a task in its hands"
        numbers.append(defer(survivor, len(numbers)))
        # Held still, it can't finish what the database says it is doing once that has done what both have asked; should it be nothing,
        # they go on.
        for server in (doomed, survivor):
            server.stand_still()
        while ask(database_url, ACTIVE):
            pass
        doing = f"SELECT id FROM jobs.procrastinate_jobs WHERE status = 'doing' AND worker_id = {worker['id']}"
        held = {row["id"] for row in ask(database_url, doing)}
        survivor.process.send_signal(signal.SIGCONT)
        if not held:
            doomed.process.send_signal(signal.SIGCONT)
    doomed.process.kill()
    assert doomed.process.wait(BOUND) == -signal.SIGKILL
    numbers += [defer(survivor, number) for number in range(len(numbers), 200)]
    assert len(set(numbers)) == 200

    assert survivor.wait_until("/tasks", lambda told: told["todo"] + told["doing"] == 0) == {
        "todo": 0, "doing": 0, "succeeded": 201, "failed": 0, "cancelled": 0, "aborted": 0,
    }  # fmt: skip
    rescued = {row["id"] for row in ask(database_url, "SELECT id FROM jobs.procrastinate_jobs WHERE attempts > 1")}
    assert rescued & held
    answers = ask(database_url, "SELECT source FROM memory.memories WHERE kind = 'answer'")
    assert {f"task:{number}" for number in numbers} <= {row["source"] for row in answers}
    done = "SELECT worker_id, count(*) AS done FROM jobs.procrastinate_jobs GROUP BY worker_id"
    shares = {row["worker_id"]: row["done"] for row in ask(database_url, done)}
    assert len(shares) == 2
    assert shares[worker["id"]] > 1, "the killed server did nothing but its first task"


def test_a_server_whose_worker_dies_ends(serve: Callable[[], Server], database_url: str) -> None:
    """A worker that can't go on takes its server down with exit code 1, instead of serving without it."""
    server = serve()
    assert server.client.get("/demo").status_code == 200
    ask(database_url, "ALTER TABLE jobs.procrastinate_workers RENAME TO gone")
    assert server.process.wait(BOUND) == 1
    assert "task-worker" in "".join(server.log)


def test_the_lines_of_its_readme(serve: Callable[[], Server]) -> None:
    """Each curl line of the example's README, in their order, is answered as shown; an ellipsis stands for anything."""
    server = serve()
    readme = (ROOT / "examples" / "agent_server" / "README.md").read_text("utf-8")
    pairs = re.findall(r"^ *\$ curl (.*)\n *(.*)$", readme, re.MULTILINE)
    assert len(pairs) == 7
    for line, shown in pairs:
        address, *rest = [word for word in shlex.split(line) if word != "-s"]
        path = address.removeprefix("localhost:8000")
        assert path.startswith("/")
        assert rest[:1] in ([], ["-d"])
        answer = server.client.post(path, content=rest[1]) if rest else server.client.get(path)
        assert re.fullmatch(re.escape(shown).replace("…", ".*"), answer.text), (line, answer.text)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://a:sekret@host/x", r"Invalid database URL: 'mysql' is not PostgreSQL.*\nhint: .*\n"),
        ("postgresql://a:sekret@127.0.0.1:1/x", r".*127\.0\.0\.1:1/x can't be reached.*\nhint: .*\n"),
    ],
)
def test_a_wrong_database_is_one_clear_error(url: str, said: str) -> None:
    """A database that can't be used is named in a line, with a hint in another and without the password; the exit code is 1."""
    command = [sys.executable, "-m", "examples.agent_server", "--database-url", url, "--port", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BOUND, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(said, done.stderr), done.stderr
    assert "sekret" not in done.stderr


def test_inbox_remembers(serve: Callable[[], Server]) -> None:
    """A message is stored with a memory of it, which the plugin `memory` then finds."""
    server = serve()
    message = server.client.post("/inbox", json={"sender": "Ada", "body": "the engine weaves"}).json()
    assert server.client.get("/inbox").json() == {"messages": [message]}
    found = server.client.get("/memories", params={"q": "weaving engines"}).json()["memories"]
    assert [(one["id"], one["kind"], one["body"]) for one in found] == [(message["memory_id"], "message", "Ada wrote: the engine weaves")]


@pytest.mark.asyncio
async def test_a_message_without_its_memory_is_not_stored(database_url: str) -> None:
    """Message and memory are stored both or neither."""
    async with declaring(database_url) as runtime:
        await runtime.get_service(memory.Memory).remember("first")
        # The memory is written before the message, which then is refused.
        await runtime.get_service(Database).execute("ALTER TABLE inbox.messages ADD CHECK (sender <> 'Ada')")
        with pytest.raises(asyncpg.CheckViolationError):
            await runtime.get_service(inbox.Inbox).receive("Ada", "the engine weaves")
        assert await runtime.get_service(inbox.Inbox).latest() == []
        assert [record.body for record in await runtime.get_service(memory.Memory).find("")] == ["first"]


@pytest.mark.asyncio
async def test_the_tables_of_its_earlier_release_are_adopted(database_url: str) -> None:
    """What release 2.0.0 of `memory` made by steps is what 2.1.0 declares: nothing is made anew or lost, and either may start again."""
    async with Runtime(plugins=[memory_by_steps.plugin, inbox.plugin], database=database_url) as runtime:
        await runtime.get_service(inbox.Inbox).receive("Ada", "the engine weaves")
        await runtime.get_service(memory.Memory).remember("the sky: blue", kind="fact", source="eyes")
        known = await runtime.get_service(memory.Memory).find("")
    before = await query(database_url, OBJECTS)
    async with declaring(database_url) as runtime:
        assert await runtime.get_service(memory.Memory).find("") == known
        assert [one.body for one in await runtime.get_service(memory.Memory).find("skies")] == ["the sky: blue"]
        status = await MigrationOrchestrator(runtime).get_migration_status()
        assert [(one.service_name, one.pending) for one in status.services] == [("database-migration", 0), ("inbox-migration", 0)]
        assert status.unclaimed == ()
        assert (await runtime.get_service(DatabaseMigrationService).get_status("memory")).drift == ()
    assert await query(database_url, OBJECTS) == before
    async with Runtime(plugins=[memory_by_steps.plugin, inbox.plugin], database=database_url) as runtime:
        assert await runtime.get_service(memory.Memory).find("") == known
    assert (await MigrationOrchestrator(declaring(database_url)).run_all_migrations()).steps == ()


@pytest.mark.asyncio
async def test_what_a_release_before_that_kept_is_left(database_url: str) -> None:
    """In 1.1.0 the text of old was there still. No declaration ever had it, so it is left, with what it holds."""
    async with Runtime(plugins=[memory_by_steps.plugin], database=database_url) as runtime:
        await runtime.get_service(memory.Memory).remember("the sky: blue", kind="fact")
        await runtime.get_service(PluginMigrationService).rollback(version="1.1.0")
    await MigrationOrchestrator(declaring(database_url)).run_all_migrations()
    rows = [("fact: the sky: blue", "fact", "the sky: blue")]
    assert [tuple(row) for row in await query(database_url, "SELECT said, kind, body FROM memory.memories")] == rows
