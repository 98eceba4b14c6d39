from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from roost import MigrationStep
from roost.errors import BaselineRefused, MarkRefused, RequiredStepMissing, StepEscaped, UnmarkRefused
from roost.migrations._adoption import adopt_all, adopt_one, check_requirements, disown, refuse_applied
from roost.migrations._limit import up_to_version
from roost.migrations._plan import AppliedStep, PlannedStep, PluginState
from roost.migrations._planner import in_order, plan_chain

NEW = PluginState(version=None, applied=())
STEPS = [
    MigrationStep("a", "A", up="A", version="1.0.0"),
    MigrationStep("b", "B", up="B", version="1.0.0"),
    MigrationStep("c", "C", up="C", version="2.0.0"),
]


def row(planned: PlannedStep, state: str = "done") -> AppliedStep:
    """Return the row that the ledger has of a step."""
    step = planned.step
    return AppliedStep(
        step=step.id,
        version=planned.version,
        state=state,
        fingerprint="",
        chain=planned.chain,
        breaking=False,
        requires=step.requires,
        run=1,
    )


def after(state: PluginState, *steps: PlannedStep) -> PluginState:
    """Return where the plugin stands once steps are applied."""
    return PluginState(
        version=steps[-1].version_after,
        applied=(*state.applied, *(row(planned) for planned in steps)),
        head=steps[-1].chain,
    )


def told(steps: Sequence[PlannedStep]) -> list[tuple[str, str | None, str]]:
    """Return what is said of planned steps, whatever chain they were planned in."""
    return [(planned.step.id, planned.version_after, planned.chain) for planned in steps]


WHOLE = plan_chain(STEPS, NEW, plugin="p", policy="strict")
ALL = after(NEW, *WHOLE.steps)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.data())
def test_a_baseline_leaves_what_a_run_would(minors: list[int], data: st.DataObject) -> None:
    """Whatever the steps, baseline and run up to any version leave one chain and one version, and the rest of the plan is the same."""
    steps = in_order(
        [MigrationStep(f"s{place}", "S", up=f"{place}", version=f"1.{minor}") for place, minor in enumerate(minors)],
        plugin="p",
        default_version=None,
    )
    whole = plan_chain(steps, NEW, plugin="p", policy="strict")
    version = data.draw(st.sampled_from(steps)).version or ""
    claimed = adopt_all(up_to_version(whole, version), NEW)
    ran = plan_chain(steps, NEW, plugin="p", policy="strict", target=version)
    assert (told(claimed.steps), claimed.version_after, claimed.chain_after) == (told(ran.steps), version, ran.steps[-1].chain)
    rest = plan_chain(steps, after(NEW, *claimed.steps), plugin="p", policy="strict")
    assert told([*claimed.steps, *rest.steps]) == told(whole.steps)


def test_marks_one_by_one_are_a_baseline() -> None:
    """To mark each next step leaves the chain and the versions of one baseline."""
    state = NEW
    marked: list[PlannedStep] = []
    for step in "abc":
        found = adopt_one(plan_chain(STEPS, state, plugin="p", policy="strict"), state, step=step, in_order=True)
        marked += found.steps
        state = after(state, *found.steps)
    assert told(marked) == told(WHOLE.steps)
    assert all(one.chain != other.chain for one, other in pairwise(marked))


def test_a_mark_out_of_order() -> None:
    """Refused with the step that comes first; where it is allowed it moves no version, and the chain counts only on what is applied."""
    with pytest.raises(MarkRefused, match="'a' comes before it"):
        adopt_one(WHOLE, NEW, step="b", in_order=True)
    alone = adopt_one(WHOLE, NEW, step="b", in_order=False)
    own = plan_chain([STEPS[1]], NEW, plugin="p", policy="strict").steps[0]
    assert (alone.version_after, alone.chain_after) == (None, own.chain)


def test_a_mark_of_what_is_not_pending() -> None:
    """An applied step and a mistyped one are told apart."""
    state = after(NEW, WHOLE.steps[0])
    plan = plan_chain(STEPS, state, plugin="p", policy="strict")
    with pytest.raises(MarkRefused) as applied:
        adopt_one(plan, state, step="a", in_order=True)
    assert applied.value.is_applied
    with pytest.raises(MarkRefused) as unknown:
        adopt_one(plan, state, step="bb", in_order=True)
    assert (unknown.value.is_applied, unknown.value.suggestions) == (False, ("b",))


def test_a_baseline_is_for_new_plugins() -> None:
    """Applied steps, and a version without any, stand in its way; a step in doubt is refused with its own remedy."""
    refuse_applied(NEW, plugin="p")
    with pytest.raises(BaselineRefused, match="a, b, c"):
        refuse_applied(ALL, plugin="p")
    with pytest.raises(BaselineRefused, match="version 1"):
        refuse_applied(PluginState(version="1", applied=()), plugin="p")
    with pytest.raises(StepEscaped):
        refuse_applied(PluginState(version=None, applied=(row(WHOLE.steps[0], "escaped"),)), plugin="p")


def test_requirements_may_be_claimed_together() -> None:
    """What a claimed step requires of its own plugin may be claimed before it; what another plugin lacks is named."""
    steps = [STEPS[0], replace(STEPS[1], requires=("p:a", "q:x"))]
    claimed = adopt_all(plan_chain(steps, NEW, plugin="p", policy="strict"), NEW)
    check_requirements(claimed, plugin="p", applied=["q:x"])
    with pytest.raises(RequiredStepMissing, match="q:x"):
        check_requirements(claimed, plugin="p", applied=[])


def test_the_last_step_is_disowned() -> None:
    """The chain and the version are those before it; a version goes with any of its steps."""
    found = disown(ALL, plugin="p", step="c", requiring=(), dependent_plugins={})
    assert (found.version_after, found.chain_after, found.planned_on) == ("1.0.0", WHOLE.steps[1].chain, WHOLE.steps[2].chain)
    found = disown(after(NEW, *WHOLE.steps[:2]), plugin="p", step="b", requiring=(), dependent_plugins={})
    assert (found.version_after, found.chain_after) == (None, WHOLE.steps[0].chain)
    only = disown(after(NEW, WHOLE.steps[0]), plugin="p", step="a", requiring=(), dependent_plugins={})
    assert (only.version_after, only.chain_after) == (None, None)


def test_what_is_not_disowned() -> None:
    """A step that others stand on, one in doubt and one that is not there, each for its own reason."""
    with pytest.raises(UnmarkRefused) as later:
        disown(ALL, plugin="p", step="a", requiring=(), dependent_plugins={})
    assert later.value.needed_by == ("b", "c")
    with pytest.raises(UnmarkRefused) as required:
        disown(ALL, plugin="p", step="c", requiring=(("q", "x", "c"), ("q", "y", "a")), dependent_plugins={"r": SpecifierSet(">=2")})
    assert required.value.needed_by == ("q:x", "plugin r")
    disown(ALL, plugin="p", step="c", requiring=(("q", "y", "a"),), dependent_plugins={"r": SpecifierSet(">=1")})
    doubtful = PluginState(version="1.0.0", applied=(row(WHOLE.steps[0]), row(WHOLE.steps[1], "intent")))
    with pytest.raises(UnmarkRefused, match="nobody knows"):
        disown(doubtful, plugin="p", step="b", requiring=(), dependent_plugins={})
    with pytest.raises(UnmarkRefused, match="it is not applied"):
        disown(NEW, plugin="p", step="b", requiring=(), dependent_plugins={})
