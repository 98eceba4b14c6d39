"""Plans of any chain on any ledger: what holds whatever was declared and whatever was applied."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost import MigrationStep
from roost.errors import DatabaseAhead, HistoriesDiverged, MigrationError, StepsMissing, StepsOutOfOrder
from roost.migrations._config import Policy
from roost.migrations._fingerprint import fingerprint_of
from roost.migrations._plan import AppliedStep, Plan, PluginState
from roost.migrations._planner import in_order, plan_chain, plan_computed
from roost.migrations._versions import compare_versions

VERSIONS = ["0.9", "1.0.0rc1", "1.0.0", "1.2", "1.10", "2.0.0"]
NOTHING = PluginState(version=None, applied=())


@st.composite
def chains(draw: st.DrawFn, *, least: int = 0) -> list[MigrationStep]:
    """Draw a chain of steps in its order; ids tell nothing about the order."""
    versions = draw(st.lists(st.sampled_from(VERSIONS), min_size=least, max_size=7))
    ids = draw(st.permutations(range(len(versions))))
    steps = [MigrationStep(f"s{one}", "S", up=f"SELECT {one}", version=version) for one, version in zip(ids, versions, strict=True)]
    return in_order(steps, plugin="p", default_version=None)


def plan(declared: Sequence[MigrationStep], state: PluginState, *, policy: Policy = "strict", target: str | None = None) -> Plan:
    """Plan for plugin p."""
    return plan_chain(declared, state, plugin="p", policy=policy, target=target)


def after(planned: Plan, state: PluginState, *, steps: int | None = None) -> PluginState:
    """Return the state after so many of a plan's steps were run, as the runner writes it."""
    taken = planned.steps[:steps]
    rows = tuple(
        AppliedStep(
            step=one.step.id,
            version=one.version,
            state="done",
            fingerprint=fingerprint_of(one.step),
            chain=one.chain,
            breaking=one.step.breaking,
            requires=(),
            run=1,
        )
        for one in taken
    )
    return PluginState(version=taken[-1].version_after if taken else state.version, applied=(*state.applied, *rows))


def applied(declared: Sequence[MigrationStep]) -> PluginState:
    """Return the state after a whole chain was run on nothing."""
    return after(plan(declared, NOTHING), NOTHING)


def ids(planned: Plan) -> list[str]:
    """Return the ids of the steps to be run."""
    return [one.step.id for one in planned.steps]


@given(chains(), st.data())
def test_any_ledger(declared: list[MigrationStep], data: st.DataObject) -> None:
    """Whatever is applied, in whatever order, of the chain and of strangers: a plan is the rest in its order, or refused for one reason."""
    known = data.draw(st.lists(st.sampled_from(declared), unique_by=lambda step: step.id)) if declared else []
    count = data.draw(st.integers(0, 2))
    strangers = [MigrationStep(f"x{index}", "X", up="X", version="1.0.0", breaking=index == 1) for index in range(count)]
    ledger = data.draw(st.permutations([*known, *strangers]))
    state = after(plan(ledger, NOTHING), NOTHING)
    newer = ledger[max((index for index, step in enumerate(ledger) if step in known), default=-1) + 1 :]
    rest = [step.id for step in declared if step not in known]
    refusal = HistoriesDiverged if newer and rest else DatabaseAhead if any(step.breaking for step in newer) else None
    with nullcontext() if refusal is None else pytest.raises(refusal):
        planned = plan(declared, state, policy="allow")
        assert (ids(planned), planned.is_ahead) == (rest, bool(newer))
        again = plan(declared, after(planned, state), policy="allow")
        assert (again.steps, again.changed, again.changed_functions) == ((), (), ())


@given(chains(), st.data())
def test_a_beginning_is_continued_from_wherever_it_ended(declared: list[MigrationStep], data: st.DataObject) -> None:
    """Run in any number of pieces, a chain ends in the same rows and version as at once; a version is reached with all of it."""
    state = NOTHING
    while (planned := plan(declared, state)).steps:
        before, state = state, after(planned, state, steps=data.draw(st.integers(1, len(planned.steps))))
        assert compare_versions(before.version, state.version) <= 0
        assert all(compare_versions(step.version, state.version) > 0 for step in declared[len(state.applied) :])
    assert state == applied(declared)
    assert state.version == (declared[-1].version if declared else None)
    assert plan(declared, state).target == state.version


@given(chains(), st.sampled_from(VERSIONS))
def test_a_target_is_a_stop_on_the_way(declared: list[MigrationStep], target: str) -> None:
    """Up to a target the steps of no higher version are run, and then, without it, exactly the others."""
    first = plan(declared, NOTHING, target=target)
    assert ids(first) == [step.id for step in declared if compare_versions(step.version, target) <= 0]
    state = after(first, NOTHING)
    assert plan(declared, state, target=target).steps == ()
    rest = plan(declared, state)
    assert ids(first) + ids(rest) == [step.id for step in declared]
    assert after(rest, state) == applied(declared)


