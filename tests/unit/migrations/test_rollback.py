from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from roost import MigrationStep
from roost.errors import DependantApplied, InvalidPluginVersion, NoRollbackMethod, UnknownRollbackTarget
from roost.migrations import SkippedStep
from roost.migrations._plan import AppliedStep, PluginState
from roost.migrations._rollback import RollbackPlan, check_dependants, highest_below, plan_rollback

ROWS = (("a", "1.0.0", 1), ("b", "1.0.0", 2), ("c", "2.0.0", 2), ("d", "3.0.0", 3))


def row(step: str, version: str, run: int, *, down: str | None = "stored") -> AppliedStep:
    """Return a row of the ledger."""
    return AppliedStep(
        step=step, version=version, state="done", fingerprint="", chain=f"#{step}", breaking=False, requires=(), down_sql=down, run=run
    )


def state(*rows: AppliedStep, version: str | None = "3.0.0") -> PluginState:
    """Return where the plugin stands: at these rows, or at the usual ones."""
    return PluginState(version=version, applied=rows or tuple(row(*one) for one in ROWS))


def plan(at: PluginState | None = None, declared: dict[str, MigrationStep] | None = None, **target: Any) -> RollbackPlan:
    """Plan a rollback of plugin p."""
    return plan_rollback(at or state(), declared or {}, plugin="p", **target)


@pytest.mark.parametrize(
    ("target", "undone", "version"),
    [
        ({}, ["d", "c", "b", "a"], None),
        ({"version": "2.0.0"}, ["d"], "2.0.0"),
        ({"version": "1.0"}, ["d", "c"], "1.0"),
        ({"version": "0.0.0"}, ["d", "c", "b", "a"], None),
        ({"version": "3.0.0"}, [], "3.0.0"),
        ({"steps": 1}, ["d"], "2.0.0"),
        ({"steps": 3}, ["d", "c", "b"], None),
        ({"run": 3}, ["d"], "2.0.0"),
    ],
)
def test_targets(target: dict[str, Any], undone: list[str], version: str | None) -> None:
    """A rollback goes in reverse applied order to a version, some steps or a run; without a target everything is undone."""
    planned = plan(**target)
    assert [one.row.step for one in planned.steps] == undone
    assert planned.version_after == version


def test_each_step_knows_what_it_leaves() -> None:
    """After each step the plugin has the highest version that is whole, and the chain that ends there."""
    assert [(one.version_after, one.chain_after) for one in plan().steps] == [("2.0.0", "#c"), ("1.0.0", "#b"), (None, "#a"), (None, None)]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ({"version": "1.5.0"}, "version 1.5.0"),
        ({"steps": 0}, "before its last 0 steps"),
        ({"steps": 5}, "before its last 5 steps"),
        ({"run": 9}, "before run 9"),
        ({"steps": 1, "version": "1.0.0"}, "several targets"),
    ],
)
def test_targets_that_the_ledger_does_not_hold(target: dict[str, Any], says: str) -> None:
    """They are refused, saying what there is."""
    with pytest.raises(UnknownRollbackTarget) as caught:
        plan(**target)
    assert says in caught.value.target


@given(st.lists(st.tuples(st.sampled_from(["0.9", "1.0.0", "1.2", "1.10", "2.0.0"]), st.booleans()), min_size=1, max_size=8))
def test_what_any_step_leaves(drawn: list[tuple[str, bool]]) -> None:
    """In whatever order versions were applied, and whatever is left in place: the highest below its own of those that remain."""
    rows = [row(f"s{place}", version, 1, down="stored" if has_way_back else None) for place, (version, has_way_back) in enumerate(drawn)]
    remaining = list(rows)
    for one in plan(state(*rows), skip_irreversible=True).steps:
        remaining.remove(one.row)
        chain = remaining[-1].chain if remaining else None
        assert (one.version_after, one.chain_after) == (highest_below(one.row.version, remaining), chain)


def test_a_target_that_is_no_version() -> None:
    """It is refused as such."""
    with pytest.raises(InvalidPluginVersion):
        plan(version="soon")


def test_a_run_that_others_stand_on() -> None:
    """A run is not undone from under the steps of a later one."""
    with pytest.raises(DependantApplied) as caught:
        plan(run=2)
    assert caught.value.dependants == ("d",)


def test_the_declared_way_back_goes_before_the_stored_one() -> None:
    """The code's `down` is used where the code still has the step, the ledger's where it has not."""
    declared = {
        "d": MigrationStep("d", "D", up="x", down="declared", version="3.0.0"),
        "c": MigrationStep("c", "C", up="x", version="2.0.0"),
    }
    assert [(one.row.step, one.down, one.description) for one in plan(declared=declared, steps=3).steps] == [
        ("d", "declared", "D"),
        ("c", "stored", "C"),
        ("b", "stored", ""),
    ]


def test_a_step_without_a_way_back() -> None:
    """It refuses the whole rollback before anything is undone, or is left in place when told so."""
    at = state(row("a", "1.0.0", 1), row("b", "2.0.0", 1, down=None), row("c", "3.0.0", 1))
    with pytest.raises(NoRollbackMethod) as caught:
        plan(at)
    assert (caught.value.plugin, caught.value.step) == ("p", "b")
    planned = plan(at, skip_irreversible=True)
    assert [one.row.step for one in planned.steps] == ["c", "a"]
    assert planned.skipped == (SkippedStep(plugin="p", step="b", version="2.0.0", reason=None),)


def test_a_step_that_is_irreversible() -> None:
    """Its reason is told, and goes before a way back that the ledger has kept from an earlier release."""
    declared = {"d": MigrationStep("d", "D", up="x", irreversible="the rows are gone", version="3.0.0")}
    with pytest.raises(NoRollbackMethod, match=r"No rollback method for migration step: d \(plugin p\): the rows are gone"):
        plan(declared=declared)
    planned = plan(declared=declared, skip_irreversible=True)
    assert [(one.step, one.reason) for one in planned.skipped] == [("d", "the rows are gone")]


@pytest.mark.parametrize(
    ("requiring", "plugins", "refused"),
    [
        ([], {}, ()),
        ([("q", "s", "d")], {}, ("q:s",)),
        ([("q", "s", "a")], {}, ()),
        ([], {"q": ">=1"}, ()),
        ([], {"q": ">=3"}, ("plugin q",)),
    ],
)
def test_what_others_stand_on(requiring: list[tuple[str, str, str]], plugins: dict[str, str], refused: tuple[str, ...]) -> None:
    """Steps and plugins that need what would be undone are named; what stays is no hindrance."""
    dependents = {name: SpecifierSet(text) for name, text in plugins.items()}
    planned = plan(version="2.0.0")
    if not refused:
        check_dependants(planned, requiring=requiring, dependent_plugins=dependents)
        return
    with pytest.raises(DependantApplied) as caught:
        check_dependants(planned, requiring=requiring, dependent_plugins=dependents)
    assert caught.value.dependants == refused


def test_a_plugin_that_needs_any_version() -> None:
    """It is in the way of undoing everything."""
    with pytest.raises(DependantApplied):
        check_dependants(plan(), requiring=[], dependent_plugins={"q": SpecifierSet("")})
