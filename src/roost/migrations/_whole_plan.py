"""Adds to the plan of a plugin's versioned steps what is to be run of its repeatable ones. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from roost.migrations._fingerprint import sql_fingerprint
from roost.migrations._plan import SCHEMA_STEP
from roost.migrations._repeatable import plan_repeatable
from roost.migrations._versions import UNVERSIONED, compare_versions

if TYPE_CHECKING:
    from roost.migrations._plan import Plan, PluginState
    from roost.migrations._repeatable_step import RepeatableStep


def with_repeatable(plan: Plan, ordered: Sequence[RepeatableStep], state: PluginState) -> Plan:
    """Add the repeatable steps that are due to a plan; none where the database has been brought to a higher version by newer code.

    Args:
        plan: Of the versioned steps.
        ordered: All repeatable steps of the plugin, in order.
        state: What the ledger holds.
    """
    if plan.is_ahead or not (ordered or state.repeated):
        return plan
    declared = {step.id: sql_fingerprint(step.up) for step in ordered}
    # Code of a lower version may differ only in what is repeatable: it must not put its older text over the newer one.
    is_older = plan.target is not None and compare_versions(plan.from_version, plan.target) > 0
    ran = {row.step: row.fingerprint for row in state.repeated if row.step != SCHEMA_STEP}
    return replace(
        plan,
        repeatable=() if is_older else plan_repeatable(ordered, ran, version=plan.reaches or UNVERSIONED),
        repeatable_declared=tuple(declared.items()),
        repeatable_left=() if is_older else tuple(step for step in ran if step not in declared),
    )
