"""What a plan counts on, and is refused without before its first step. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.errors import PoolerInTheWay, RequiredStepMissing

if TYPE_CHECKING:
    from roost.migrations._plan import Plan


def check_requirements(plan: Plan, met: set[str]) -> None:
    """Refuse a plan whose steps require what is not applied, and add to `met` what the plan applies.

    Args:
        plan: The plan.
        met: The names of all applied steps, each ``"plugin:step-id"``.

    Raises:
        RequiredStepMissing: A step requires one that is not among them.
    """
    for planned in plan.steps:
        for name in planned.step.requires:
            if name not in met:
                raise RequiredStepMissing(plugin=plan.plugin, step=planned.step.id, required=name)
        met.add(f"{plan.plugin}:{planned.step.id}")


def refuse_outside_transactions(plugin: str, steps: Sequence[str], *, location: str) -> None:
    """Refuse steps outside a transaction, there or back, for where no lock outlives one.

    Args:
        plugin: The plugin.
        steps: The ids of those steps.
        location: The pooler.

    Raises:
        PoolerInTheWay: There is one.
    """
    if steps:
        reason = (
            f"it shares server processes, and step {steps[0]!r} of plugin {plugin} runs outside a transaction, "
            "where no lock would keep a second run from it"
        )
        raise PoolerInTheWay(location=location, reason=reason)
