"""Reads what a service needs off its constructor's annotations."""

from __future__ import annotations

import collections.abc
import contextlib
import inspect
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from roost.errors import UnresolvableAnnotation
from roost.runtime._location import location_of
from roost.runtime._plugin import Plugin
from roost.runtime._reason import reason_of
from roost.runtime._settings import is_settings

if TYPE_CHECKING:
    from collections.abc import Callable

Kind: TypeAlias = Literal["service", "services", "runtime", "plugin", "settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One parameter of a constructor.

    Attributes:
        parameter: Its name.
        kind: What it takes.
        wanted: The class that is asked for.
        optional: Whether None, or the parameter's default, will do.
        has_default: Whether it may be left out.
    """

    parameter: str
    kind: Kind
    wanted: type
    optional: bool
    has_default: bool


def read_needs(cls: type, *, runtime_class: type) -> tuple[Need, ...]:
    """Read a constructor's parameters.

    Args:
        cls: The service's class.
        runtime_class: `Runtime`, which this floor's graph can't import.

    Returns:
        What each parameter takes; those that only have a default are left out.

    Raises:
        UnresolvableAnnotation: An annotation can't be resolved or asks for nothing that a runtime provides.
    """
    constructor = cls.__init__  # type: ignore[misc]  # the class's own, looked up on the class on purpose
    if constructor is object.__init__ or not inspect.isfunction(constructor):
        return ()
    parameters = list(inspect.signature(constructor).parameters.values())[1:]
    hints = _hints(cls, constructor, runtime_class)
    needs: list[Need] = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        need = _need(parameter, hints.get(parameter.name), runtime_class=runtime_class)
        if need is not None:
            needs.append(need)
        elif parameter.default is parameter.empty:
            annotation = "nothing" if parameter.annotation is parameter.empty else inspect.formatannotation(parameter.annotation)
            raise UnresolvableAnnotation(
                service=cls.__qualname__,
                parameter=parameter.name,
                annotation=annotation,
                reason="it is no service, plugin, runtime or settings dataclass",
                location=location_of(cls),
            )
    return tuple(needs)


def _hints(cls: type, constructor: Callable[..., Any], runtime_class: type) -> dict[str, Any]:
    try:
        with contextlib.suppress(NameError):
            return typing.get_type_hints(constructor)
        # Runtime and Plugin are so often imported for annotations only that they are known by name.
        return typing.get_type_hints(constructor, localns={"Runtime": runtime_class, "Plugin": Plugin})
    except NameError as error:
        missing = str(error.name)
        asking = [name for name, annotation in constructor.__annotations__.items() if missing in str(annotation)]
        raise UnresolvableAnnotation(
            service=cls.__qualname__,
            parameter=", ".join(asking) or "…",
            annotation=missing,
            reason="its name is not there at run time (imported under TYPE_CHECKING only?)",
            location=location_of(cls),
        ) from error
    except Exception as error:
        raise UnresolvableAnnotation(
            service=cls.__qualname__,
            parameter=", ".join(constructor.__annotations__),
            annotation=", ".join(str(one) for one in constructor.__annotations__.values()),
            reason=f"it can't be read: {reason_of(error)}",
            location=location_of(cls),
        ) from error


def _need(parameter: inspect.Parameter, hint: Any, *, runtime_class: type) -> Need | None:  # noqa: ANN401 -- any annotation
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [one for one in typing.get_args(hint) if one is not type(None)]
        optional = len(rest) < len(typing.get_args(hint))
        hint = rest[0] if len(rest) == 1 else None
    kind: Kind
    if typing.get_origin(hint) is collections.abc.Sequence and typing.get_args(hint):
        (wanted,) = typing.get_args(hint)
        kind = "services"
    elif hint in runtime_class.__mro__[:-1]:
        wanted, kind = hint, "runtime"
    elif hint is Plugin:
        wanted, kind = hint, "plugin"
    elif is_settings(hint):
        wanted, kind = hint, "settings"
    elif isinstance(hint, type) and hint.__module__ != "builtins":
        wanted, kind = hint, "service"
    else:
        return None
    has_default = parameter.default is not parameter.empty
    if not isinstance(wanted, type):
        return None
    return Need(parameter=parameter.name, kind=kind, wanted=wanted, optional=optional or has_default, has_default=has_default)
