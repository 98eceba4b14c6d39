from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from roost import Plugin, Runtime, Service
from roost.errors import (
    ConstructionFailed,
    DuplicatePlugin,
    DuplicateService,
    MissingProvider,
    PluginInUse,
    PluginMissing,
    PluginNotLoaded,
    RuntimeBusy,
    RuntimeStopFailed,
    ServiceStartFailed,
)
from roost.runtime import PluginLoadFinished, PluginLoadStarted, PluginUnloadFinished, PluginUnloadStarted, RuntimeStopStarted
from tests.plugins.services import failing, hang, leftover, noting


def registry(runtime: Runtime) -> tuple[Any, ...]:
    """Return all that a runtime has registered."""
    return (
        [plugin.name for plugin in runtime.plugins],
        [service.service_name for service in runtime.get_all_services()],
        [(unit.kind, unit.name, unit.state) for unit in runtime.status()],
        len(runtime.events._subscriptions),
        len(runtime._lifecycle._startup.started) if runtime._lifecycle._startup is not None else 0,
    )


@pytest.mark.asyncio
async def test_ten_cycles_leave_the_registry_as_it_was() -> None:
    """Loading and unloading a plugin with services, a hook and event listeners leaves nothing; its dispose is called each time."""
    log: list[str] = []

    class Listens(Service):
        def __init__(self, runtime: Runtime) -> None:
            runtime.events.subscribe(lambda _event: log.append("heard"), RuntimeStopStarted)
            self.runtime = runtime

        async def start(self) -> None:
            self.runtime.events.subscribe(lambda _event: log.append("heard"), RuntimeStopStarted)
            self.create_task(hang(self))

    def init(runtime: Runtime) -> None:
        runtime.events.subscribe(lambda _event: log.append("heard"), RuntimeStopStarted)

    plugin = Plugin("late", services=[Listens, noting("other", log)], init=init, dispose=lambda _runtime: log.append("dispose"))
    async with Runtime(services=[noting("a", log)]) as runtime:
        baseline, tasks = registry(runtime), leftover()
        for _ in range(10):
            await runtime.load_plugin(plugin)
            assert [service.service_name for service in runtime.get_all_services()] == ["a", "listens", "other"]
            assert runtime.has_service(Listens)
            await runtime.unload_plugin("late")
            assert registry(runtime) == baseline
            assert runtime.find_service(Listens) is None
            assert sorted(leftover()) == sorted(tasks)
    assert log == ["+a", *["+other", "-other", "dispose"] * 10, "-a"]


@pytest.mark.asyncio
async def test_late_services_use_those_that_are_there_and_stop_before_them() -> None:
    """A late plugin's services may need services of the runtime and of plugins it depends on; the stop is in reverse."""
    log: list[str] = []
    base = noting("base", log)
    async with Runtime(plugins=[Plugin("core", services=[base])]) as runtime:
        seen: list[Any] = []
        runtime.events.subscribe(seen.append, PluginLoadFinished, PluginUnloadFinished)
        await runtime.load_plugin(Plugin("late", services=[noting("user", log, base)], dependencies=["core"]))
        assert runtime.get_service("user").given == {"need0": runtime.get_service(base)}
    assert log == ["+base", "+user", "-user", "-base"]
    assert [event.plugin for event in seen] == ["late"]


class Recorder:
    """A preparer that notes whom it prepares, and that no two do so at once."""

    def __init__(self, runtime: Runtime, log: list[str], error: Exception | None) -> None:
        self.runtime, self.log, self.error = runtime, log, error

    async def prepare(self, plugins: Sequence[Plugin], /) -> None:
        name = plugins[0].name
        self.log.append(f"prepare {name}")
        assert name in [plugin.name for plugin in self.runtime.plugins]
        await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0)
        self.log.append(f"prepared {name}")
        if self.error is not None:
            raise self.error


def prepared(name: str, log: list[str], error: Exception | None = None) -> Plugin:
    """Return a plugin with a service that is prepared, and one that relies on it."""
    preparing = noting(f"{name}-migration", [], prepared_by=staticmethod(lambda runtime: Recorder(runtime, log, error)))
    return Plugin(name, services=[noting(f"{name}-service", log), preparing])


