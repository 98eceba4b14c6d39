"""Says of steps that were edited after they ran that they are not run again, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.cli._output import Output
    from roost.migrations import ChangedStep


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
