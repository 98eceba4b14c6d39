"""Where a password comes from: text, a callable, the environment, password files and service files, against a server that demands one."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from roost import Database, MigrationOrchestrator, MigrationStep, Runtime
from roost.errors import DatabaseRefused, DatabaseUnreachable, InvalidDatabaseURL, PasswordUnavailable
from roost.postgres import DatabaseURL, EmbeddedPostgres, parse_url
from roost.runtime import Secret
from tests.plugins.build import QUICK, make_plugin

STEP = MigrationStep("make", "Make", up="CREATE TABLE things (id int)", version="1.0.0")
RIGHT, OTHER, WRONG = "r!ght:@/#pass%word", "0ther-pass", "wr0ng-pass"

Use: TypeAlias = Callable[[Database], Awaitable[object]]


@pytest.fixture(scope="module")
def strict_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseURL]:
    """The address of a server that lets its roles `app` and `owner` in by their passwords only; it names the first and no password."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("strict") / "data", settings={"fsync": "off"})

    def be_strict(rules: Path) -> None:
        rules.write_text(f"local all app,owner scram-sha-256\n{rules.read_text()}")

    async def start_strict() -> None:
        await server.start()
        connection = await asyncpg.connect(server.url)
        for role, password in (("app", RIGHT), ("owner", OTHER)):
            await connection.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{password}'")
        rules = Path(await connection.fetchval("SHOW hba_file"))
        await connection.close()
        await server.stop()
        be_strict(rules)
        await server.start()

    asyncio.run(start_strict())
    yield replace(parse_url(server.url), user="app")
    asyncio.run(server.stop())
    shutil.rmtree(server.data_dir, ignore_errors=True)


@pytest.fixture
def strict(strict_url: DatabaseURL, clean_home: Path) -> DatabaseURL:
    """The same, with nothing in the environment and in the home."""
    return strict_url


def migrations_of(database: Database) -> MigrationOrchestrator:
    """Return what migrates this database; there is one attempt to connect."""
    config = replace(QUICK, max_retries=1)
    return MigrationOrchestrator(Runtime(plugins=[make_plugin("p", STEP)], database=database, config=config))


async def by_session(database: Database) -> object:
    """Migrate: the run's own session connects."""
    return await migrations_of(database).run_all_migrations()


async def by_reader(database: Database) -> object:
    """Ask for the status: the reader's session connects."""
    return await migrations_of(database).get_migration_status()


async def by_pool(database: Database) -> object:
    """Ask by the `Database` service: its pool connects."""
    try:
        return await database.fetchval("SELECT 1")
    finally:
        await database.stop()


each_way = pytest.mark.parametrize("use", [by_session, by_reader, by_pool], ids=["session", "reader", "pool"])


class Tokens:
    """Gives passwords, and counts how often it was asked."""

    def __init__(self, *given: Any) -> None:
        self.given = list(given)
        self.asked = 0

    def __call__(self) -> Any:
        self.asked += 1
        value = self.given[min(self.asked, len(self.given)) - 1]
        if isinstance(value, Exception):
            raise value
        return value

    async def later(self) -> Any:
        """The same, to be awaited."""
        await asyncio.sleep(0)
        return self()


@each_way
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "source",
    [RIGHT, Secret(RIGHT), lambda: RIGHT, lambda: Secret(RIGHT), Tokens(RIGHT).later],
    ids=["text", "Secret", "sync", "hidden", "async"],
)
async def test_every_form_of_a_password(strict: DatabaseURL, use: Use, source: Any) -> None:
    """Text, a Secret, and callables, to be awaited or not, that return one let in, in place of what the URL holds."""
    await use(Database(strict.dsn, password=source))
    await use(Database(replace(strict, password=WRONG), password=source))
    with pytest.raises(DatabaseRefused, match="password authentication failed"):
        await use(Database(replace(strict, password=WRONG)))


