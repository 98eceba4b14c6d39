"""Which repeatable steps run and in which order, whatever was declared before and wherever a run ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost import MigrationStep, Plugin, PluginMigrationService, RepeatableStep, Runtime
from roost.errors import DuplicateStep, InvalidStep, RepeatableCycle, UnknownRepeatable
from roost.migrations._fingerprint import sql_fingerprint
from roost.migrations._plan import AppliedStep, Plan, PluginState
from roost.migrations._repeatable import PlannedRepeatable, RepeatedStep, in_turn, plan_repeatable
from roost.migrations._whole_plan import with_repeatable

NOTHING = PluginState(version=None, applied=())


def step(name: str, *after: str, up: str = "SELECT 1") -> RepeatableStep:
    """Return a repeatable step."""
    return RepeatableStep(name, name.title(), up=up, after=after)


def ids(steps: Sequence[RepeatableStep] | Sequence[PlannedRepeatable]) -> list[str]:
    """Return the ids of steps, planned or not."""
    return [one.step.id if isinstance(one, PlannedRepeatable) else one.id for one in steps]


@st.composite
def graphs(draw: st.DrawFn) -> list[RepeatableStep]:
    """Draw steps that come after each other in no circle, listed in any order, each of one of few texts."""
    count = draw(st.integers(0, 7))
    steps = [
        step(f"s{index}", *(f"s{other}" for other in draw(st.sets(st.integers(0, index - 1)) if index else st.just(set()))))
        for index in range(count)
    ]
    return draw(st.permutations(steps))


def texts(draw: st.DataObject, steps: Sequence[RepeatableStep]) -> list[RepeatableStep]:
    """Give each step one of few texts."""
    return [replace(one, up=f"SELECT {draw.draw(st.integers(0, 1))}") for one in steps]


def dependants(changed: set[str], steps: Sequence[RepeatableStep]) -> set[str]:
    """Return these and all that come after one of them, found step by step."""
    found = set(changed)
    while more := {one.id for one in steps if not found.isdisjoint(one.after)} - found:
        found |= more
    return found


def run(planned: Sequence[PlannedRepeatable], ledger: Mapping[str, str]) -> dict[str, str]:
    """Return the ledger after these steps, as its functions write it."""
    rows = dict(ledger)
    for one in planned:
        assert rows.get(one.step.id) == one.planned_over
        rows = {name: row for name, row in rows.items() if name not in one.followers} | {one.step.id: one.fingerprint}
    return rows


@given(graphs())
def test_the_order(steps: list[RepeatableStep]) -> None:
    """Each step is there once and after all that it names; and of those that could come next, it is always the one listed first."""
    ordered = in_turn(steps, plugin="p")
    assert sorted(ids(ordered)) == sorted(ids(steps))
    for index, one in enumerate(ordered):
        before = set(ids(ordered[:index]))
        assert before.issuperset(one.after)
        assert one is next(other for other in steps if other.id not in before and before.issuperset(other.after))


@given(graphs(), st.data())
def test_what_runs(steps: list[RepeatableStep], data: st.DataObject) -> None:
    """Through any changes of texts: exactly what changed and what comes after it runs, in the order; then nothing is left to run."""
    ledger: dict[str, str] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        ordered = in_turn(texts(data, steps), plugin="p")
        changed = {one.id for one in ordered if ledger.get(one.id) != sql_fingerprint(one.up)}
        planned = plan_repeatable(ordered, ledger, version="1")
        assert ids(planned) == [one.id for one in ordered if one.id in dependants(changed, ordered)]
        ledger = run(planned, ledger)
        assert ledger == {one.id: sql_fingerprint(one.up) for one in ordered}
        assert plan_repeatable(ordered, ledger, version="1") == ()


@given(graphs(), st.data())
def test_a_run_that_ends_anywhere_is_continued(steps: list[RepeatableStep], data: st.DataObject) -> None:
    """Whatever a run did not come to, the next one does, also where only something before it has changed; no step runs twice."""
    ordered = in_turn(texts(data, steps), plugin="p")
    ledger = run(plan_repeatable(ordered, {}, version="1"), {})
    ordered = in_turn(texts(data, steps), plugin="p")
    wanted = ids(plan_repeatable(ordered, ledger, version="1"))
    taken: list[str] = []
    while planned := plan_repeatable(ordered, ledger, version="1"):
        some = planned[: data.draw(st.integers(1, len(planned)))]
        ledger = run(some, ledger)
        taken += ids(some)
    assert taken == wanted


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([step("a"), step("a")], DuplicateStep(plugin="p", step="a")),
        ([step("made")], DuplicateStep(plugin="p", step="made")),
        ([step("views"), step("a", "view")], UnknownRepeatable(plugin="p", step="a", after="view", suggestions=("views",))),
        ([step("a", "other:view")], UnknownRepeatable(plugin="p", step="a", after="other:view")),
        ([step("a", "made")], UnknownRepeatable(plugin="p", step="a", after="made", is_versioned=True)),
        ([step("a", "a")], RepeatableCycle(plugin="p", steps=("a", "a"))),
        ([step("a", "c"), step("b", "a"), step("c", "b")], RepeatableCycle(plugin="p", steps=("a", "c", "b", "a"))),
    ],
)
def test_what_has_no_order_is_refused(steps: list[RepeatableStep], error: Exception) -> None:
    """A second step of one id, a name that is no repeatable step's, and steps that come after each other."""
    with pytest.raises(type(error)) as caught:
        in_turn(steps, plugin="p", taken=["made"])
    assert str(caught.value).replace("c after b after a after c", "a after c after b after a") == str(error)


