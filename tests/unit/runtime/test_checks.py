"""What can't be a service, or would in part never run, is refused before anything is constructed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from roost import Plugin, Runtime, Service
from roost.errors import DependencyCycle, InvalidPlugin, InvalidService, PluginMissing, ServiceNotFound, StartNotAsync
from roost.runtime import Restart


class Mailer(Service):
    pass


def made(**members: Any) -> type[Service]:
    """Return a service class that would say so if it were constructed."""

    def construct(_self: Service) -> None:
        raise AssertionError("constructed")

    return type("Made", (Service,), {"__init__": construct, "__module__": __name__, **members})


@pytest.mark.parametrize("method", ["start", "stop", "run", "drain", "health"])
def test_a_plain_method_is_refused(method: str) -> None:
    """A method that is awaited is written as async def; the error says which, where, and how."""
    with pytest.raises(StartNotAsync, match=rf"{method} of service made .* is not async") as caught:
        Runtime(services=[made(**{method: lambda self: None})]).graph()
    assert f"async def {method}(self)" in caught.value.hint


async def generator(_self: Service) -> AsyncIterator[None]:
    yield


async def coroutine(_self: Service) -> None:
    pass


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"lifespan": generator}, "its lifespan is no context manager"),
        ({"lifespan": coroutine}, "its lifespan is no context manager"),
        ({"lifespan": asynccontextmanager(generator), "run": coroutine, "stop": coroutine}, "it has a lifespan and stop and run"),
        ({"on_crash": Restart}, "its on_crash is <class"),
        ({"on_crash": "restart"}, "its on_crash is 'restart'"),
    ],
)
def test_a_body_that_would_not_run_is_refused(members: dict[str, Any], reason: str) -> None:
    """A lifespan without its decorator or beside another body, and a policy that there is not."""
    with pytest.raises(InvalidService, match=reason) as caught:
        Runtime(services=[made(**members)]).graph()
    assert caught.value.hint


@pytest.mark.parametrize("thing", ["Mailer", 3, None, int])
def test_what_is_no_service(thing: Any) -> None:
    """A name, a number, nothing, a class of Python's own."""
    with pytest.raises(InvalidService, match="is no service"):
        Runtime(services=[thing]).graph()


def test_arguments_of_the_wrong_kind() -> None:
    """A class where a sequence belongs, and a class where a plugin belongs."""
    anything: Any = Mailer
    with pytest.raises(TypeError, match=r"services is a sequence.*write services=\[…\]"):
        Runtime(services=anything)
    with pytest.raises(TypeError, match="plugins is a sequence"):
        Runtime(plugins=anything)
    with pytest.raises(InvalidPlugin, match="it is no Plugin but type"):
        Runtime(plugins=[anything])


def test_a_service_that_asks_for_itself() -> None:
    """Is a circle of one."""

    class Own(Service):
        def __init__(self, own: Own) -> None:
            pass

    Own.__init__.__annotations__["own"] = Own
    with pytest.raises(DependencyCycle) as caught:
        Runtime(services=[Own]).graph()
    assert [text.split()[0] for text in caught.value.path] == ["own", "own"]


def test_a_plugin_that_is_nearly_there() -> None:
    """A dependency that is misspelt gets the nearest name, and one that is malformed names the plugin that has it."""
    with pytest.raises(PluginMissing, match="did you mean memory"):
        Runtime(plugins=[Plugin("memory"), Plugin("a", dependencies=["memroy>=1"])])
    with pytest.raises(InvalidPlugin, match="Invalid plugin a: its dependency 'b >> 1'"):
        Plugin("a", dependencies=["b >> 1"])


def test_a_replacement_for_what_nobody_brings() -> None:
    """Would leave the real one in a test, so it is refused; so is what is no class."""
    runtime = Runtime(services=[Mailer])
    by_name: Any = {"mailer": Mailer}
    with pytest.raises(ServiceNotFound):
        runtime.override({Restart: Mailer})
    with pytest.raises(TypeError, match="named by its class"):
        runtime.override(by_name)