@pytest.mark.asyncio
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_callable_is_asked_for_each_connection(strict: DatabaseURL, is_async: bool) -> None:  # noqa: FBT001 -- a parameter of pytest
    """A token that has changed since is used for the next connection; an old one that is refused is not tried again."""
    tokens = Tokens(RIGHT, RIGHT, WRONG, RIGHT)
    database = Database(strict, password=tokens.later if is_async else tokens)
    await migrations_of(database).run_all_migrations()
    assert tokens.asked == 1
    async with database.acquire():
        assert tokens.asked == 2
        with pytest.raises(DatabaseRefused, match="password authentication failed"):
            await database.execute("SELECT 1")
        assert tokens.asked == 3
        async with database.acquire():
            assert tokens.asked == 4
    await database.stop()


@each_way
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (Tokens(PermissionError(f"no token for {RIGHT}")), "it raised PermissionError"),
        (Tokens(ConnectionRefusedError(f"at {RIGHT}")), "it raised ConnectionRefusedError"),
        (Tokens(None), "it returned NoneType"),
        (Tokens(RIGHT.encode()), "it returned bytes"),
        (Tokens(""), "it returned no text"),
        (Tokens(f"{RIGHT}\0"), "what can be no text"),
        (Tokens(f"{RIGHT}\ud800"), "what can be no text"),
    ],
)
async def test_a_callable_that_fails(strict: DatabaseURL, use: Use, tokens: Tokens, words: str) -> None:
    """It is asked once, and its failure is an error of its own kind that holds the cause and tells no secret."""
    tokens.asked = 0
    with pytest.raises(PasswordUnavailable, match=words) as caught:
        await use(Database(strict, password=tokens))
    assert tokens.asked == 1
    assert caught.value.__cause__ is (tokens.given[0] if isinstance(tokens.given[0], Exception) else None)
    assert RIGHT not in f"{caught.value} {caught.value!r}"


@pytest.mark.asyncio
async def test_a_callable_that_hangs(strict: DatabaseURL) -> None:
    """It has as long as a connection, and a failure of its own is not taken for that."""

    async def hang() -> str:
        await asyncio.Event().wait()
        raise AssertionError

    async def late() -> str:
        raise TimeoutError("own")

    with pytest.raises(PasswordUnavailable, match=r"gave none within 0\.01 s"):
        await by_pool(Database(replace(strict, connect_timeout=0.01), password=hang))
    with pytest.raises(PasswordUnavailable, match="it raised TimeoutError"):
        await by_pool(Database(strict, password=late))


@pytest.mark.asyncio
async def test_a_callable_can_be_cancelled(strict: DatabaseURL) -> None:
    """A start that is cancelled while the callable waits ends at once, as cancelled."""
    waits = asyncio.Event()

    async def hang() -> str:
        waits.set()
        await asyncio.Event().wait()
        raise AssertionError

    starting = asyncio.create_task(Database(strict, password=hang).start())
    await waits.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting


@pytest.mark.asyncio
async def test_the_role_that_migrates(strict: DatabaseURL) -> None:
    """Its password is its own: `migration_password`, else what its URL holds, else the application's."""
    owner = replace(strict, user="owner", password=None)
    reached = [
        Database(strict, password=lambda: RIGHT, migration_url=replace(owner, password=OTHER)),
        Database(strict, password=RIGHT, migration_url=owner.dsn, migration_password=lambda: OTHER),
        Database(strict, password=RIGHT, migration_url=replace(owner, password=WRONG), migration_password=OTHER),
        Database(strict, password=WRONG, migration_password=RIGHT),
        Database(strict, password=lambda: OTHER, migration_url=owner),
    ]
    for database in reached:
        await by_session(database)
    with pytest.raises(DatabaseRefused, match="owner"):
        await by_session(Database(strict, password=RIGHT, migration_url=owner))


@pytest.mark.asyncio
async def test_a_pool_that_is_given_keeps_its_hooks(strict: DatabaseURL) -> None:
    """Its `init` and `setup` run for the application's connections as ever, and for no connection of a migration."""
    seen: list[str] = []

    async def init(connection: Any) -> None:
        seen.append("init")

    async def setup(connection: Any) -> None:
        seen.append("setup")

    async with asyncpg.create_pool(replace(strict, password=RIGHT).dsn, init=init, setup=setup, min_size=1, max_size=1) as pool:
        database = Database(pool, migration_url=strict, password=lambda: RIGHT)
        await by_session(database)
        await by_reader(database)
        assert seen == ["init"]
        await database.fetchval("SELECT 1")
        assert seen == ["init", "setup"]


