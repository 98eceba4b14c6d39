"""A runtime's life, what it tells of itself, and a subclass of it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import assert_type

from starlette.applications import Starlette

import roost.asgi
from roost import Database, MigrationConfig, Plugin, Runtime
from roost.postgres import Connection, EmbeddedPostgres
from roost.runtime import EventBus, Secret, ServiceHealth, ServiceNode, State, UnitStatus, available_plugins, discover_plugins
from tests.typing.letters import Letter, LetterBox, Mailer, Office, Pigeon


class PostOffice(Runtime):
    """A runtime with something of its own."""

    town: str = "Emden"

    async def post(self, letter: Letter) -> int:
        return await self.get_service(Mailer).send(letter)


def made() -> None:
    plugin = Plugin(
        "post",
        version="1.2.0",
        description="Letters",
        services=[Mailer, Pigeon, LetterBox(), Office],
        schema={"letters": "text"},
        dependencies=["ink>=1.2"],
        priority=1,
        init=init,
        dispose=dispose,
    )
    assert_type(plugin.version, str | None)
    assert_type(plugin.priority, int)
    runtime = Runtime(
        plugins=[plugin],
        services=(Mailer, LetterBox()),
        database="postgresql://localhost/post",
        config=MigrationConfig(policy="allow"),
        settings={"post": {"price": 0.8}},
        auto_migrate=False,
        allow_unmigrated=True,
        start_timeout=5,
    )
    assert_type(runtime, Runtime)
    assert_type(runtime.plugins, tuple[Plugin, ...])
    assert_type(runtime.plugin_of(plugin), Plugin | None)
    runtime.database = Database("postgresql://localhost/post", migration_url="postgresql://owner@localhost/post")


async def init(runtime: Runtime) -> None:
    await runtime.ready(Mailer)


def dispose(runtime: Runtime) -> None:
    runtime.get_all_services()


async def entered(runtime: Runtime) -> None:
    async with runtime as same:
        assert_type(same, Runtime)
    async with Runtime() as new:
        assert_type(new, Runtime)
    async with PostOffice(services=[Mailer]) as office:
        assert_type(office, PostOffice)
        assert_type(await office.post(Letter("hello")), int)
        assert_type(office.get_service(Mailer), Mailer)
        assert_type(office.town, str)


def discovered(runtime: PostOffice) -> None:
    assert_type(Runtime.discover("post", plugins=[Plugin("ink")], database="postgresql://localhost/post"), Runtime)
    assert_type(PostOffice.discover("*"), PostOffice)
    assert_type(runtime.discover(), PostOffice)
    assert_type(discover_plugins("post"), tuple[Plugin, ...])
    assert_type(available_plugins(), tuple[str, ...])


async def told(runtime: Runtime) -> None:
    assert_type(runtime.status(), tuple[UnitStatus, ...])
    assert_type(runtime.status()[0].state, State)
    assert_type(runtime.status()[0].took, float | None)
    assert_type(runtime.graph(), tuple[ServiceNode, ...])
    assert_type(runtime.graph()[0].needs, tuple[str, ...])
    assert_type(runtime.plan(), list[tuple[str, ...]])
    assert_type(await runtime.health(), tuple[ServiceHealth, ...])
    assert_type(runtime.events, EventBus)
    assert_type(runtime.is_ready, bool)
    assert_type(runtime.is_up(Mailer), bool)
    assert_type(runtime.database, object | None)
    assert_type(runtime.config, object | None)
    assert_type(runtime.main(), int)


async def token() -> Secret:
    return Secret("for a quarter of an hour")


def reached(runtime: Runtime) -> None:
    runtime.database = Database("postgresql://localhost/post", password=token, migration_password=lambda: "secret")
    runtime.database = Database("postgresql://localhost/post", password=Secret("secret"), migration_password="secret")


def overridden(runtime: Runtime) -> None:
    class Quiet(Mailer):
        pass

    assert_type(runtime.override({Mailer: Quiet}), AbstractContextManager[object])
    with runtime.override({Mailer: Quiet()}):
        assert_type(runtime.get_service(Mailer), Mailer)


async def with_a_database(db: Database, directory: Path) -> None:
    async with db.acquire() as connection, db.transaction() as within:
        assert_type(connection, Connection)
        assert_type(within, Connection)
        assert_type(await connection.execute("SELECT 1"), str)
    assert_type(await db.execute("UPDATE letters SET text = $1", "hello"), str)
    async with EmbeddedPostgres(directory) as server:
        assert_type(server, EmbeddedPostgres)
        assert_type(await server.create_database("post"), str)
        Runtime(database=server.url)


def in_a_web_application(runtime: Runtime) -> None:
    assert_type(Starlette(lifespan=roost.asgi.lifespan(runtime)), Starlette)
