"""Says beside a result what else is to be known: edited steps that are not run again, schemas that drifted, losses that are refused."""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.cli._output import Output
    from roost.migrations import BlockedChange, ChangedStep


def tell_changes(output: Output, changed: Iterable[ChangedStep]) -> None:
    """Print a line for each, beside the result."""
    for one in changed:
        output.note(line_of(one))


def line_of(changed: ChangedStep) -> str:
    """Return what is to be said of one step."""
    if changed.is_function:
        return f"notice: the function of step {changed.step!r} of plugin {changed.plugin} was edited after it ran; it is not run again"
    return (
        f"warning: step {changed.step!r} of plugin {changed.plugin} was edited after it ran, and is not run again; "
        "put its text back, and what it lacks into a new step"
    )


def tell_drift(output: Output, drift: Iterable[str]) -> None:
    """Print a line for each object of a declared schema that is no longer as it was brought about."""
    for one in drift:
        output.note(f"warning: {one}; the declared schema was brought about otherwise")


def tell_blocked(output: Output, blocked: Iterable[BlockedChange]) -> None:
    """Print a line for each change of a declared schema that a run would refuse."""
    for one in blocked:
        options = " ".join(f"--allow-data-loss {quote(loss)}" for loss in one.losses)
        output.note(f"blocked: {one.sql} would lose data of plugin {one.plugin}; to lose it: roost up {options}")
