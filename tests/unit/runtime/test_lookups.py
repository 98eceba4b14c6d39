from __future__ import annotations

import abc
from typing import Annotated, Any, Generic, Protocol, Self, TypeVar

import pytest

from roost import Plugin, Runtime, Service
from roost.errors import AmbiguousProvider, ServiceNotFound
from tests.plugins.services import noting

T = TypeVar("T")


class Sends(Protocol):
    async def send(self, text: str) -> None: ...


class Store(abc.ABC):
    @abc.abstractmethod
    def load(self) -> str: ...


class Mailer(Service):
    service_type = "channel"

    async def send(self, text: str) -> None:
        pass


class FastMailer(Mailer):
    service_type = "channel"


class Disk(Service, Store):
    def load(self) -> str:
        return "x"


class Clock(Service):
    """A service that the runtime provides when somebody asks."""

    made = 0

    @classmethod
    def on_demand(cls, _runtime: Runtime) -> Self:
        cls.made += 1
        return cls()


def test_by_class_name_base_and_protocol() -> None:
    """One service is found by its class, its name, an abstract base and a Protocol that it satisfies."""
    runtime = Runtime(services=[Mailer, Disk])
    mailer, disk = runtime.get_service(Mailer), runtime.get_service(Disk)
    assert runtime.get_service("mailer") is mailer
    assert runtime.get_service(Sends) is mailer
    assert runtime.get_service(Store) is disk
    assert runtime.find_service(Sends) is mailer
    assert (runtime.has_service(Store), runtime.has_service("disk"), runtime.has_service(Clock)) == (True, True, False)


def test_the_class_itself_goes_before_its_subclasses() -> None:
    """A class and a subclass of it are two services; each is found by its own class, and only a shared base is ambiguous."""
    runtime = Runtime(services=[FastMailer, Mailer])
    assert type(runtime.get_service(Mailer)) is Mailer
    assert type(runtime.get_service(FastMailer)) is FastMailer
    with pytest.raises(AmbiguousProvider) as caught:
        runtime.get_service(Service)
    assert caught.value.providers == ("fast-mailer", "mailer")


def test_by_type_in_registration_order() -> None:
    """All of a type come in registration order, in a list of the caller's own."""
    runtime = Runtime(plugins=[Plugin("p", services=[FastMailer])], services=[Mailer, Disk])
    found = runtime.get_services_by_type("channel")
    assert [service.service_name for service in found] == ["fast-mailer", "mailer"]
    found.clear()
    assert len(runtime.get_services_by_type("channel")) == 2
    assert [type(service) for service in runtime.get_services_by_type(Mailer)] == [FastMailer, Mailer]
    assert runtime.get_registered_service_types() == ["channel"]
    assert [service.service_name for service in runtime.get_all_services()] == ["fast-mailer", "mailer", "disk"]


@pytest.mark.parametrize(("wanted", "suggestions"), [("mailre", ("mailer",)), ("zzz", ())])
def test_a_near_miss_is_suggested(wanted: str, suggestions: tuple[str, ...]) -> None:
    """A lookup that finds nothing says what is near; find, has and types stay quiet."""
    runtime = Runtime(services=[Mailer])
    with pytest.raises(ServiceNotFound) as caught:
        runtime.get_service(wanted)
    assert caught.value.suggestions == suggestions
    assert runtime.find_service(wanted) is None
    assert not runtime.has_service(wanted)
    assert runtime.get_services_by_type(wanted) == []


def test_an_empty_runtime() -> None:
    """It has nothing, and says so."""
    runtime = Runtime()
    assert (runtime.plan(), runtime.get_all_services(), runtime.get_registered_service_types()) == ([], [], [])
    assert runtime.find_service(Mailer) is None
    with pytest.raises(ServiceNotFound):
        runtime.get_service(Mailer)


def test_plugin_of() -> None:
    """A service knows its plugin; the runtime's own have none, and neither has a stranger."""
    plugin = Plugin("p", services=[Mailer])
    runtime = Runtime(plugins=[plugin], services=[Disk])
    assert runtime.plugin_of(runtime.get_service(Mailer)) is plugin
    assert runtime.plugin_of(runtime.get_service(Disk)) is None
    assert runtime.plugin_of(object()) is None


def test_a_constructor_may_look_around() -> None:
    """The seed's style: a service that asks for the runtime finds what is made before it, and the rest later."""

    class Looks(Service):
        def __init__(self, runtime: Runtime, mailer: Mailer) -> None:
            self.seen = runtime.get_services_by_type("channel")
            self.same = runtime.get_service(Mailer) is mailer

    runtime = Runtime(services=[Looks, Mailer])
    looks = runtime.get_service(Looks)
    assert (looks.seen, looks.same) == ([runtime.get_service(Mailer)], True)


@pytest.mark.asyncio
async def test_what_is_provided_on_demand_is_stopped_last() -> None:
    """It is made at the first lookup, once, and after a start it is stopped after everything else."""
    log: list[str] = []

    class Late(Service):
        @classmethod
        def on_demand(cls, _runtime: Runtime) -> Self:
            return cls()

        async def stop(self) -> None:
            log.append("-late")

    async with Runtime(services=[noting("a", log)]) as runtime:
        assert runtime.get_service(Late) is runtime.get_service(Late)
        assert runtime.has_service(Late)
    assert log == ["+a", "-a", "-late"]


def test_what_is_needed_on_demand_is_made_once() -> None:
    """Two services that need it share it."""

    class One(Service):
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

    class Two(Service):
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

    Clock.made = 0
    runtime = Runtime(services=[One, Two])
    assert runtime.get_service(One).clock is runtime.get_service(Two).clock is runtime.get_service(Clock)
    assert Clock.made == 1


@pytest.mark.asyncio
async def test_services_stay_to_be_looked_at_until_the_next_start() -> None:
    """After a stop the services are those that ran; the next start makes them anew; ready instances stay."""
    ready = Mailer()
    runtime = Runtime(services=[Disk, ready])
    async with runtime:
        disk = runtime.get_service(Disk)
    assert runtime.get_service(Disk) is disk
    async with runtime:
        assert runtime.get_service(Disk) is not disk
        assert runtime.get_service(Mailer) is ready


def test_a_generic_class_is_looked_up_by_what_it_is_made_of() -> None:
    """``Shelf[int]`` finds the shelf; what is neither a class nor a name is refused, by every lookup."""

    class Shelf(Service, Generic[T]):
        pass

    runtime = Runtime(services=[Shelf])
    shelf = runtime.get_service(Shelf)
    assert runtime.get_service(Shelf[int]) is shelf
    assert runtime.get_services_by_type(Shelf[int]) == [shelf]
    assert runtime.has_service(Shelf[int])
    nonsense: list[Any] = [3, None, Mailer | Disk, Annotated[Mailer, "x"]]
    for wanted in nonsense:
        for look in (runtime.get_service, runtime.find_service, runtime.has_service, runtime.get_services_by_type):
            with pytest.raises(TypeError, match="by a class or a name"):
                look(wanted)