@pytest.mark.asyncio
async def test_two_late_plugins_are_prepared_one_after_the_other() -> None:
    """Loaded at once, the second is prepared after the first has started."""
    log: list[str] = []
    async with Runtime() as runtime:
        await asyncio.gather(runtime.load_plugin(prepared("p", log)), runtime.load_plugin(prepared("q", log)))
        assert log == ["prepare p", "prepared p", "+p-service", "prepare q", "prepared q", "+q-service"]


@pytest.mark.asyncio
async def test_who_declares_a_schema_is_prepared_by_whoever_prepares() -> None:
    """The services of a plugin with a schema wait for the preparers of other plugins, at the start and when it is loaded late."""
    log: list[str] = []
    makers = prepared("p", log)
    declaring = [Plugin(name, services=[noting(f"{name}-service", log)], schema="CREATE TABLE t (x int)") for name in ("early", "late")]
    async with Runtime(plugins=[declaring[0], makers]) as runtime:
        assert log[:2] == ["prepare early", "prepared early"]
        assert set(log[2:]) == {"+early-service", "+p-service"}
        log.clear()
        await runtime.load_plugin(declaring[1])
        assert log == ["prepare late", "prepared late", "+late-service"]
        await runtime.load_plugin(Plugin("plain", services=[noting("plain-service", log)]))
        assert log[3:] == ["+plain-service"]


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["prepare", "start", "init", "construct"])
async def test_a_load_that_fails_leaves_nothing(fault: str) -> None:
    """Whatever fails, its own error is raised, what had started is stopped, and the registry is as before."""
    log: list[str] = []
    error = LookupError(fault)

    def raises(*_: object) -> None:
        raise error

    good = noting("good", log)
    bad = {
        "prepare": prepared("bad", log, error),
        "start": Plugin("bad", services=[good, noting("broken", log, good, start=failing(error))]),
        "init": Plugin("bad", services=[good], init=raises),
        "construct": Plugin("bad", services=[good, type("Broken", (Service,), {"__init__": raises})]),
    }[fault]
    expected: type[Exception] = {"start": ServiceStartFailed, "construct": ConstructionFailed}.get(fault, LookupError)
    async with Runtime(services=[noting("a", log)]) as runtime:
        baseline, tasks = registry(runtime), leftover()
        with pytest.raises(expected) as caught:
            await runtime.load_plugin(bad)
        assert error in (caught.value, caught.value.__cause__)
        assert registry(runtime) == baseline
        assert sorted(leftover()) == sorted(tasks)
        assert log.count("+good") == log.count("-good")
        await runtime.load_plugin(Plugin("bad", services=[good]))
    assert "+bad-service" not in log


@pytest.mark.asyncio
async def test_loads_that_are_refused() -> None:
    """A name, a service's name, a dependency or a need that does not fit is refused, and nothing is left of it."""
    async with Runtime(plugins=[Plugin("p", services=[noting("a", [])])]) as runtime:
        baseline = registry(runtime)
        for plugin, error in (
            (Plugin("p"), DuplicatePlugin),
            (Plugin("q", services=[noting("a", [])]), DuplicateService),
            (Plugin("q", dependencies=["nowhere"]), PluginMissing),
            (Plugin("q", services=[noting("b", []), noting("c", [], noting("nobody", []))]), MissingProvider),
        ):
            with pytest.raises(error):
                await runtime.load_plugin(plugin)
            assert registry(runtime) == baseline


@pytest.mark.asyncio
async def test_a_plugin_that_others_need() -> None:
    """It is refused by their names, whether they need the plugin or one of its services; cascade takes them out before it."""
    log: list[str] = []
    base = noting("base", log)
    plugins = [
        Plugin("core", services=[base]),
        Plugin("by-name", services=[noting("one", log)], dependencies=["core"]),
        Plugin("by-service", services=[noting("two", log, base)]),
        Plugin("stranger", services=[noting("three", log)]),
    ]
    async with Runtime(plugins=plugins) as runtime:
        with pytest.raises(PluginInUse) as caught:
            await runtime.unload_plugin("core")
        assert caught.value.dependents == ("by-name", "by-service")
        log.clear()
        await runtime.unload_plugin("core", cascade=True)
        assert sorted(log) == ["-base", "-one", "-two"]
        assert log[-1] == "-base"
        assert [plugin.name for plugin in runtime.plugins] == ["stranger"]
        with pytest.raises(PluginNotLoaded):
            await runtime.unload_plugin("core")


