"""Finds what ``module:attribute`` names, seen from the current directory."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from roost.errors import BadTarget

if TYPE_CHECKING:
    from roost.runtime import Runtime

_REVISION = re.compile(r"heads?|base|zero|latest|[-+]?[0-9][0-9.]*")
"""What other tools call a place to migrate to."""
_ALL_THE_WAY = (
    "leave the word out: up runs all that is pending, or with --to VERSION or --steps N a part; the way back is roost down --to VERSION"
)


def load_target(target: str) -> object:
    """Import what a target names.

    Args:
        target: ``module:attribute``; the attribute may be dotted.

    Raises:
        BadTarget: The words are malformed, or the module or the attribute is not there.
        Exception: What the module raises while it is imported.
    """
    module_name, colon, attribute = target.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module_name.split("."), *attribute.split("."))):
        remedy = _ALL_THE_WAY if _REVISION.fullmatch(target) else "for example: roost up myapp.main:runtime"
        raise BadTarget(target=target, reason="it is not of the form module:attribute", remedy=remedy)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise BadTarget(
                target=target,
                reason=f"the module {module_name} imports {error.name}, which is not there",
                remedy=f"install what provides {error.name}, or see with --traceback where it is imported",
            ) from error
        raise BadTarget(target=target, reason=f"there is no module {error.name}") from error
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise BadTarget(target=target, reason=f"{module_name} has no {name!r}") from error
    return found


def load_runtime(target: str) -> Runtime:
    """Import a runtime, or call what makes one.

    Args:
        target: ``module:attribute`` of a `Runtime`, or of a callable that returns one and takes no argument.

    Raises:
        BadTarget: It names something else, or nothing.
        Exception: What the module, or the callable, raises.
    """
    from roost.runtime import Runtime  # noqa: PLC0415 -- `roost --help` needs no runtime

    found = load_target(target)
    if not isinstance(found, Runtime) and callable(found):
        found = found()
    if not isinstance(found, Runtime):
        raise BadTarget(
            target=target,
            reason=f"it is no Runtime but {type(found).__name__}",
            remedy="name a Runtime, or a function without arguments that returns one",
        )
    return found
