"""Cuts a plan short where a run is not to go to its end. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roost.errors import InvalidConfiguration, UnknownVersion
from roost.migrations._versions import compare_versions, parse_version

if TYPE_CHECKING:
    from roost.migrations._plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimit:
    """How far a run goes with the steps of one plugin.

    Attributes:
        version: It takes no step above this version, but ends what was begun outside a transaction; None is the version that the code
            aims at.
        steps: It takes no more steps than so many; None is all.

    Raises:
        InvalidConfiguration: It leaves no step to be taken.
        InvalidPluginVersion: `version` is no version.
    """

    version: str | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        """Refuse what leads nowhere before anything is connected to."""
        if self.version is not None:
            parse_version(self.version)
        if self.steps is not None and not isinstance(self.steps, int):
            raise InvalidConfiguration(name="steps", value=self.steps, reason="it is a whole number")
        if self.steps is not None and self.steps < 1:
            raise InvalidConfiguration(name="steps", value=self.steps, reason="a run that is to go nowhere needs no run")

    def rest_of(self, plan: Plan, *, taken: int) -> Plan:
        """Return what of a plan may still be run.

        Args:
            plan: What is pending, of versions up to the limit's.
            taken: How many steps the run has taken already.
        """
        return plan if self.steps is None else first_steps(plan, self.steps - taken)


def up_to_version(plan: Plan, version: str) -> Plan:
    """Cut a plan at the version that it begins at, or at one that it reaches.

    Args:
        plan: The whole plan.
        version: The version.

    Returns:
        The plan of what lies up to that version, and of what was begun; what is repeatable is left where steps are.

    Raises:
        UnknownVersion: The plan does not reach it.
        InvalidPluginVersion: It is no version.
    """
    parse_version(version)
    reached = [planned.version for planned in plan.steps] + ([plan.target] if plan.target is not None else [])
    known = tuple(dict.fromkeys(reached))
    own = next((one for one in (plan.from_version, *known) if one is not None and compare_versions(version, one) == 0), None)
    if own is None:
        above = plan.target is not None and compare_versions(version, plan.target) > 0
        raise UnknownVersion(plugin=plan.plugin, version=version, target=plan.target, known=known, is_above=above)
    # The others are planned behind what was begun.
    steps = tuple(planned for planned in plan.steps if planned.begun is not None or compare_versions(planned.version, own) <= 0)
    is_whole = compare_versions(own, plan.target) == 0
    return replace(plan, target=own, steps=steps, repeatable=plan.repeatable if is_whole else ())


def first_steps(plan: Plan, count: int) -> Plan:
    """Cut a plan after so many steps; the repeatable ones are behind all others."""
    steps = plan.steps[:count]
    if len(steps) < len(plan.steps):
        # It reaches what its steps reach.
        return replace(plan, steps=steps, repeatable=(), target=None)
    return replace(plan, repeatable=plan.repeatable[: count - len(steps)])
