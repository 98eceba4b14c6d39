from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost import MigrationStep, RepeatableStep
from roost.errors import InvalidConfiguration, InvalidPluginVersion, UnknownVersion
from roost.migrations._fingerprint import fingerprint_of
from roost.migrations._limit import RunLimit, first_steps, up_to_version
from roost.migrations._plan import AppliedStep, Plan, PlannedStep, PluginState
from roost.migrations._planner import in_order, plan_chain
from roost.migrations._repeatable import in_turn
from roost.migrations._whole_plan import with_repeatable

NEW = PluginState(version=None, applied=())
STEPS = [
    MigrationStep("a", "A", up="A", version="1.0.0"),
    MigrationStep("b", "B", up="B", version="1.0.0"),
    MigrationStep("c", "C", up="C", version="2.0.0"),
]
VIEWS = [RepeatableStep("v", "V", up="V"), RepeatableStep("w", "W", up="W")]


def plan_on(state: PluginState, steps: list[MigrationStep] = STEPS) -> Plan:
    """Return what is pending: the steps, and behind them two repeatable ones."""
    ordered = in_turn(VIEWS, plugin="p", taken=[step.id for step in steps])
    return with_repeatable(plan_chain(steps, state, plugin="p", policy="strict"), ordered, state)


def after(state: PluginState, *steps: PlannedStep) -> PluginState:
    """Return where the plugin stands once steps are applied."""
    rows = [
        AppliedStep(
            step=planned.step.id,
            version=planned.version,
            state="done",
            fingerprint="",
            chain=planned.chain,
            breaking=False,
            requires=(),
            run=1,
        )
        for planned in steps
    ]
    return PluginState(version=steps[-1].version_after if steps else state.version, applied=(*state.applied, *rows))


def ids(plan: Plan) -> str:
    """Return the steps of a plan by their ids of one letter, the repeatable ones last."""
    return "".join([*(planned.step.id for planned in plan.steps), *(planned.step.id for planned in plan.repeatable)])


WHOLE = plan_on(NEW)


@pytest.mark.parametrize(
    ("version", "steps", "target"),
    [("1.0.0", "ab", "1.0.0"), ("1.0", "ab", "1.0.0"), ("2.0.0", "abcvw", "2.0.0")],
)
def test_a_plan_is_cut_at_a_version(version: str, steps: str, target: str) -> None:
    """All steps up to it are in, what is repeatable only at the end, and the version is spelled as the steps spell it."""
    found = up_to_version(WHOLE, version)
    assert (ids(found), found.target, found.reaches) == (steps, target, target)


def test_the_version_a_plan_begins_at() -> None:
    """It is reached already: nothing is run, and what is pending above it stays so."""
    found = up_to_version(plan_on(after(NEW, *WHOLE.steps[:2])), "1.0.0")
    assert (ids(found), found.reaches) == ("", "1.0.0")


def test_what_was_begun_is_in_every_part() -> None:
    """A half-done step of a higher version is ended in front of those of the part, and the part reaches no version but its own."""
    begun = [MigrationStep("d", "D", up="VACUUM", version="3.0.0", transactional=False)]
    (row,) = after(NEW, *plan_chain(begun, NEW, plugin="p", policy="strict").steps).applied
    state = after(NEW, *WHOLE.steps[:2])
    stuck = replace(state, applied=(*state.applied, replace(row, state="intent", fingerprint=fingerprint_of(begun[0]))))
    found = up_to_version(plan_on(stuck, STEPS + begun), "2.0.0")
    assert [(one.step.id, one.version_after) for one in found.steps] == [("d", "1.0.0"), ("c", "2.0.0")]
    assert found.reaches == "2.0.0"


@pytest.mark.parametrize(("version", "is_above"), [("0.9", False), ("1.5", False), ("2.1", True)])
def test_a_version_that_is_not_reached(version: str, is_above: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """It is refused, and whether it lies above the code's target is told."""
    with pytest.raises(UnknownVersion) as caught:
        up_to_version(WHOLE, version)
    assert (caught.value.is_above, caught.value.known) == (is_above, ("1.0.0", "2.0.0"))


@pytest.mark.parametrize(
    ("count", "steps", "reached"),
    [(0, "", None), (1, "a", None), (2, "ab", "1.0.0"), (3, "abc", "2.0.0"), (4, "abcv", "2.0.0"), (9, "abcvw", "2.0.0")],
)
def test_a_plan_is_cut_after_steps(count: int, steps: str, reached: str | None) -> None:
    """A version is reached with its last step only, and what is repeatable is counted behind all others."""
    found = first_steps(WHOLE, count)
    assert (ids(found), found.reaches) == (steps, reached)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.lists(st.integers(1, 3), min_size=11, max_size=11))
def test_parts_are_the_whole(minors: list[int], counts: list[int]) -> None:
    """However a plan is taken in parts, the parts are the plan: the same steps, chains and versions, in the same order."""
    steps = in_order(
        [MigrationStep(f"s{place}", "S", up=f"{place}", version=f"1.{minor}") for place, minor in enumerate(minors)],
        plugin="p",
        default_version=None,
    )
    whole = plan_on(NEW, steps)
    state = NEW
    taken: list[PlannedStep] = []
    for count in counts:
        part = first_steps(plan_on(state, steps), count)
        taken += part.steps
        state = after(state, *part.steps)
        assert state.version == part.reaches
    assert [(one.step, one.version_after, one.chain) for one in taken] == [(one.step, one.version_after, one.chain) for one in whole.steps]
    assert state.version == whole.reaches


def test_what_a_run_has_taken_counts() -> None:
    """A run that connects anew takes only what is left of its number; without a number it takes all."""
    assert ids(RunLimit(steps=3).rest_of(WHOLE, taken=1)) == "ab"
    assert ids(RunLimit(steps=3).rest_of(WHOLE, taken=3)) == ""
    assert RunLimit(version="2.0.0").rest_of(WHOLE, taken=3) is WHOLE


def test_limits_that_lead_nowhere() -> None:
    """No step at all, part of one, and what is no number or version: refused where they are said, before anything is connected to."""
    with pytest.raises(InvalidConfiguration, match="steps=0"):
        RunLimit(steps=0)
    for steps in (1.5, "1", float("inf")):
        with pytest.raises(InvalidConfiguration, match="a whole number"):
            RunLimit(steps=steps)  # type: ignore[arg-type]
    with pytest.raises(InvalidPluginVersion):
        RunLimit(version="head")