def password_file(path: Path, password: str, *, mode: int = 0o600, user: str = "app") -> Path:
    """Write a password file."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    path.write_text(f"# a comment\nmalformed\nother:*:*:*:{WRONG}\nlocalhost:5432:postgres:{user}:{escaped}\n")
    path.chmod(mode)
    return path


@each_way
@pytest.mark.asyncio
@pytest.mark.parametrize("named_by", ["passfile", "PGPASSFILE", "home"])
async def test_password_files(strict: DatabaseURL, clean_home: Path, monkeypatch: pytest.MonkeyPatch, use: Use, named_by: str) -> None:
    """A password is found in the file that the URL names, that PGPASSFILE names, and in ~/.pgpass."""
    path = password_file(clean_home / (".pgpass" if named_by == "home" else "passwords"), RIGHT)
    params = (("passfile", str(path)),) if named_by == "passfile" else ()
    if named_by == "PGPASSFILE":
        monkeypatch.setenv("PGPASSFILE", str(path))
    await use(Database(replace(strict, params=params)))


@pytest.mark.asyncio
async def test_which_password_counts(strict: DatabaseURL, clean_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument goes before the URL, the URL before the service, the service before PGPASSWORD, and that before the password file."""
    services = clean_home / "services"
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    owner = replace(strict, user="owner")

    async def arrives(*, argument: str | None, url: str | None, service: str | None, variable: str | None, file: str) -> bool:
        services.write_text("[s]\n" + (f"password={service}\n" if service else ""))
        password_file(clean_home / ".pgpass", file, user="owner")
        if variable:
            monkeypatch.setenv("PGPASSWORD", variable)
        else:
            monkeypatch.delenv("PGPASSWORD", raising=False)
        try:
            await by_pool(Database(replace(owner, password=url, params=(("service", "s"),)), password=argument))
        except DatabaseRefused:
            return False
        return True

    places: list[str] = ["argument", "url", "service", "variable", "file"]
    for first, place in enumerate(places):
        behind: dict[str, Any] = dict.fromkeys(places[first + 1 :], WRONG)
        before: dict[str, Any] = dict.fromkeys(places[:first])
        assert await arrives(**{**before, place: OTHER, **behind}), place
        if place != "file":
            assert not await arrives(**{**before, place: WRONG, **dict.fromkeys(behind, OTHER)}), place


@pytest.mark.asyncio
async def test_a_password_file_that_others_may_read(strict: DatabaseURL, clean_home: Path) -> None:
    """It is passed over; the error says so, and how to mend it."""
    path = password_file(clean_home / ".pgpass", OTHER, mode=0o640, user="owner")
    with pytest.raises(DatabaseRefused, match=f"chmod 600 {path}"):
        await by_pool(Database(replace(strict, user="owner")))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "there is no password file"),
        (lambda path: password_file(path, WRONG), "no password was given but by the password file"),
        (lambda path: password_file(path, RIGHT, user="other"), "no password was given but by the password file"),
    ],
)
async def test_a_password_file_that_does_not_help(
    strict: DatabaseURL, clean_home: Path, make: Callable[[Path], object], words: str
) -> None:
    """The error names the file that was looked at, whether it is there or not."""
    path = clean_home / "passwords"
    make(path)
    with pytest.raises(DatabaseRefused, match=f"{words} {path}"):
        await by_pool(Database(replace(strict, params=(("passfile", str(path)),))))


@pytest.mark.asyncio
async def test_a_password_file_that_is_a_directory(strict: DatabaseURL, clean_home: Path) -> None:
    """It is passed over; the error says so."""
    (clean_home / ".pgpass").mkdir()
    with pytest.raises(DatabaseRefused, match="is no plain file"):
        await by_pool(Database(strict))


