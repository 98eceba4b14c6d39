from __future__ import annotations

import pytest

from roost import Plugin, Runtime, Service
from roost.errors import DuplicatePlugin, InvalidPlugin, PluginCycle, PluginMissing, PluginVersionMismatch, RuntimeBusy
from roost.runtime import parse_dependency


@pytest.mark.parametrize("name", ["memory", "@org/plugin-x", "a b", "größe"])
def test_names(name: str) -> None:
    """A plugin's name is any printable text."""
    assert Plugin(name).name == name


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "a\nb", None, 3])
def test_names_that_are_none(name: object) -> None:
    """An empty or unprintable name, or none at all, is refused."""
    with pytest.raises(InvalidPlugin, match="non-empty, printable"):
        Plugin(name)  # type: ignore[arg-type]  # what a plain Python user may write


@pytest.mark.parametrize("version", ["x", "1.0+local", "1.0.post1"])
def test_versions_that_are_refused(version: str) -> None:
    """A version is one by PEP 440, and neither local nor post."""
    with pytest.raises(InvalidPlugin, match="version"):
        Plugin("p", version=version)


@pytest.mark.parametrize(
    ("text", "name", "accepts"),
    [("memory", "memory", ""), ("memory>=1.2", "memory", ">=1.2"), ("@org/x >=1,<2", "@org/x", "<2,>=1"), (" a-b.c ", "a-b.c", "")],
)
def test_dependencies(text: str, name: str, accepts: str) -> None:
    """A dependency is a name, with a range of versions or without."""
    found, versions = parse_dependency(text)
    assert (found, str(versions)) == (name, accepts)


@pytest.mark.parametrize("text", ["", ">=1", "a b", "a>=x"])
def test_dependencies_that_are_none(text: str) -> None:
    """Anything else is refused when the plugin is made."""
    with pytest.raises(InvalidPlugin):
        Plugin("p", dependencies=[text])


def test_two_of_one_name() -> None:
    """The second is refused."""
    with pytest.raises(DuplicatePlugin) as caught:
        Runtime(plugins=[Plugin("p"), Plugin("p")])
    assert caught.value.name == "p"


def test_a_dependency_that_is_missing() -> None:
    """The error names who needs what, and what there is."""
    with pytest.raises(PluginMissing) as caught:
        Runtime(plugins=[Plugin("p", dependencies=["q>=1"])])
    assert (caught.value.plugin, caught.value.needed, caught.value.known) == ("p", "q>=1", ("p",))


@pytest.mark.parametrize(("version", "fits"), [("2.0", True), ("2.1rc1", True), ("1.0", False), (None, False)])
def test_a_dependency_of_another_version(version: str | None, fits: bool) -> None:  # noqa: FBT001 -- a parameter of pytest
    """A range is held against the plugin's version; prereleases of the range count; a plugin without version fits none."""
    plugins = [Plugin("a", version=version), Plugin("b", dependencies=["a>=2"])]
    if fits:
        assert Runtime(plugins=plugins).plugins == tuple(plugins)
        return
    with pytest.raises(PluginVersionMismatch) as caught:
        Runtime(plugins=plugins)
    assert (caught.value.plugin, caught.value.needed, caught.value.found) == ("b", "a>=2", version)


def test_a_circle_of_plugins() -> None:
    """The error draws the path."""
    with pytest.raises(PluginCycle) as caught:
        Runtime(plugins=[Plugin("a", dependencies=["b"]), Plugin("b", dependencies=["c"]), Plugin("c", dependencies=["b"])])
    assert caught.value.path == ("b", "c", "b")


def test_many_layers_of_plugins_are_checked_quickly() -> None:
    """Thirty layers in which each plugin needs both of the next have 2**30 paths, and are checked by their edges."""
    layers = [
        Plugin(f"{side}{depth}", dependencies=[f"{other}{depth + 1}" for other in "ab"] if depth < 29 else [])
        for depth in range(30)
        for side in "ab"
    ]
    assert len(Runtime(plugins=layers).plugins) == 60


@pytest.mark.asyncio
async def test_hooks_get_the_runtime_and_surround_the_services() -> None:
    """Init is called before the plugin's services start, dispose after they stopped, plain or async."""
    log: list[object] = []

    class Inner(Service):
        async def start(self) -> None:
            log.append("start")

        async def stop(self) -> None:
            log.append("stop")

    async def init(runtime: Runtime) -> None:
        log.append(runtime)

    runtime = Runtime(plugins=[Plugin("p", services=[Inner], init=init, dispose=lambda _runtime: log.append("dispose"))])
    async with runtime:
        pass
    assert log == [runtime, "start", "stop", "dispose"]


@pytest.mark.asyncio
async def test_a_hook_that_raises_fails_the_start_as_it_is() -> None:
    """A plugin's own error is raised unwrapped, and its services never start."""
    log: list[str] = []

    class Inner(Service):
        async def start(self) -> None:
            log.append("start")

    async def init(_runtime: Runtime) -> None:
        raise LookupError("no licence")

    with pytest.raises(LookupError, match="no licence"):
        await Runtime(plugins=[Plugin("p", services=[Inner], init=init)]).start()
    assert log == []


@pytest.mark.asyncio
async def test_the_database_may_be_named_until_the_start() -> None:
    """A host may name the database late; on a started runtime it is refused."""
    runtime = Runtime()
    runtime.database = "postgresql://db.example/app"
    async with runtime:
        with pytest.raises(RuntimeBusy):
            runtime.database = "postgresql://other.example/app"
    assert runtime.database == "postgresql://db.example/app"
