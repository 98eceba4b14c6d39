"""Plans on the ledger's outline are the plans on all its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from roost import MigrationStep
from roost.errors import MigrationError
from roost.migrations._config import Policy
from roost.migrations._fingerprint import mark_of
from roost.migrations._outline import AppliedOutline, OutlinePlan, RowsWanted, plan_chain_by_outline, plan_computed_by_outline
from roost.migrations._plan import Plan, PluginState
from roost.migrations._planner import in_order, plan_chain, plan_computed
from roost.migrations._versions import compare_versions
from tests.unit.migrations.test_any_plan import NOTHING, after, chains

POLICIES = st.sampled_from(["strict", "allow"])


def outline_of(state: PluginState, steps: Sequence[MigrationStep]) -> AppliedOutline:
    """Return the outline of rows that were written for these steps, as the ledger makes it."""
    return AppliedOutline(
        version=state.version,
        head=state.head,
        count=len(state.applied),
        are_done=all(row.state == "done" for row in state.applied),
        mark=mark_of(steps),
        chain=state.applied[-1].chain if state.applied else "",
        versions=tuple({row.version for row in state.applied}),
    )


def read(planned: OutlinePlan, state: PluginState, outline: AppliedOutline) -> Plan:
    """Return the plan, made with the rows that it asks for."""
    if isinstance(planned, Plan):
        return planned
    if planned.steps is None:
        return planned.then(state)
    rows = tuple(row for row in state.applied if row.step in planned.steps or row.version in planned.versions)
    return planned.then(replace(state, applied=rows, last_chain=outline.chain))


def outcome(plan: Callable[[], Plan]) -> object:
    """Return what a plan came to: itself, or its refusal's words."""
    try:
        return plan()
    except MigrationError as error:
        return str(error)


@given(chains(), st.data(), POLICIES)
def test_a_chain_by_outline(declared: list[MigrationStep], data: st.DataObject, policy: Policy) -> None:
    """Whatever is applied and edited: the plan by outline is that by rows, or both are refused alike."""
    known = data.draw(st.permutations(declared).flatmap(lambda steps: st.integers(0, len(steps)).map(lambda cut: steps[:cut])))
    edited = data.draw(st.sets(st.sampled_from(declared))) if declared else set()
    stranger, in_doubt = data.draw(st.tuples(st.booleans(), st.booleans()))
    ran = [replace(step, up=f"{step.up} + 1") if step in edited else step for step in known]
    ran += [MigrationStep("x", "X", up="X", version="1.0.0")] if stranger else []
    state = after(plan_chain(ran, NOTHING, plugin="p", policy=policy), NOTHING)
    if state.applied and in_doubt:
        state = replace(state, applied=(replace(state.applied[0], state="escaped"), *state.applied[1:]))
    outline = outline_of(state, ran)

    def by_rows() -> Plan:
        return plan_chain(declared, state, plugin="p", policy=policy)

    def by_outline() -> Plan:
        return read(plan_chain_by_outline(declared, outline, plugin="p", policy=policy), state, outline)

    assert outcome(by_outline) == outcome(by_rows)


@given(chains(), st.data(), POLICIES)
def test_computed_steps_by_outline(declared: list[MigrationStep], data: st.DataObject, policy: Policy) -> None:
    """The same for whatever a plugin computes, on whatever ledger below its target."""
    known = data.draw(st.permutations(declared).flatmap(lambda steps: st.integers(0, len(steps)).map(lambda cut: steps[:cut])))
    state = after(plan_chain(known, NOTHING, plugin="p", policy="allow"), NOTHING)
    returned = in_order(
        data.draw(st.lists(st.sampled_from(declared), unique_by=lambda step: step.id)) if declared else [], plugin="p", default_version=None
    )
    target = data.draw(st.sampled_from(["1.0.0", "1.11", "2.0.0", "3.0.0"]))
    assume(compare_versions(state.version, target) < 0)
    outline = outline_of(state, known)

    def by_rows() -> Plan:
        return plan_computed(returned, state, plugin="p", policy=policy, target=target)

    def by_outline() -> Plan:
        return read(plan_computed_by_outline(returned, outline, plugin="p", policy=policy, target=target), state, outline)

    assert outcome(by_outline) == outcome(by_rows)


@given(chains(least=1), st.data())
def test_what_is_as_declared_takes_no_rows(declared: list[MigrationStep], data: st.DataObject) -> None:
    """Any beginning that is applied as it is declared is planned on by the outline alone; another one asks for all rows."""
    cut = data.draw(st.integers(0, len(declared)))
    state = after(plan_chain(declared[:cut], NOTHING, plugin="p", policy="strict"), NOTHING)
    outline = outline_of(state, declared[:cut])
    planned = plan_chain_by_outline(declared, outline, plugin="p", policy="strict")
    assert isinstance(planned, Plan)
    assert [one.step for one in planned.steps] == declared[cut:]
    for other in (replace(outline, mark="0"), replace(outline, are_done=False), replace(outline, count=len(declared) + 1)):
        wanted = plan_chain_by_outline(declared, other, plugin="p", policy="strict")
        assert isinstance(wanted, RowsWanted)
        assert wanted.steps is None
