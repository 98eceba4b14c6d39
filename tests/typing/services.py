"""What a service says of itself, the tasks it starts, and the ports that a class satisfies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar, assert_type

from roost import MigrationOrchestrator, MigrationService, Plugin, PluginMigrationService, Runtime, Service
from roost.runtime import OnCrash, OnDemand, Preparer, Restart
from tests.typing.letters import Letter


class Sorter(Service):
    service_name = "sorter"
    service_type = "sorting"
    priority = 3
    start_timeout = 5
    stop_timeout = 2.5
    health_timeout = 1
    on_crash = Restart(at_most=2, per=10)

    async def start(self) -> None:
        task = self.create_task(self.next(), name="next letter")
        assert_type(task, asyncio.Task[Letter | None])
        assert_type(await task, Letter | None)
        assert_type(self.create_task(self.count()), asyncio.Task[int])
        assert_type(self.create_task(self.wait()), asyncio.Task[None])

    async def next(self) -> Letter | None:
        return None

    async def count(self) -> int:
        return 0

    async def wait(self) -> None: ...

    async def run(self) -> None: ...

    async def drain(self) -> None: ...

    async def health(self) -> dict[str, int]:
        return {"waiting": 0}


class Degrades(Service):
    on_crash = "degrade"

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[None]:
        yield


class Lent(Service):
    @classmethod
    def on_demand(cls, runtime: Runtime, /) -> Lent:
        return cls()


class Prepares:
    async def prepare(self, plugins: Sequence[Plugin], /) -> None: ...


class Asked(Service):
    prepared_by: ClassVar[Callable[[Runtime], Preparer] | None] = MigrationOrchestrator


def attributes(sorter: Sorter) -> None:
    assert_type(Service.service_name, str)
    assert_type(sorter.service_name, str)
    assert_type(MigrationService.service_type, str | None)
    assert_type(Service.on_crash, OnCrash)
    assert_type(Service.priority, int | None)
    assert_type(Service.start_timeout, float | None)
    assert_type(Service.health_timeout, float)
    assert_type(Restart().delay, float)


def ports(runtime: Runtime, lent: Lent) -> None:
    """The classes that say they satisfy a port do."""
    preparers: list[Preparer] = [MigrationOrchestrator(runtime), Prepares()]
    assert_type(preparers, list[Preparer])
    on_demand: list[OnDemand] = [lent]
    assert_type(on_demand, list[OnDemand])
    assert_type(PluginMigrationService.prepared_by, Callable[[Runtime], Preparer] | None)
