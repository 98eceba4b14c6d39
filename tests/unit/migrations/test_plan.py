from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost import MigrationStep
from roost.errors import (
    DatabaseAhead,
    DuplicateStep,
    HistoriesDiverged,
    InvalidPluginVersion,
    RequiredStepMissing,
    StepEscaped,
    StepOutcomeUnknown,
    StepsMissing,
    StepsOutOfOrder,
)
from roost.migrations._fingerprint import fingerprint_of, normal_form_of
from roost.migrations._plan import AppliedStep, Plan, PluginState
from roost.migrations._planner import in_order, plan_chain, plan_computed
from roost.migrations._requirements import check_requirements

STEPS = [
    MigrationStep("a", "A", up="A", version="1.0.0"),
    MigrationStep("b", "B", up="B", version="1.0.0"),
    MigrationStep("c", "C", up="C", version="2.0.0"),
]


def applied(*steps: MigrationStep, **fields: Any) -> tuple[AppliedStep, ...]:
    """Return the ledger's rows of these steps."""
    return tuple(
        AppliedStep(
            step=step.id,
            version=step.version or "0.0.0",
            state=fields.get("state", "done"),
            fingerprint=fingerprint_of(step),
            chain=f"#{step.id}",
            breaking=fields.get("breaking", False),
            requires=(),
            run=1,
        )
        for step in steps
    )


def at(version: str | None, *rows: AppliedStep) -> PluginState:
    """Return where the plugin stands."""
    return PluginState(version=version, applied=rows)


def plan(declared: Sequence[MigrationStep], state: PluginState, policy: Any = "strict", **fields: Any) -> Plan:
    """Plan for plugin p."""
    return plan_chain(in_order(declared, plugin="p", default_version=None), state, plugin="p", policy=policy, **fields)


def ids(planned: Plan) -> list[str]:
    """Return the ids of the steps to be run."""
    return [one.step.id for one in planned.steps]


def test_from_nothing_everything_is_run() -> None:
    """In order; the version is reached with the last step of it."""
    planned = plan(STEPS, at(None))
    assert [(one.step.id, one.version, one.version_after) for one in planned.steps] == [
        ("a", "1.0.0", None),
        ("b", "1.0.0", "1.0.0"),
        ("c", "2.0.0", "2.0.0"),
    ]
    assert (planned.from_version, planned.target, planned.is_ahead) == (None, "2.0.0", False)


def test_what_is_applied_is_not_run_again() -> None:
    """From the middle of a version the rest is run; at the end nothing is."""
    assert ids(plan(STEPS, at(None, *applied(STEPS[0])))) == ["b", "c"]
    assert ids(plan(STEPS, at("2.0.0", *applied(*STEPS)))) == []


def test_a_target_leaves_later_steps_alone() -> None:
    """Steps above the target are not run."""
    planned = plan(STEPS, at(None), target="1.0.0")
    assert (ids(planned), planned.target) == (["a", "b"], "1.0.0")


def test_the_order_is_version_then_list() -> None:
    """Versions compare as versions, equal ones keep the list's order, and no version comes first."""
    steps = [
        MigrationStep(name, "X", up="X", version=version) for name, version in [("x", "1.10"), ("y", "1.9"), ("z", None), ("w", "1.9")]
    ]
    assert [step.id for step in in_order(steps, plugin="p", default_version=None)] == ["z", "y", "w", "x"]
    assert [step.version for step in in_order(steps, plugin="p", default_version="2")] == ["1.9", "1.9", "1.10", "2"]


def test_two_steps_of_one_id() -> None:
    """They are refused by the id."""
    with pytest.raises(DuplicateStep) as caught:
        plan([*STEPS, STEPS[1]], at(None))
    assert (caught.value.plugin, caught.value.step) == ("p", "b")


def test_a_version_that_is_none() -> None:
    """It is refused."""
    with pytest.raises(InvalidPluginVersion):
        plan([MigrationStep("a", "A", up="A", version="1.0.0"), MigrationStep("b", "B", up="B", version="next")], at(None))


def test_missing_and_out_of_order() -> None:
    """Under strict both are refused by name; under allow they are noticed, and what can be run is run."""
    without_a = plan_args = STEPS[1:], at("2.0.0", *applied(*STEPS))
    with pytest.raises(StepsMissing) as missing:
        plan(*plan_args)
    assert missing.value.steps == ("a",)
    assert plan(*without_a, policy="allow").notices == ("applied steps are missing from the code: a",)
    late = STEPS, at("2.0.0", *applied(STEPS[0], STEPS[2]))
    with pytest.raises(StepsOutOfOrder) as early:
        plan(*late)
    assert (early.value.steps, early.value.applied) == (("b",), "c")
    allowed = plan(*late, policy="allow")
    assert (ids(allowed), allowed.notices, allowed.steps[0].version_after) == (["b"], ("steps run out of order: b",), "2.0.0")


