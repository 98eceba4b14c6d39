from __future__ import annotations

import asyncio

import pytest

from roost import Plugin, Runtime, Service
from roost.errors import ConstructionFailed, DependencyCycle, DuplicateService
from tests.plugins.services import leftover, noting, runtime_of


class Hen(Service):
    def __init__(self, egg: Egg) -> None:
        pass


class Egg(Service):
    def __init__(self, hen: Hen) -> None:
        pass


@pytest.mark.asyncio
async def test_needs_start_first_and_stop_last() -> None:
    """A chain starts from its end and stops the other way round, whatever the order of registration."""
    log: list[str] = []
    a = noting("a", log)
    b = noting("b", log, a)
    c = noting("c", log, b)
    async with runtime_of(c, a, b) as runtime:
        assert runtime.plan() == [("a",), ("b",), ("c",)]
        assert log == ["+a", "+b", "+c"]
    assert log == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_independent_services_start_together() -> None:
    """Services that do not need each other are all starting before one has started."""
    meeting = asyncio.Barrier(3)

    async def meet(self: Service) -> None:
        await meeting.wait()

    async with runtime_of(*(noting(name, [], start=meet) for name in "abc")) as runtime:
        assert {unit.state for unit in runtime.status()} == {"running"}


@pytest.mark.asyncio
async def test_a_service_starts_as_soon_as_its_own_needs_have() -> None:
    """A service does not wait for others that are slow and that it does not need."""
    log: list[str] = []
    go_on = asyncio.Event()

    async def slow(self: Service) -> None:
        await go_on.wait()

    async def quick(self: Service) -> None:
        go_on.set()

    a = noting("a", log)
    async with runtime_of(noting("slow", log, start=slow), a, noting("b", log, a, start=quick)):
        assert go_on.is_set()


def test_a_cycle_is_refused_with_names_and_places() -> None:
    """X needs Y needs X: an error that draws the path, with file and line, before anything is constructed."""
    with pytest.raises(DependencyCycle) as caught:
        Runtime(services=[Hen, Egg]).plan()
    assert [text.split(" ")[0] for text in caught.value.path] == ["hen", "egg", "hen"]
    assert str(caught.value).count(f"{__file__}:") == 3


def test_a_chain_of_a_thousand_is_planned() -> None:
    """Depth is no limit."""
    chain: list[type[Service]] = []
    for index in range(1500):
        chain.append(noting(f"s{index}", [], *chain[-1:]))
    assert len(Runtime(services=chain[::-1]).plan()) == 1500


def test_two_services_of_one_name_are_refused() -> None:
    """The error names the name and both places."""
    with pytest.raises(DuplicateService) as caught:
        Runtime(services=[noting("a", []), noting("a", [])]).plan()
    assert caught.value.name == "a"
    assert len(caught.value.locations) == 2


def test_a_constructor_that_raises_is_named() -> None:
    """The service and its place are named, the cause is kept, and the next use tries again."""

    class Broken(Service):
        def __init__(self) -> None:
            raise ValueError("no room")

    runtime = Runtime(services=[Broken])
    for _ in range(2):
        with pytest.raises(ConstructionFailed, match=r"broken.*no room") as caught:
            runtime.get_service(Broken)
        assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.asyncio
async def test_plugins_start_after_those_they_depend_on() -> None:
    """All of a plugin is started before the services of one that depends on it; hooks go around; the stop is the reverse."""
    log: list[str] = []

    def plugin(name: str, *dependencies: str) -> Plugin:
        async def init(_runtime: Runtime) -> None:
            log.append(f"init {name}")

        return Plugin(
            name,
            services=[noting(f"{name}-service", log)],
            dependencies=dependencies,
            init=init,
            dispose=lambda _runtime: log.append(f"dispose {name}"),
        )

    async with Runtime(plugins=[plugin("user", "base"), plugin("base")]):
        assert log == ["init base", "+base-service", "init user", "+user-service"]
        log.clear()
    assert log == ["-user-service", "dispose user", "-base-service", "dispose base"]


@pytest.mark.asyncio
async def test_a_service_of_a_plugin_may_not_need_one_of_its_dependents() -> None:
    """Where a constructor contradicts the plugins' order, the start ends with the circle instead of waiting forever."""
    log: list[str] = []
    low = noting("low", log)
    runtime = Runtime(plugins=[Plugin("base", services=[noting("high", log, low)]), Plugin("user", services=[low], dependencies=["base"])])
    with pytest.raises(DependencyCycle, match="high"):
        await runtime.start()
    assert (log, leftover()) == ([], [])


def test_the_graph_is_drawn_without_constructing_anything() -> None:
    """What each service needs, its wave and its place come as plain data, though a constructor would raise."""

    class Breaks(Service):
        service_type = "kind"

        def __init__(self) -> None:
            raise AssertionError("constructed")

    class Needs(Service):
        def __init__(self, breaks: Breaks) -> None:
            pass

    Needs.__init__.__annotations__["breaks"] = Breaks
    needs, breaks = Runtime(plugins=[Plugin("p", services=[Needs])], services=[Breaks]).graph()
    assert (needs.name, needs.plugin, needs.service_type, needs.needs, needs.wave) == ("needs", "p", None, ("breaks",), 2)
    assert (breaks.name, breaks.plugin, breaks.service_type, breaks.needs, breaks.wave) == ("breaks", None, "kind", (), 1)
    assert breaks.location.startswith(f"{__file__}:")
