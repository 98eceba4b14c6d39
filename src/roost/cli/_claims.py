"""Shows what the ledger is to say by a person's word, and asks whether it shall."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from roost.cli._asking import ask, is_yes
from roost.cli._documents import claim_document
from roost.cli._progress import shown_progress
from roost.errors import ClaimUnconfirmed

if TYPE_CHECKING:
    from roost.cli._output import Output
    from roost.migrations import ClaimedSteps, UnmarkedStep
    from roost.runtime import Runtime

_SHOWN_OBJECTS = 10
Claim = TypeVar("Claim", "ClaimedSteps", "UnmarkedStep")


async def write_down(
    output: Output,
    runtime: Runtime,
    *,
    command: str,
    write: Callable[..., Awaitable[Claim]],
    text: Callable[..., str],
    dry_run: bool,
    yes: bool,
) -> None:
    """Show what would be written, ask, write it, and say so.

    Args:
        output: Where to.
        runtime: Whose progress is shown.
        command: The command's name.
        write: Writes it and returns what is written; given `dry_run`, only returns it.
        text: Puts that into words; given `is_written`.
        dry_run: Only show it.
        yes: Do not ask.

    Raises:
        ClaimUnconfirmed: The answer was no yes, or nobody can be asked.
        RoostError: As `write` raises it.
    """
    claim = await write(dry_run=True)
    if not dry_run:
        _confirm(output, command=command, planned=claim, text=text(claim, is_written=False), yes=yes)
        with shown_progress(runtime, output):
            claim = await write(dry_run=False)
    output.result(claim_document(claim, dry_run=dry_run), text(claim, is_written=not dry_run))


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


def _confirm(output: Output, *, command: str, planned: ClaimedSteps | UnmarkedStep, text: str, yes: bool) -> None:
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