def test_edited_bodies() -> None:
    """Edited SQL is told as changed, an edited function as such; neither is run again."""

    async def old() -> None: ...

    async def new() -> None:
        return None

    before = [MigrationStep("a", "A", up="SELECT 1", version="1"), MigrationStep("f", "F", up=old, version="1")]
    after = [MigrationStep("a", "A", up="SELECT 2", version="1"), MigrationStep("f", "F", up=new, version="1")]
    planned = plan(after, at("1", *applied(*before)))
    assert (ids(planned), planned.changed, planned.changed_functions) == ([], ("a",), ("f",))


def test_layout_is_no_drift() -> None:
    """SQL that differs in layout and comments alone is told by nobody; where the ledger knows no normal form its bytes decide."""
    before = MigrationStep("a", "A", up="CREATE TABLE a (id int, t text DEFAULT 'x  y')", version="1")
    edited = MigrationStep("a", "A", up="CREATE TABLE a (\n  id int, -- the key\n  t text DEFAULT 'x  y'\n)", version="1")
    changed = MigrationStep("a", "A", up="CREATE TABLE a (id int, t text DEFAULT 'x y')", version="1")
    (row,) = applied(before)
    known = at("1", replace(row, normal_form=normal_form_of(before)))
    assert plan([edited], known).changed == ()
    assert plan([changed], known).changed == ("a",)
    assert plan([edited], at("1", row)).changed == ("a",)
    assert plan_computed([edited], known, plugin="p", policy="strict", target="2").changed == ()
    assert plan_computed([changed], known, plugin="p", policy="strict", target="2").changed == ("a",)