@given(chains(least=1), st.data())
def test_code_that_is_older(declared: list[MigrationStep], data: st.DataObject) -> None:
    """A beginning of what is applied is behind, and runs nothing; it is refused exactly where a newer step is breaking."""
    cut = data.draw(st.integers(0, len(declared) - 1))
    breaking = data.draw(st.none() | st.integers(0, len(declared) - 1))
    newer = [replace(step, breaking=index == breaking) for index, step in enumerate(declared)]
    if breaking is not None and breaking >= cut:
        with pytest.raises(DatabaseAhead) as caught:
            plan(declared[:cut], applied(newer))
        assert caught.value.steps == (newer[breaking].id,)
    else:
        planned = plan(declared[:cut], applied(newer))
        assert (planned.steps, planned.is_ahead, planned.ahead) == ((), True, tuple(step.id for step in declared[cut:]))


@given(chains(least=2), st.data())
def test_a_step_that_was_removed(declared: list[MigrationStep], data: st.DataObject) -> None:
    """Applied steps that are gone from before a known one are refused by their ids, and under allow only noticed."""
    gone = data.draw(st.sets(st.integers(0, len(declared) - 2), min_size=1))
    kept = [step for index, step in enumerate(declared) if index not in gone]
    with pytest.raises(StepsMissing) as caught:
        plan(kept, applied(declared))
    assert caught.value.steps == tuple(declared[index].id for index in sorted(gone))
    allowed = plan(kept, applied(declared), policy="allow")
    assert (allowed.steps, len(allowed.notices)) == ((), 1)


@given(chains(least=2), st.data())
def test_a_step_that_was_inserted(declared: list[MigrationStep], data: st.DataObject) -> None:
    """New steps in front of an applied one are refused by their ids; under allow they are run, and the version does not sink."""
    new = data.draw(st.sets(st.integers(0, len(declared) - 2), min_size=1))
    state = applied([step for index, step in enumerate(declared) if index not in new])
    inserted = tuple(declared[index].id for index in sorted(new))
    with pytest.raises(StepsOutOfOrder) as caught:
        plan(declared, state)
    assert (caught.value.steps, caught.value.applied) == (inserted, declared[-1].id)
    allowed = plan(declared, state, policy="allow")
    assert (tuple(ids(allowed)), len(allowed.notices)) == (inserted, 1)
    assert after(allowed, state).version == state.version
    assert plan(declared, after(allowed, state), policy="allow").steps == ()


@given(chains(least=1), st.integers(1, 3), st.integers(1, 3), st.sampled_from(["strict", "allow"]))
def test_two_lines_of_development(declared: list[MigrationStep], theirs: int, ours: int, policy: Policy) -> None:
    """Where both sides have gone on by themselves nothing is run, whatever the policy; both sides' steps are named."""
    their_steps = [MigrationStep(f"t{index}", "T", up="T", version="3.0.0") for index in range(theirs)]
    our_steps = [MigrationStep(f"o{index}", "O", up="O", version="3.0.0") for index in range(ours)]
    with pytest.raises(HistoriesDiverged) as caught:
        plan([*declared, *our_steps], applied([*declared, *their_steps]), policy=policy)
    assert caught.value.unknown == tuple(step.id for step in their_steps)
    assert caught.value.pending == tuple(step.id for step in our_steps)


@given(chains(), st.data())
def test_strict_refuses_nothing_that_allow_does_not_tell(declared: list[MigrationStep], data: st.DataObject) -> None:
    """Where strict makes a plan, allow makes the same one without a notice; where it refuses, allow refuses too or tells why."""
    ledger = data.draw(st.permutations(declared).flatmap(lambda steps: st.integers(0, len(steps)).map(lambda cut: steps[:cut])))
    ours = data.draw(st.integers(0, len(declared)))
    state = after(plan(ledger, NOTHING), NOTHING)

    def outcome(policy: Policy) -> Plan | type[MigrationError]:
        try:
            return plan(declared[:ours], state, policy=policy)
        except MigrationError as error:
            return type(error)

    strict, allow = outcome("strict"), outcome("allow")
    if isinstance(strict, Plan):
        assert (strict, strict.notices) == (allow, ())
    elif strict in (StepsMissing, StepsOutOfOrder):
        assert isinstance(allow, Plan)
        assert allow.notices
    else:
        assert strict is allow


@given(chains(least=1), st.data())
def test_computed_steps_reach_their_target(declared: list[MigrationStep], data: st.DataObject) -> None:
    """In the computed form too what is applied is not run again, the order is kept, and the last step reaches the target."""
    cut = data.draw(st.integers(0, len(declared)))
    target = data.draw(st.sampled_from(VERSIONS))
    state = applied(declared[:cut])
    planned = plan_computed(declared, state, plugin="p", policy="strict", target=target)
    assert ids(planned) == [step.id for step in declared[cut:] if compare_versions(step.version, target) <= 0]
    assert [one.version_after for one in planned.steps[-1:]] == [target] * bool(planned.steps)
    assert plan_computed(declared, after(planned, state), plugin="p", policy="strict", target=target).steps == ()