def test_what_is_no_repeatable_step_is_refused() -> None:
    """A versioned step in the wrong list is named."""
    with pytest.raises(InvalidStep, match="no RepeatableStep"):
        in_turn([MigrationStep("a", "A", up="A")], plugin="p")  # type: ignore[list-item]


def test_the_whole_plan() -> None:
    """Repeatable steps have the version that the plugin has reached; what has run and is no longer declared is told."""
    plan = Plan(plugin="p", from_version="1.0", target="1.1")
    ran = (RepeatedStep(step="a", fingerprint="old", run=1), RepeatedStep(step="gone", fingerprint="x", run=1))
    whole = with_repeatable(plan, [step("a"), step("b")], replace(NOTHING, repeated=ran))
    assert [(one.step.id, one.version, one.planned_over) for one in whole.repeatable] == [("a", "1.1", "old"), ("b", "1.1", None)]
    assert whole.repeatable_left == ("gone",)
    assert whole.repeatable_declared == (("a", sql_fingerprint("SELECT 1")), ("b", sql_fingerprint("SELECT 1")))
    (unversioned,) = with_repeatable(Plan(plugin="p", from_version=None, target=None), [step("a")], NOTHING).repeatable
    assert unversioned.version == "0.0.0"


@pytest.mark.parametrize(
    "plan", [Plan(plugin="p", from_version="2.0", target="1.9"), Plan(plugin="p", from_version="1.0", target="1.0", is_ahead=True)]
)
def test_older_code_leaves_all_as_it_is(plan: Plan) -> None:
    """Where the database is ahead, or at a higher version, an older text does not come over a newer one, and nothing is told."""
    whole = with_repeatable(plan, [step("a")], replace(NOTHING, repeated=(RepeatedStep(step="x", fingerprint="x", run=1),)))
    assert (whole.repeatable, whole.repeatable_left) == ((), ())


def service_of(*repeatable: RepeatableStep, steps: Sequence[MigrationStep] = (), version: str | None = "1.0.0") -> PluginMigrationService:
    """Return the service that has these steps."""
    kind = type("Migrations", (PluginMigrationService,), {"steps": steps, "repeatable": repeatable})
    return Runtime(plugins=[Plugin("p", version=version, services=[kind])]).get_service(kind)


