"""Shows what the ledger is to say by a person's word, and asks whether it shall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.cli._asking import ask, is_yes
from roost.errors import ClaimUnconfirmed

if TYPE_CHECKING:
    from roost.cli._output import Output
    from roost.migrations import ClaimedSteps, UnmarkedStep

_SHOWN_OBJECTS = 10


def claim_text(claim: ClaimedSteps, *, is_written: bool) -> str:
    """Say which steps count as applied, and how far that was looked for.

    Args:
        claim: What is claimed.
        is_written: Whether the ledger says so by now.
    """
    verb = ("count" if len(claim.steps) > 1 else "counts") if is_written else "would count"
    lines = [f"{_listed(claim.steps)} {verb} as applied; plugin {claim.plugin} {_stands(claim.version, is_written=is_written)}"]
    if claim.found:
        lines.append(f"found in the database: {_shown(claim.found)}")
    return "\n".join([*lines, *_left_out(claim.not_checked)])


def unmark_text(unmarked: UnmarkedStep, *, is_written: bool) -> str:
    """Say that a step counts as not applied, and what of it is still there."""
    verb = "counts" if is_written else "would count"
    where = _stands(unmarked.version, is_written=is_written)
    lines = [f"{_listed(unmarked.steps)} {verb} as not applied; plugin {unmarked.plugin} {where}"]
    if unmarked.still_there:
        lines.append(f"still in the database, where the next run may stumble over it: {_shown(unmarked.still_there)}")
    return "\n".join([*lines, *_left_out(unmarked.not_checked)])


def confirm(output: Output, *, command: str, planned: ClaimedSteps | UnmarkedStep, text: str, yes: bool) -> None:
    """Show what would be written and ask for it, unless `yes`.

    Raises:
        ClaimUnconfirmed: The answer was no yes, or nobody can be asked.
    """
    if yes:
        return
    output.note(text)
    answer = ask("Write that down? [y/N] ")
    if not is_yes(answer):
        raise ClaimUnconfirmed(command=command, plugin=planned.plugin, steps=planned.steps, asked=answer is not None)


def _stands(version: str | None, *, is_written: bool) -> str:
    is_at = "is" if is_written else "would be"
    return f"{is_at} at version {version}" if version is not None else f"{is_at} at no version yet"


def _listed(steps: Sequence[str]) -> str:
    word = "step" if len(steps) == 1 else "steps"
    return f"{word} {', '.join(steps)}" if steps else "no step"


def _shown(objects: Sequence[str]) -> str:
    more = len(objects) - _SHOWN_OBJECTS
    return ", ".join(objects[:_SHOWN_OBJECTS]) + (f" and {more} more" if more > 0 else "")


def _left_out(not_checked: Sequence[str]) -> list[str]:
    return ["not checked:", *(f"  {one}" for one in not_checked)] if not_checked else []
