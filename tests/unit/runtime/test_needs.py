from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from roost import Plugin, Runtime, Service
from roost.errors import InvalidSettings, MissingProvider, UnresolvableAnnotation

if TYPE_CHECKING:
    from decimal import Decimal  # stands for a class that is imported for annotations only


class Mailer(Service):
    pass


class Mailr(Service):
    pass


class Other(Service):
    pass


@dataclass(frozen=True)
class Limits:
    size: int = 3
    name: str = "x"


class Everything(Service):
    def __init__(
        self,
        runtime: Runtime,
        plugin: Plugin,
        limits: Limits,
        mailer: Mailer,
        every: Sequence[Service],
        nobody: Sequence[Other],
        perhaps: Other | None,
        other: Other | None = None,
        size: int = 7,
        *rest: object,
        **more: object,
    ) -> None:
        self.got = (runtime, plugin, limits, mailer, list(every), list(nobody), perhaps, other, size)


def test_annotations_are_dependencies() -> None:
    """A constructor gets the runtime, its plugin, its settings, a service, all of a type, and None for what may be missing."""
    plugin = Plugin("p", services=[Everything])
    runtime = Runtime(plugins=[plugin], services=[Mailer], settings={"p": {"size": 4}})
    service = runtime.get_service(Everything)
    mailer = runtime.get_service(Mailer)
    assert service.got == (runtime, plugin, Limits(4), mailer, [mailer], [], None, None, 7)


class Base(Service):
    def __init__(self, plugin: Plugin) -> None:
        self.got: object = plugin


class One(Base):
    pass


class Two(Base):
    pass


class Three(Base):
    def __init__(self, mailer: Mailer) -> None:
        self.got = mailer


def test_services_with_one_constructor_get_each_their_own() -> None:
    """A constructor that several classes inherit is given what each of them is to have; a class with one of its own, what that asks for."""
    plugins = [Plugin("one", services=[One]), Plugin("two", services=[Two, Three])]
    runtime = Runtime(plugins=plugins, services=[Mailer])
    assert runtime.get_service(One).got is plugins[0]
    assert runtime.get_service(Two).got is plugins[1]
    assert runtime.get_service(Three).got is runtime.get_service(Mailer)


def test_a_subclass_of_runtime_is_a_runtime() -> None:
    """A service that asks for Runtime gets the runtime it is in, also where that is of a subclass."""

    class Own(Runtime):
        pass

    class Asks(Service):
        def __init__(self, runtime: Runtime) -> None:
            self.runtime = runtime

    runtime = Own(services=[Asks])
    assert runtime.get_service(Asks).runtime is runtime


def test_missing_provider_says_who_asks_and_what_is_near() -> None:
    """A class that nobody brings is refused with the asker, its place, and the nearest name there is."""

    class Asks(Service):
        def __init__(self, mailer: Mailr) -> None:
            pass

    with pytest.raises(MissingProvider) as caught:
        Runtime(services=[Asks, Mailer]).plan()
    assert "asks" in str(caught.value)
    assert f"{__file__}:" in str(caught.value)
    assert caught.value.suggestions == ("Mailer",)


def test_a_name_that_is_there_for_type_checkers_only_is_refused() -> None:
    """An annotation whose name does not exist at run time is refused, naming service and reason."""

    class Asks(Service):
        def __init__(self, price: Decimal) -> None:
            pass

    with pytest.raises(UnresolvableAnnotation, match="Asks") as caught:
        Runtime(services=[Asks]).plan()
    assert "TYPE_CHECKING" in str(caught.value)
    assert (caught.value.parameter, caught.value.annotation) == ("price", "Decimal")


@pytest.mark.parametrize("annotation", [None, "int", "dict[str, int]", "Mailer | Other"])
def test_a_parameter_that_nobody_can_fill_is_refused(annotation: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parameter without default whose annotation is no service, plugin, runtime or settings is refused by name."""
    module = types.ModuleType("made_for_test")
    module.__dict__.update(Mailer=Mailer, Other=Other, Service=Service)
    monkeypatch.setitem(sys.modules, "made_for_test", module)
    parameter = "value" if annotation is None else f"value: {annotation}"
    exec(f"class Asks(Service):\n    def __init__(self, {parameter}) -> None: ...", module.__dict__)  # noqa: S102 -- the annotation varies
    with pytest.raises(UnresolvableAnnotation, match="value"):
        Runtime(services=[module.Asks]).plan()


@pytest.mark.parametrize(
    ("values", "reason"),
    [({"sise": 1}, "did you mean 'size'"), ({"zzz": 1}, "what there is: size, name"), ({"size": 1, "name": "y"}, None)],
)
def test_settings_are_checked(values: dict[str, object], reason: str | None) -> None:
    """An unknown key is refused with the nearest one or with all; known ones fill the dataclass."""

    class Asks(Service):
        def __init__(self, limits: Limits) -> None:
            self.limits = limits

    runtime = Runtime(services=[Asks], settings={"asks": values})
    if reason is None:
        assert runtime.get_service(Asks).limits == Limits(1, "y")
        return
    with pytest.raises(InvalidSettings, match=reason):
        runtime.plan()
        runtime.get_service(Asks)


def test_settings_that_are_missing_or_refused() -> None:
    """A required field that is missing, and a value that the dataclass refuses, are both errors that name the section."""

    @dataclass
    class Strict:
        port: int

        def __post_init__(self) -> None:
            if self.port < 0:
                raise ValueError("port is negative")

    class Asks(Service):
        def __init__(self, strict: Strict) -> None:
            pass

    Asks.__init__.__annotations__["strict"] = Strict  # a local class, resolvable by itself
    with pytest.raises(InvalidSettings, match=r"asks.*port is missing"):
        Runtime(services=[Asks]).get_service(Asks)
    with pytest.raises(InvalidSettings, match="port is negative"):
        Runtime(services=[Asks], settings={"asks": {"port": -1}}).get_service(Asks)