def test_forms_are_compared_only_where_bytes_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start with nothing edited works out no normal form."""
    monkeypatch.setattr("roost.migrations._fingerprint.normal_form_of", lambda _: pytest.fail("a form was worked out"))
    assert plan(STEPS, at("2.0.0", *applied(*STEPS))).changed == ()


def test_own_fingerprints_and_functions_have_no_normal_form() -> None:
    """What stands for the body in the ledger is the author's own word, or the function's code."""

    async def body() -> None: ...

    assert normal_form_of(MigrationStep("a", "A", up="SELECT 1", fingerprint="v1")) is None
    assert normal_form_of(MigrationStep("a", "A", up=body)) is None


def test_the_database_ahead() -> None:
    """Where the code's chain is the beginning of the ledger's nothing is run, unless a newer step is breaking."""
    planned = plan(STEPS[:2], at("2.0.0", *applied(*STEPS)))
    assert (ids(planned), planned.is_ahead, planned.ahead) == ([], True, ("c",))
    with pytest.raises(DatabaseAhead) as caught:
        plan(STEPS[:2], at("2.0.0", *applied(*STEPS[:2]), *applied(STEPS[2], breaking=True)))
    assert caught.value.steps == ("c",)


def test_diverged_histories() -> None:
    """Where both sides have newer steps the other lacks, nothing is run and both are named."""
    other = MigrationStep("x", "X", up="X", version="2.0.0")
    with pytest.raises(HistoriesDiverged) as caught:
        plan([*STEPS[:2], other], at("2.0.0", *applied(*STEPS)))
    assert (caught.value.unknown, caught.value.pending) == (("c",), ("x",))


@pytest.mark.parametrize(("state", "error"), [("escaped", StepEscaped), ("intent", StepOutcomeUnknown)])
def test_outcomes_that_nobody_knows(state: str, error: type[Exception]) -> None:
    """A step that escaped its transaction, or was not seen to end, stops every plan until a person has looked."""
    stuck = at("1.0.0", *applied(STEPS[0], state=state))
    with pytest.raises(error):
        plan(STEPS, stuck)
    with pytest.raises(error):
        plan_computed(STEPS, stuck, plugin="p", policy="strict", target="2.0.0")


def test_a_step_that_was_begun_comes_first() -> None:
    """A run goes on with it before all others, on the head that was there before it, and its version is reached as usual."""
    index = MigrationStep("b", "B", up="VACUUM", version="1.0.0", transactional=False)
    steps = [STEPS[0], index, STEPS[2]]
    begun = applied(index, state="intent")[0]
    stuck = at("0.0.0", *applied(STEPS[0]), begun)
    for found in (plan(steps, stuck), plan_computed(steps, stuck, plugin="p", policy="strict", target="2.0.0")):
        assert [(planned.step.id, planned.begun) for planned in found.steps] == [("b", begun), ("c", None)]
        assert found.chain == applied(STEPS[0])[0].chain
    assert plan(steps, stuck).steps[0].version_after == "1.0.0"


def test_no_version_is_reached_while_a_step_of_it_or_below_is_left() -> None:
    """A step that was begun comes first also where others of lower versions are pending: its version is reached behind those.

    A run that ends in between asks a plugin that computes its steps for those above the version that is reached, and for no others.
    """
    index = MigrationStep("b", "B", up="VACUUM", version="2.0.0", transactional=False)
    steps = [*STEPS[:1], MigrationStep("new", "N", up="N", version="1.5.0"), index, MigrationStep("d", "D", up="D", version="3.0.0")]
    stuck = at("1.0.0", *applied(STEPS[0]), applied(index, state="intent")[0])
    for found in (plan(steps, stuck, policy="allow"), plan_computed(steps[1:], stuck, plugin="p", policy="allow", target="3.0.0")):
        assert [(one.step.id, one.version_after) for one in found.steps] == [("b", "1.0.0"), ("new", "1.5.0"), ("d", "3.0.0")]
    assert plan(steps[:3], stuck, policy="allow").reaches == "2.0.0"


def test_computed_steps() -> None:
    """What is applied or above the target is left out, and the last step reaches the target."""
    planned = plan_computed(STEPS, at(None, *applied(STEPS[0])), plugin="p", policy="strict", target="1.5.0")
    assert [(one.step.id, one.version_after) for one in planned.steps] == [("b", "1.5.0")]
    assert plan_computed([], at("1.0.0"), plugin="p", policy="strict", target="2.0.0").target == "2.0.0"


def computed(steps: Sequence[MigrationStep], state: PluginState, target: str, policy: Any = "strict") -> Plan:
    """Plan for a plugin p that returned these steps."""
    return plan_computed(steps, state, plugin="p", policy=policy, target=target)


def test_computed_steps_that_come_too_late() -> None:
    """What was returned in front of an applied step, or for a version below the present one, is out of order."""
    between = MigrationStep("x", "X", up="X", version="1.0.0")
    older = MigrationStep("y", "Y", up="Y", version="0.9")
    for steps, state in (
        ([STEPS[0], between, STEPS[1]], at(None, *applied(STEPS[0], STEPS[1]))),
        ([older], at("1.0.0", *applied(STEPS[0], STEPS[1]))),
    ):
        with pytest.raises(StepsOutOfOrder, match="'b'"):
            computed(steps, state, "2.0.0")
        assert len(computed(steps, state, "2.0.0", "allow").notices) == 1


def test_computed_steps_that_are_missing() -> None:
    """A step of a version that was not completed is missed where it is not returned; of a complete version nothing can be said."""
    halfway = at("1.0.0", *applied(*STEPS))
    with pytest.raises(StepsMissing, match="c"):
        computed([], halfway, "2.0.0")
    assert computed([], halfway, "2.0.0", "allow").notices == ("applied steps are missing from the code: c",)
    assert computed([STEPS[2]], halfway, "2.0.0").notices == ()


def test_computed_steps_beside_newer_ones() -> None:
    """Above the target nothing is run: diverged where both sides have more, else ahead, unless a newer step is breaking."""
    state = at("1.0.0", *applied(*STEPS))
    with pytest.raises(HistoriesDiverged, match="c"):
        computed([MigrationStep("x", "X", up="X", version="1.5.0")], state, "1.5.0")
    ahead = computed([], state, "1.5.0")
    assert (ahead.steps, ahead.is_ahead, ahead.ahead) == ((), True, ("c",))
    with pytest.raises(DatabaseAhead, match="c"):
        computed([], at("1.0.0", *applied(*STEPS[:2]), *applied(STEPS[2], breaking=True)), "1.5.0")


def test_requirements_are_met_by_what_is_applied_and_by_steps_before() -> None:
    """A step may require one of another plugin that is applied, or one of its own plugin that comes before it."""
    needing = MigrationStep("n", "N", up="N", version="3.0.0", requires=("q:x", "p:a"))
    met = {"q:x"}
    check_requirements(plan([*STEPS, needing], at(None)), met)
    assert met == {"q:x", "p:a", "p:b", "p:c", "p:n"}
    with pytest.raises(RequiredStepMissing, match="q:x"):
        check_requirements(plan([*STEPS, needing], at(None)), set())


VERSIONS = st.sampled_from(["1.0.0", "1.1.0", "2.0.0"])


@given(st.lists(VERSIONS, min_size=1, max_size=8), st.data())
def test_a_plan_that_was_carried_out_leaves_nothing(versions: list[str], data: st.DataObject) -> None:
    """Whatever beginning is applied: the plan is the rest, its chain continues, and after it the plan is empty at the target."""
    steps = [MigrationStep(f"s{index}", "S", up=f"SELECT {index}", version=version) for index, version in enumerate(versions)]
    declared = in_order(steps, plugin="p", default_version=None)
    whole = plan(steps, at(None))
    cut = data.draw(st.integers(0, len(declared)))
    rows = tuple(
        AppliedStep(
            step=one.step.id,
            version=one.version,
            state="done",
            fingerprint=fingerprint_of(one.step),
            chain=one.chain,
            breaking=False,
            requires=(),
            run=1,
        )
        for one in whole.steps
    )
    rest = plan(steps, at(whole.steps[cut - 1].version_after if cut else None, *rows[:cut]))
    told, wanted = ([(one.step, one.version_after, one.chain) for one in steps] for steps in (rest.steps, whole.steps[cut:]))
    assert told == wanted
    after = plan(steps, at(whole.steps[-1].version_after, *rows))
    assert (after.steps, after.from_version, after.chain) == ((), after.target, whole.steps[-1].chain)