@pytest.mark.asyncio
async def test_the_runtimes_own_services_are_never_taken_out() -> None:
    """Not even by cascade."""
    base = noting("base", [])
    async with Runtime(plugins=[Plugin("core", services=[base])], services=[noting("own", [], base)]) as runtime:
        with pytest.raises(PluginInUse, match="the runtime's own services"):
            await runtime.unload_plugin("core", cascade=True)


@pytest.mark.asyncio
async def test_an_unload_goes_on_past_errors() -> None:
    """A dispose and a stop that raise are both in the error, and everything is gone all the same."""
    log: list[str] = []

    def dispose(_runtime: Runtime) -> None:
        raise ValueError("dispose")

    plugin = Plugin("p", services=[noting("a", log), noting("b", log, stop=failing(OSError("stop")))], dispose=dispose)
    async with Runtime(plugins=[plugin]) as runtime:
        with pytest.raises(RuntimeStopFailed) as caught:
            await runtime.unload_plugin("p")
        assert sorted(str(error) for _, error in caught.value.failures) == ["dispose", "stop"]
        assert log == ["+a", "+b", "-a"]
        assert (runtime.plugins, runtime.get_all_services(), runtime.status()) == ((), [], ())


@pytest.mark.asyncio
async def test_on_a_runtime_that_is_not_started() -> None:
    """Plugins are only noted, and start with the rest."""
    log: list[str] = []
    runtime = Runtime()
    await runtime.load_plugin(Plugin("p", services=[noting("a", log)]))
    await runtime.load_plugin(Plugin("q", services=[noting("b", log)]))
    await runtime.unload_plugin("q")
    async with runtime:
        pass
    assert log == ["+a", "-a"]


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_a_load_that_is_broken_off(how: str) -> None:
    """By a stop of the runtime or a cancellation: what it had started is stopped, and no task is left."""
    log: list[str] = []
    starting = asyncio.Event()

    async def start(self: Service) -> None:
        starting.set()
        await asyncio.Event().wait()

    a = noting("a", log)
    runtime = Runtime()
    await runtime.start()
    load = asyncio.create_task(runtime.load_plugin(Plugin("p", services=[a, noting("b", log, a, start=start)])))
    await starting.wait()
    if how == "stop":
        await runtime.stop()
        with pytest.raises(RuntimeBusy, match="stopped meanwhile"):
            await load
    else:
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        await runtime.stop()
    assert log == ["+a", "-a"]
    assert runtime.plugins == ()
    assert leftover() == []


@pytest.mark.asyncio
async def test_an_unload_that_is_cancelled_goes_to_its_end() -> None:
    """The cancellation is obeyed when the plugin is out."""
    log: list[str] = []
    stopping, go_on = asyncio.Event(), asyncio.Event()

    async def stop(self: Service) -> None:
        stopping.set()
        await go_on.wait()
        log.append("-a")

    async with Runtime(plugins=[Plugin("p", services=[noting("a", log, stop=stop)])]) as runtime:
        unload = asyncio.create_task(runtime.unload_plugin("p"))
        await stopping.wait()
        unload.cancel()
        await asyncio.wait({unload}, timeout=0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await unload
        assert (log, runtime.plugins, runtime.status()) == (["+a", "-a"], (), ())
    assert leftover() == []


@pytest.mark.asyncio
async def test_a_stop_waits_for_an_unload() -> None:
    """What a plugin that is being taken out relies on is stopped after it."""
    log: list[str] = []
    stopping, go_on = asyncio.Event(), asyncio.Event()

    async def stop(self: Service) -> None:
        stopping.set()
        await go_on.wait()
        log.append("-user")

    base = noting("base", log)
    runtime = Runtime(plugins=[Plugin("p", services=[noting("user", log, base, stop=stop)])], services=[base])
    await runtime.start()
    unload = asyncio.create_task(runtime.unload_plugin("p"))
    await stopping.wait()
    stopped = asyncio.create_task(runtime.stop())
    for _ in range(30):
        await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(unload, stopped)
    assert log == ["+base", "+user", "-user", "-base"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_unloads_that_are_refused() -> None:
    """While the runtime starts, and by a task of the plugin's own, which would wait for its own end."""
    starting = asyncio.Event()
    refused: list[RuntimeBusy] = []

    async def start(self: Service) -> None:
        starting.set()
        await asyncio.Event().wait()

    runtime = Runtime(plugins=[Plugin("p", services=[noting("a", [], start=start)])])
    start_all = asyncio.create_task(runtime.start())
    await starting.wait()
    with pytest.raises(RuntimeBusy, match="starting or stopping"):
        await runtime.unload_plugin("p")
    start_all.cancel()
    await asyncio.wait({start_all})

    class Suicidal(Service):
        def __init__(self, runtime: Runtime) -> None:
            self.runtime = runtime

        async def run(self) -> None:
            while not self.runtime.is_ready:
                await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0)
            try:
                await self.runtime.unload_plugin("p")
            except RuntimeBusy as error:
                refused.append(error)

    async with Runtime(plugins=[Plugin("p", services=[Suicidal])]) as runtime:
        while not refused:
            await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0)
        assert "one of its own tasks" in str(refused[0])
        assert [plugin.name for plugin in runtime.plugins] == ["p"]


