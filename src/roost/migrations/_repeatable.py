"""Decides which repeatable steps run, and in which order. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from roost.errors import DuplicateStep, InvalidStep, RepeatableCycle, UnknownRepeatable
from roost.migrations._fingerprint import sql_fingerprint
from roost.migrations._repeatable_step import RepeatableStep
from roost.runtime import closest

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedStep:
    """A row of the ledger: the text of a repeatable step that ran last, by its fingerprint, and the number of the run that ran it."""

    step: str
    fingerprint: str
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRepeatable:
    """A repeatable step to be run.

    Attributes:
        step: The step.
        version: The plugin's version when it runs.
        fingerprint: Of its text.
        planned_over: The fingerprint that the ledger must hold of it when it begins, or the plan no longer fits; None for no row.
        followers: All steps that come after it, directly or not. Their rows go when it runs, so that they run too, whatever happens in
            between.
        epilogue: What is sent behind the step in its transaction, once its settings are taken back; statements with their semicolons.
        transactional: Whether it runs in a transaction. Outside of one it is one statement, of which the catalogue tells what became of it.
    """

    step: RepeatableStep
    version: str
    fingerprint: str
    planned_over: str | None
    followers: tuple[str, ...] = ()
    epilogue: str = ""
    transactional: bool = True


def in_turn(steps: Iterable[RepeatableStep], *, plugin: str, taken: Collection[str] = ()) -> list[RepeatableStep]:
    """Put repeatable steps into their order: each after those that it names, otherwise as listed.

    Args:
        steps: The steps as declared.
        plugin: Named by errors.
        taken: The ids of the plugin's other steps.

    Returns:
        A new list.

    Raises:
        InvalidStep: Something else is among them.
        DuplicateStep: Two steps of the plugin have one id.
        UnknownRepeatable: A step comes after one that is not there.
        RepeatableCycle: Steps come after each other.
    """
    listed = list(steps)
    # Most plugins have none, and a start with nothing to do passes here.
    if not listed:
        return listed
    others = frozenset(taken)
    declared: dict[str, RepeatableStep] = {}
    for step in listed:
        if not isinstance(step, RepeatableStep):
            raise InvalidStep(step=repr(step), reason=f"plugin {plugin} lists it as repeatable, and it is no RepeatableStep")
        if step.id in declared or step.id in others:
            raise DuplicateStep(plugin=plugin, step=step.id)
        declared[step.id] = step
    for step in declared.values():
        for name in step.after:
            if name not in declared:
                raise UnknownRepeatable(
                    plugin=plugin, step=step.id, after=name, is_versioned=name in others, suggestions=closest(name, list(declared))
                )
    sorter = TopologicalSorter({step.id: step.after for step in declared.values()})
    try:
        sorter.prepare()
    except CycleError as error:
        # It names each as one that the next one comes after.
        raise RepeatableCycle(plugin=plugin, steps=tuple(reversed(error.args[1]))) from error
    positions = {name: index for index, name in enumerate(declared)}
    ready: list[str] = []
    ordered: list[RepeatableStep] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=positions.__getitem__)
        ordered.append(declared[ready[0]])
        sorter.done(ready.pop(0))
    return ordered


def plan_repeatable(ordered: Sequence[RepeatableStep], ran: Mapping[str, str], *, version: str) -> tuple[PlannedRepeatable, ...]:
    """Plan the steps whose text is not the one that ran last, and all that come after one of those.

    Args:
        ordered: All repeatable steps of a plugin, in order (`in_turn`).
        ran: The fingerprint of the text that ran last, by step.
        version: The plugin's version when they run.
    """
    due: set[str] = set()
    planned: list[PlannedRepeatable] = []
    for step in ordered:
        fingerprint = sql_fingerprint(step.up)
        follows = not due.isdisjoint(step.after)
        if not follows and ran.get(step.id) == fingerprint:
            continue
        due.add(step.id)
        planned.append(
            PlannedRepeatable(
                step=step,
                version=version,
                fingerprint=fingerprint,
                planned_over=None if follows else ran.get(step.id),
                followers=_followers(step, ordered),
            )
        )
    return tuple(planned)


def _followers(step: RepeatableStep, ordered: Sequence[RepeatableStep]) -> tuple[str, ...]:
    found: dict[str, None] = {step.id: None}
    for other in ordered:
        if not found.keys().isdisjoint(other.after):
            found[other.id] = None
    return tuple(found)[1:]