def test_what_is_declared_follows_what_is_repeatable() -> None:
    """Another text, order by `after`, or id is another declaration; another line end or description is not."""
    made = [MigrationStep("made", "Make", up="A", version="1.0.0")]
    plain = PluginMigrationService.declaration(service_of(steps=made), "strict")
    declared = [
        plain,
        service_of(step("a"), steps=made).declaration("strict"),
        service_of(step("b"), steps=made).declaration("strict"),
        service_of(step("a", up="A\nB"), steps=made).declaration("strict"),
        service_of(step("a"), step("b"), steps=made).declaration("strict"),
        service_of(step("a"), step("b", "a"), steps=made).declaration("strict"),
    ]
    assert len(set(declared)) == len(declared)
    same = RepeatableStep("a", "Something else", up="A\r\nB", lock_timeout=1)
    assert service_of(same, steps=made).declaration("strict") == declared[3]
    assert sql_fingerprint(same.up) == sql_fingerprint("A\nB")


def test_a_service_refuses_them_before_it_looks_at_a_database() -> None:
    """Its declaration, which a start computes first, is refused already; so is an id of its versioned steps."""
    with pytest.raises(RepeatableCycle):
        service_of(step("a", "a")).declaration("strict")
    with pytest.raises(DuplicateStep):
        service_of(step("made"), steps=[MigrationStep("made", "Make", up="A", version="1.0.0")]).declaration("strict")


def test_computed_steps_and_repeatable_ones() -> None:
    """In the computed form they are planned behind the steps on the way, also where none is left, and ids are told apart as well."""

    class Computed(PluginMigrationService):
        repeatable = (step("view"),)

        def get_target_version(self) -> str:
            return "1.0.0"

        def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
            return [MigrationStep("made", "Make", up="A")]

    service = Computed()
    assert ids(service.plan(NOTHING, "strict").repeatable) == ["view"]
    row = AppliedStep(step="made", version="1.0.0", state="done", fingerprint="", chain="", breaking=False, requires=(), run=1)
    reached = service.plan(PluginState(version="1.0.0", applied=(row,)), "strict")
    assert (reached.steps, ids(reached.repeatable)) == ((), ["view"])
    before = service.declaration("strict")
    service.repeatable = (step("made"),)
    assert service.declaration("strict") != before
    with pytest.raises(DuplicateStep):
        service.plan(NOTHING, "strict")


def test_a_plugin_that_has_nothing_else() -> None:
    """Its target is the plugin's version, if it has one."""
    service = service_of(step("a"))
    plan = service.plan(NOTHING, "strict")
    assert (service.target_version(), plan.target, ids(plan.repeatable)) == ("1.0.0", "1.0.0", ["a"])
    bare = service_of(step("a"), version=None)
    assert (bare.target_version(), bare.has_plugin_migrations("p")) == (None, True)
    assert not service_of(version="1.0.0").has_plugin_migrations("p")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": ""}, "non-empty"),
        ({"id": "a\n"}, "printable"),
        ({"up": 7}, "up is int and not SQL"),
        ({"up": len}, "up is builtin_function_or_method and not SQL"),
        ({"up": "a\0b"}, "NUL"),
        ({"up": "\\i file"}, "psql"),
        ({"up": ""}, "holds no statement"),
        ({"up": "-- nothing\n;;"}, "holds no statement"),
        ({"after": "view"}, "not 'view'"),
        ({"after": 7}, "not 7"),
        ({"after": (7,)}, r"not \(7,\)"),
        ({"lock_timeout": -1}, "lock_timeout is negative"),
        ({"statement_timeout": -0.5}, "statement_timeout is negative"),
    ],
)
def test_steps_that_are_not_well_formed(fields: dict[str, object], reason: str) -> None:
    """Each is refused when it is made, with the reason."""
    with pytest.raises(InvalidStep, match=reason):
        RepeatableStep(**{"id": "a", "description": "A", "up": "SELECT 1", **fields})  # type: ignore[arg-type]


def test_a_list_of_names_is_as_good() -> None:
    """What is given as a list becomes a tuple."""
    assert RepeatableStep("a", "A", up="A", after=["b"]).after == ("b",)  # type: ignore[arg-type]