@pytest.mark.asyncio
async def test_who_waits_for_a_late_service_that_fails_is_told() -> None:
    """Its own error reaches the one who waits for it, and the error that names it those who wait for another one of the plugin."""
    error = ValueError("no room")
    go_on = asyncio.Event()

    async def start(self: Service) -> None:
        await go_on.wait()
        raise error

    bad = noting("bad", [], start=start)
    async with Runtime() as runtime:
        load = asyncio.create_task(runtime.load_plugin(Plugin("p", services=[bad, noting("next", [], bad)])))
        await asyncio.wait({load}, timeout=0)
        waiting = [asyncio.create_task(runtime.ready(name)) for name in ("bad", "next")]
        await asyncio.wait(waiting, timeout=0)
        go_on.set()
        with pytest.raises(ServiceStartFailed) as caught:
            await load
        assert [await asyncio.gather(one, return_exceptions=True) for one in waiting] == [[error], [caught.value]]


@pytest.mark.asyncio
async def test_loads_and_unloads_are_told_in_pairs() -> None:
    """Each begins and ends, and tells what went wrong."""
    seen: list[tuple[str, str, bool]] = []
    async with Runtime() as runtime:
        kinds = (PluginLoadStarted, PluginLoadFinished, PluginUnloadStarted, PluginUnloadFinished)
        runtime.events.subscribe(lambda one: seen.append((type(one).__name__, one.plugin, bool(getattr(one, "error", None)))), *kinds)
        await runtime.load_plugin(Plugin("p", services=[noting("a", [], stop=failing(OSError()))]))
        with pytest.raises(ServiceStartFailed):
            await runtime.load_plugin(Plugin("q", services=[noting("b", [], start=failing(OSError()))]))
        with pytest.raises(RuntimeStopFailed):
            await runtime.unload_plugin("p")
    assert seen == [
        ("PluginLoadStarted", "p", False),
        ("PluginLoadFinished", "p", False),
        ("PluginLoadStarted", "q", False),
        ("PluginLoadFinished", "q", True),
        ("PluginUnloadStarted", "p", False),
        ("PluginUnloadFinished", "p", True),
    ]


@pytest.mark.asyncio
async def test_a_load_that_is_refused_takes_no_listeners() -> None:
    """A second plugin of a name that is there costs the first one nothing; one whose constructors fail leaves none of its own."""
    heard: list[object] = []

    class Listens(Service):
        def __init__(self, runtime: Runtime) -> None:
            runtime.events.subscribe(heard.append, PluginLoadStarted)

    class Listens2(Listens):
        pass

    def raises(_self: Service) -> None:
        raise ValueError("no")

    async with Runtime(plugins=[Plugin("p", services=[Listens])]) as runtime:
        with pytest.raises(DuplicatePlugin):
            await runtime.load_plugin(Plugin("p"))
        with pytest.raises(ConstructionFailed):
            await runtime.load_plugin(Plugin("q", services=[Listens2, type("Broken", (Service,), {"__init__": raises})]))
        await runtime.load_plugin(Plugin("r"))
    assert len(heard) == 1
