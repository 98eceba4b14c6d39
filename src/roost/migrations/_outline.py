"""Plans on what the ledger says of a plugin in sum, and asks for rows only where that does not explain it. Pure: no I/O, no clock.

The rows of steps that are applied as they are declared would say nothing that the code does not know, and there may be thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from roost.migrations._fingerprint import mark_of
from roost.migrations._plan import PluginState
from roost.migrations._planner import plan_chain, plan_computed
from roost.migrations._versions import compare_versions

if TYPE_CHECKING:
    from roost.migrations._config import Policy
    from roost.migrations._plan import Plan
    from roost.migrations._repeatable import RepeatedStep
    from roost.migrations._step import MigrationStep


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedOutline:
    """What the ledger says of a plugin's applied steps in sum.

    Attributes:
        version: The plugin's version; None when none is complete.
        head: The hash of the plugin's head.
        count: How many steps have a row.
        are_done: Whether every one of them is known to be applied.
        mark: One hash over their ids and fingerprints in applied order (`mark_of`).
        chain: The chain's hash after the last of them; empty without any.
        versions: Those they were applied for, each once.
        repeated: The plugin's repeatable steps that have run.
    """

    version: str | None
    head: str | None
    count: int
    are_done: bool
    mark: str
    chain: str
    versions: tuple[str, ...]
    repeated: tuple[RepeatedStep, ...] = ()

    @property
    def state(self) -> PluginState:
        """Where the plugin stands, with its applied steps unread."""
        return PluginState(
            version=self.version, applied=(), head=self.head, repeated=self.repeated, unread=self.count, last_chain=self.chain
        )

    def above(self, version: str | None) -> tuple[str, ...]:
        """Return the versions above another."""
        return tuple(one for one in self.versions if compare_versions(one, version) > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsWanted:
    """The outline explains too little: these rows are to be read.

    Attributes:
        then: Makes the plan, with them.
        steps: The ids of the steps; None for all rows.
        versions: All steps of these versions as well.
    """

    then: Callable[[PluginState], Plan]
    steps: tuple[str, ...] | None = None
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ByOutline:
    """How a service plans on an outline.

    Attributes:
        plan: Makes the plan, or says which rows it takes.
        apart: The id of a step that stands in no order with the others and is left out; empty where there is none.
    """

    plan: Callable[[AppliedOutline], OutlinePlan]
    apart: str = ""


OutlinePlan: TypeAlias = "Plan | RowsWanted"


def plan_chain_by_outline(
    declared: Sequence[MigrationStep], outline: AppliedOutline, *, plugin: str, policy: Policy, target: str | None = None
) -> OutlinePlan:
    """Plan for a plugin whose whole chain is known; no row is needed where the applied steps are the first of it, as they are declared.

    Args:
        declared: All steps, in order and with versions.
        outline: What the ledger says.
        plugin: The plugin.
        policy: As of `plan_chain`.
        target: As of `plan_chain`.

    Returns:
        The plan; else that all rows are wanted: something was edited, is missing, newer, out of order or in doubt.
    """
    if outline.are_done and outline.count <= len(declared) and mark_of(declared[: outline.count]) == outline.mark:
        return plan_chain(declared, outline.state, plugin=plugin, policy=policy, target=target)
    return RowsWanted(then=lambda state: plan_chain(declared, state, plugin=plugin, policy=policy, target=target))


def plan_computed_by_outline(
    steps: Sequence[MigrationStep], outline: AppliedOutline, *, plugin: str, policy: Policy, target: str
) -> OutlinePlan:
    """Plan for a plugin that computes its steps; of the applied ones those are of interest that it returned again, and newer ones.

    Args:
        steps: What the plugin returned, in order and with versions.
        outline: What the ledger says, below `target`.
        plugin: The plugin.
        policy: As of `plan_computed`.
        target: As of `plan_computed`.

    Returns:
        The plan where nothing is applied, else which rows it takes.
    """

    def plan(state: PluginState) -> Plan:
        return plan_computed(steps, state, plugin=plugin, policy=policy, target=target)

    if not outline.count:
        return plan(outline.state)
    # What stands in front of an applied step is told by that one's name.
    needs_all = not outline.are_done or any(compare_versions(step.version, outline.version) < 0 for step in steps)
    if needs_all:
        return RowsWanted(then=plan)
    return RowsWanted(then=plan, steps=tuple(step.id for step in steps), versions=outline.above(outline.version))