@pytest.mark.asyncio
async def test_a_password_file_of_somebody_else(strict: DatabaseURL, clean_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that this user may not open is passed over; the error says so."""
    path = password_file(clean_home / ".pgpass", RIGHT)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may open every file
    with pytest.raises(DatabaseRefused, match=f"the password file {path} can't be read"):
        await by_pool(Database(strict))


@pytest.mark.asyncio
async def test_no_password_at_all(strict: DatabaseURL) -> None:
    """The error says that none was given, which the server does not; with one it says nothing of files."""
    with pytest.raises(DatabaseRefused, match="no password was given, and there is no password file"):
        await by_pool(Database(strict))
    with pytest.raises(DatabaseRefused) as caught:
        await by_pool(Database(strict, password=WRONG))
    assert "file" not in str(caught.value)


@each_way
@pytest.mark.asyncio
@pytest.mark.parametrize("variable", ["PGSERVICEFILE", "PGSYSCONFDIR", None])
async def test_services(strict: DatabaseURL, clean_home: Path, monkeypatch: pytest.MonkeyPatch, use: Use, variable: str | None) -> None:
    """A service fills in what the URL leaves open, from each of libpq's files."""
    ((host, _),) = strict.hosts
    path = clean_home / ("pg_service.conf" if variable else ".pg_service.conf")
    path.write_text(
        f"# ours\n[other]\nhost=nowhere\n\n[mine]\nhost={host}\nport=5432\nuser=app\npassword={RIGHT}\ndbname=nowhere\n"
        "connect_timeout=9\napplication_name=served\n"
    )
    if variable:
        monkeypatch.setenv(variable, str(path if variable == "PGSERVICEFILE" else clean_home))
    await use(Database("postgresql:///postgres?service=mine"))
    await use(Database("service=mine dbname=postgres user=owner", password=lambda: OTHER))
    database = Database("service=mine dbname=postgres")
    assert await database.fetchval("SHOW application_name") == "served"
    await database.stop()


@each_way
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no service 'mine' in "),
        ("[mine]\npassword canary\n", "is malformed"),
        ("password=canary\n[mine]\n", "is malformed"),
        ("[mine]\nservice=other\n", "names a service"),
        ("[mine]\nport=canary\n", "its port"),
        ("[mine]\npassword=\udcff\n", "is malformed"),
    ],
)
async def test_services_that_are_refused(clean_home: Path, use: Use, text: str, words: str) -> None:
    """What is missing or malformed is told before anybody connects, and no line of the file with it."""
    path = clean_home / ".pg_service.conf"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(InvalidDatabaseURL, match=words) as caught:
        await use(Database("service=mine"))
    assert "canary" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


@pytest.mark.asyncio
async def test_a_service_is_named_where_no_host_is(clean_home: Path) -> None:
    """A failure tells the address that was tried."""
    (clean_home / ".pg_service.conf").write_text("[mine]\nhost=/nowhere\n")
    with pytest.raises(DatabaseUnreachable, match="/nowhere:5432"):
        await by_session(Database("service=mine"))
    assert parse_url("service=mine").location == "service mine"


@each_way
@pytest.mark.asyncio
async def test_a_parameter_that_nobody_knows(postgres_url: str, use: Use) -> None:
    """What the driver passes on to the server, and the server does not know, is told as a fault of the URL."""
    url = parse_url(postgres_url)
    with pytest.raises(InvalidDatabaseURL, match="pgbouncer"):
        await use(Database(replace(url, params=(*url.params, ("pgbouncer", "true")))))


@pytest.mark.asyncio
async def test_a_host_that_is_no_name(clean_home: Path) -> None:
    """What can't even be looked up is a fault of the URL, at the first attempt."""
    with pytest.raises(InvalidDatabaseURL):
        await by_session(Database(f"postgresql://{'h' * 64}.example/d"))


@pytest.mark.asyncio
async def test_the_default_database_is_the_roles(postgres_url: str) -> None:
    """A URL without a database leaves it to PGDATABASE and then to the role's name, as libpq does."""
    url = replace(parse_url(postgres_url), database=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGDATABASE", "postgres")
        database = Database(url.dsn)
        assert await database.fetchval("SELECT current_database()") == "postgres"
        await database.stop()


@pytest.mark.asyncio
async def test_nothing_answers_in_time(clean_home: Path) -> None:
    """The error says how long it waited."""
    never = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        never.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        url = replace(parse_url(f"postgresql://u@127.0.0.1:{port}/d"), connect_timeout=0.05)
        with pytest.raises(DatabaseUnreachable, match=r"1 attempt: no answer within 0\.05 s"):
            await by_session(Database(url))
        await never.wait()
