"""Every lookup gives what was asked for: no cast, no ignore, no Any but for a name."""

from __future__ import annotations

from typing import Any, TypeVar, assert_type

from roost import Database, Runtime, Service
from tests.typing.letters import Archive, Carrier, Counts, Letter, LetterBox, Mailer, Reads

S = TypeVar("S", bound=Service)
T = TypeVar("T")


async def by_class(runtime: Runtime) -> None:
    assert_type(runtime.get_service(Mailer), Mailer)
    assert_type(runtime.find_service(Mailer), Mailer | None)
    assert_type(runtime.get_services_by_type(Mailer), list[Mailer])
    assert_type(await runtime.ready(Mailer), Mailer)
    assert_type(await runtime.ready(Mailer, 1.0), Mailer)
    assert_type(await runtime.ready(Mailer, timeout=None), Mailer)
    assert_type(await runtime.get_service(Mailer).send(Letter("hello")), int)
    assert_type(runtime.get_service(Database), Database)


async def by_abstract_base(runtime: Runtime) -> None:
    assert_type(runtime.get_service(Carrier), Carrier)
    assert_type(runtime.find_service(Carrier), Carrier | None)
    assert_type(runtime.get_services_by_type(Carrier), list[Carrier])
    assert_type(await runtime.ready(Carrier), Carrier)
    assert_type(await runtime.ready(Carrier, timeout=1.0), Carrier)
    assert_type([await carrier.carry(Letter("hello")) for carrier in runtime.get_services_by_type(Carrier)], list[float])


async def by_abstract_base_that_is_no_service(runtime: Runtime) -> None:
    assert_type(runtime.get_service(Archive), Archive)
    assert_type(runtime.find_service(Archive), Archive | None)
    assert_type(runtime.get_services_by_type(Archive), list[Archive])
    assert_type(await runtime.ready(Archive), Archive)
    assert_type(runtime.get_service(Archive).size, int)


async def by_protocol(runtime: Runtime) -> None:
    assert_type(runtime.get_service(Reads), Reads)
    assert_type(runtime.find_service(Reads), Reads | None)
    assert_type(runtime.get_services_by_type(Reads), list[Reads])
    assert_type(await runtime.ready(Reads), Reads)
    assert_type(await runtime.ready(Reads, timeout=1.0), Reads)
    assert_type(await runtime.get_service(Reads).read(), Letter)


async def by_protocol_with_a_property(runtime: Runtime) -> None:
    assert_type(runtime.get_service(Counts), Counts)
    assert_type(runtime.find_service(Counts), Counts | None)
    assert_type(runtime.get_services_by_type(Counts), list[Counts])
    assert_type(await runtime.ready(Counts), Counts)
    assert_type([one.count for one in runtime.get_services_by_type(Counts)], list[int])


async def by_class_of_a_generic_base(runtime: Runtime) -> None:
    assert_type(runtime.get_service(LetterBox), LetterBox)
    assert_type(runtime.find_service(LetterBox), LetterBox | None)
    assert_type(await runtime.ready(LetterBox), LetterBox)
    assert_type(runtime.get_service(LetterBox).items, list[Letter])


async def by_class_in_a_variable(runtime: Runtime, cls: type[Mailer], any_service: type[Service]) -> None:
    assert_type(runtime.get_service(cls), Mailer)
    assert_type(runtime.find_service(cls), Mailer | None)
    assert_type(runtime.get_services_by_type(cls), list[Mailer])
    assert_type(await runtime.ready(cls), Mailer)
    assert_type(runtime.get_service(any_service), Service)
    anything: type[Any] = cls
    assert_type(runtime.get_service(anything), Any)


def through_a_function_bound_to_services(runtime: Runtime, cls: type[S]) -> S:
    return runtime.get_service(cls)


def through_a_function_of_any_class(runtime: Runtime, cls: type[T]) -> list[T]:
    return runtime.get_services_by_type(cls)


def through_functions(runtime: Runtime) -> None:
    assert_type(through_a_function_bound_to_services(runtime, Mailer), Mailer)
    assert_type(through_a_function_of_any_class(runtime, Mailer), list[Mailer])


async def by_name(runtime: Runtime, name: str) -> None:
    """A service that is looked up by its name may be of any class."""
    assert_type(runtime.get_service("mailer"), Any)
    assert_type(runtime.get_service(name), Any)
    assert_type(runtime.find_service("mailer"), Any)
    assert_type(runtime.get_services_by_type("migration"), list[Any])
    assert_type(await runtime.ready("mailer"), Any)
    assert_type(await runtime.ready(name, timeout=1.0), Any)
    mailer: Mailer = runtime.get_service("mailer")
    assert_type(mailer, Mailer)


def of_all(runtime: Runtime) -> None:
    assert_type(runtime.get_all_services(), list[Any])
    assert_type(runtime.get_registered_service_types(), list[str])
    assert_type(runtime.has_service(Mailer), bool)
    assert_type(runtime.has_service(Reads), bool)
    assert_type(runtime.has_service("mailer"), bool)


def narrowed(runtime: Runtime) -> None:
    """What was found is no longer None after a look."""
    mailer = runtime.find_service(Mailer)
    if mailer is not None:
        assert_type(mailer, Mailer)
    if reader := runtime.find_service(Reads):
        assert_type(reader, Reads)
