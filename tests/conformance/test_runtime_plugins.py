"""Section K, second half: lookups, readiness, plugins and events."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from roost import Database, MigrationStep, Plugin, Runtime, Service
from roost.errors import (
    DuplicatePlugin,
    PluginCycle,
    PluginInUse,
    PluginVersionMismatch,
    RuntimeStopFailed,
    ServiceNotFound,
    ServiceStartFailed,
    StepFailed,
)
from roost.migrations import RunFinished, RunStarted
from roost.runtime import RuntimeStartFinished
from tests.plugins.build import history, make_plugin, make_runtime, query, residue
from tests.plugins.services import failing, hang, leftover, noting, runtime_of


@pytest.mark.asyncio
async def test_RT_12_registration_order() -> None:
    """RT-12: two services of one type that finish in reverse order come in registration order; the list is a copy."""
    done = asyncio.Event()

    async def wait(self: Service) -> None:
        await done.wait()

    async def finish(self: Service) -> None:
        done.set()

    async with runtime_of(
        noting("slow", [], start=wait, service_type="kind"), noting("quick", [], start=finish, service_type="kind")
    ) as runtime:
        found = runtime.get_services_by_type("kind")
        assert [service.service_name for service in found] == ["slow", "quick"]
        found.clear()
        assert len(runtime.get_services_by_type("kind")) == 2


def test_RT_13_an_empty_runtime() -> None:
    """RT-13: has, find and types are False, None and []; get_service raises with a suggestion for a near miss."""
    empty = Runtime()
    assert (empty.has_service("a"), empty.find_service("a"), empty.get_registered_service_types()) == (False, None, [])
    with pytest.raises(ServiceNotFound) as caught:
        runtime_of(noting("mailer", [])).get_service("mialer")
    assert caught.value.suggestions == ("mailer",)


@pytest.mark.asyncio
async def test_RT_14_ready_raises_the_original() -> None:
    """RT-14: start raises E while somebody awaits ready(B): E is raised to that waiter, and to later ones."""
    error = ValueError("E")
    runtime = runtime_of(noting("b", [], start=failing(error)))
    waiting = asyncio.create_task(runtime.ready("b"))
    with pytest.raises(ServiceStartFailed):
        await runtime.start()
    for waiter in (waiting, runtime.ready("b")):
        with pytest.raises(ValueError, match="E") as caught:
            await waiter
        assert caught.value is error


def test_RT_15_plugins_that_do_not_go_together() -> None:
    """RT-15: one name twice; B requires "a>=2" with a 1.0 there: names both; a cycle: with its path."""
    with pytest.raises(DuplicatePlugin):
        Runtime(plugins=[Plugin("a"), Plugin("a")])
    with pytest.raises(PluginVersionMismatch, match=r"b needs a>=2.*1\.0"):
        Runtime(plugins=[Plugin("a", version="1.0"), Plugin("b", dependencies=["a>=2"])])
    with pytest.raises(PluginCycle) as caught:
        Runtime(plugins=[Plugin("a", dependencies=["b"]), Plugin("b", dependencies=["a"])])
    assert caught.value.path == ("a", "b", "a")


@pytest.mark.asyncio
async def test_RT_16_ten_cycles() -> None:
    """RT-16: ten cycles of load and unload of a plugin with services and event handlers leave the registry at its baseline."""
    disposed: list[str] = []

    class Listens(Service):
        def __init__(self, runtime: Runtime) -> None:
            runtime.events.subscribe(disposed.append)

        async def start(self) -> None:
            self.create_task(hang(self))

    plugin = Plugin("late", services=[Listens], dispose=lambda _runtime: disposed.append("disposed"))
    async with Runtime(services=[noting("a", [])]) as runtime:

        def registry() -> tuple[Any, ...]:
            return runtime.plugins, runtime.get_all_services(), len(runtime.status()), len(runtime.events._subscriptions), leftover()

        baseline = registry()
        for _ in range(10):
            await runtime.load_plugin(plugin)
            await runtime.unload_plugin("late")
            assert registry() == baseline
    assert disposed.count("disposed") == 10
    assert leftover() == []


@pytest.mark.asyncio
async def test_RT_17_a_dispose_that_raises() -> None:
    """RT-17: an aggregated error; everything is removed all the same."""

    def dispose(_runtime: Runtime) -> None:
        raise ValueError("dispose")

    async with Runtime(plugins=[Plugin("p", services=[noting("a", [])], dispose=dispose)]) as runtime:
        with pytest.raises(RuntimeStopFailed, match="dispose") as caught:
            await runtime.unload_plugin("p")
        assert [str(error) for _, error in caught.value.failures] == ["dispose"]
        assert (runtime.plugins, runtime.get_all_services(), runtime.status()) == ((), [], ())


@pytest.mark.asyncio
async def test_RT_18_a_plugin_that_others_need() -> None:
    """RT-18: refused naming them, or cascades when asked."""
    async with Runtime(plugins=[Plugin("a"), Plugin("b", dependencies=["a"]), Plugin("c", dependencies=["b"])]) as runtime:
        with pytest.raises(PluginInUse, match="needed by b, c"):
            await runtime.unload_plugin("a")
        await runtime.unload_plugin("b", cascade=True)
        assert [plugin.name for plugin in runtime.plugins] == ["a"]


@pytest.mark.asyncio
async def test_RT_19_late_plugins_migrate_first(database_url: str) -> None:
    """RT-19: the tables exist before the service starts; of two loaded at once one migrates after the other."""

    def plugin(name: str) -> Plugin:
        async def start(self: Any) -> None:
            await self.given["need0"].execute(f"INSERT INTO {name} VALUES (1)")

        step = MigrationStep("make", "Make it", up=f"CREATE TABLE {name} (id int)", version="1.0.0")
        return make_plugin(name, step, services=[noting(f"{name}-service", [], Database, start=start)])

    runs: list[Any] = []
    async with make_runtime(database_url) as runtime:
        runtime.events.subscribe(lambda event: runs.append(type(event)), RunStarted, RunFinished)
        await asyncio.gather(runtime.load_plugin(plugin("p")), runtime.load_plugin(plugin("q")))
        assert await query(database_url, "SELECT id FROM p UNION ALL SELECT id FROM q") == [1, 1]
    assert runs == [RunStarted, RunFinished, RunStarted, RunFinished]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_RT_20_a_late_plugin_whose_migration_fails(database_url: str) -> None:
    """RT-20: its services never start, nothing of it stays registered, the original error is raised."""
    log: list[str] = []
    bad = make_plugin("bad", MigrationStep("fail", "Fails", up="SELECT nope", version="1.0.0"), services=[noting("bad-service", log)])
    async with make_runtime(database_url) as runtime:
        with pytest.raises(StepFailed, match="nope") as caught:
            await runtime.load_plugin(bad)
        assert isinstance(caught.value.__cause__, asyncpg.UndefinedColumnError)
        assert (runtime.plugins, runtime.get_services_by_type("migration")) == ((), [])
        assert not runtime.has_service("bad-service")
    assert log == []
    assert await history(database_url) == [("bad", "fail", False)]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_RT_22_a_handler_that_raises() -> None:
    """RT-22: two handlers for one event, one raises: the other is called, the error is reported."""
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
    heard: list[object] = []
    error = ValueError("handler")

    def bad(_event: object) -> None:
        raise error

    runtime = Runtime()
    runtime.events.subscribe(bad, RuntimeStartFinished)
    runtime.events.subscribe(heard.append, RuntimeStartFinished)
    async with runtime:
        pass
    assert (len(heard), reported) == (1, [error])
