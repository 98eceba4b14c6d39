from __future__ import annotations

from dataclasses import replace

import pytest

from roost import MigrationStep, Plugin, PluginMigrationService, Runtime
from roost.errors import StepIsRepeatable, StepNotInDoubt
from roost.migrations._plan import AppliedStep, PluginState
from roost.migrations._repair import Repair, plan_repair
from roost.migrations._repeatable import RepeatedStep

STEPS = [
    MigrationStep("a", "A", up="A", version="1.0.0"),
    MigrationStep("b", "B", up="B", version="1.0.0"),
    MigrationStep("c", "C", up="C", version="2.0.0"),
]


def service_of(*steps: MigrationStep) -> PluginMigrationService:
    """Return the service that has these steps."""
    kind = type("Migrations", (PluginMigrationService,), {"steps": steps})
    return Runtime(plugins=[Plugin("p", services=[kind])]).get_service(kind)


def row(step: MigrationStep, state: str = "done") -> AppliedStep:
    """Return the ledger's row of a step."""
    return AppliedStep(
        step=step.id,
        version=step.version or "",
        state=state,
        fingerprint="",
        chain=f"#{step.id}",
        breaking=False,
        requires=(),
        run=1,
    )


def at(version: str | None, head: str | None, *rows: AppliedStep) -> PluginState:
    """Return where the plugin stands."""
    return PluginState(version=version, applied=rows, head=head)


def outcome(repair: Repair) -> tuple[str, str | None, str | None]:
    """Return the direction, and version and chain afterwards."""
    return repair.direction, repair.version_after, repair.chain_after


A, B, C = STEPS


@pytest.mark.parametrize("state", ["escaped", "intent"])
@pytest.mark.parametrize(
    ("before", "last", "done", "undone"),
    [
        (at(None, None), A, ("up", None, "#a"), ("up", None, None)),
        (at(None, "#a", row(A)), B, ("up", "1.0.0", "#b"), ("up", None, "#a")),
        (at("1.0.0", "#b", row(A), row(B)), C, ("up", "2.0.0", "#c"), ("up", "1.0.0", "#b")),
        (at("1.5.0", "#b", row(A), row(B)), C, ("up", "2.0.0", "#c"), ("up", "1.5.0", "#b")),
    ],
)
def test_a_step_on_its_way_up(
    state: str, before: PluginState, last: MigrationStep, done: tuple[str, str, str], undone: tuple[str, str, str]
) -> None:
    """Done, it moves the plugin as a finished step does, to its version only after the last step of that; undone, it moves nothing."""
    doubtful = replace(before, applied=(*before.applied, row(last, state)))
    assert outcome(plan_repair(service_of(*STEPS), doubtful, step=last.id, done=True)) == done
    assert outcome(plan_repair(service_of(*STEPS), doubtful, step=last.id, done=False)) == undone


@pytest.mark.parametrize(
    ("now", "step", "undone"),
    [
        (at("2.0.0", "#c", row(A), row(B), row(C, "escaped")), C, ("down", "1.0.0", "#b")),
        (at("1.0.0", "#b", row(A), row(B, "escaped")), B, ("down", None, "#a")),
        (at(None, "#a", row(A, "escaped")), A, ("down", None, None)),
        (at("2.0.0", "#c", row(A), row(B, "escaped"), row(C)), B, ("down", None, "#c")),
    ],
)
def test_a_step_on_its_way_down(now: PluginState, step: MigrationStep, undone: tuple[str, str, str]) -> None:
    """Still done, it moves nothing, as the head stands on it; undone, it moves the plugin as a rollback does."""
    assert outcome(plan_repair(service_of(*STEPS), now, step=step.id, done=True)) == ("down", now.version, now.head)
    assert outcome(plan_repair(service_of(*STEPS), now, step=step.id, done=False)) == undone


def test_a_step_that_the_code_no_longer_has() -> None:
    """It counts as applied, and the version is left for the next run to move; the same where code and ledger don't fit."""
    now = at("1.0.0", "#b", row(A), row(B), row(C, "escaped"))
    assert outcome(plan_repair(service_of(A, B), now, step="c", done=True)) == ("up", "1.0.0", "#c")
    unknown = at("1.0.0", "#x", row(A), row(MigrationStep("x", "X", up="X", version="1.0.0")), row(C, "escaped"))
    assert outcome(plan_repair(service_of(*STEPS), unknown, step="c", done=True)) == ("up", "1.0.0", "#c")


def test_steps_that_are_computed() -> None:
    """The last step of a call that returned it leads to the target of that call."""

    class Computed(PluginMigrationService):
        def get_target_version(self) -> str:
            return "3.0.0"

        def get_migration_steps(self, from_version: str, to_version: str) -> list[MigrationStep]:
            return [replace(A, version=None), replace(B, version=None)]

    service = Runtime(plugins=[Plugin("p", services=[Computed])]).get_service(Computed)
    half = at("1.0.0", None, row(replace(A, version="3.0.0"), "escaped"))
    assert outcome(plan_repair(service, half, step="a", done=True)) == ("up", "1.0.0", "#a")
    whole = at("1.0.0", "#a", row(replace(A, version="3.0.0")), row(replace(B, version="3.0.0"), "escaped"))
    assert outcome(plan_repair(service, whole, step="b", done=True)) == ("up", "3.0.0", "#b")


@pytest.mark.parametrize(
    ("step", "state", "suggestions", "hint"),
    [
        ("fill-kinds", None, ("fill-kind",), "did you mean fill-kind?"),
        ("make-note", None, ("make-notes",), "did you mean make-notes?"),
        ("other", None, (), "in doubt are: fill-kind"),
        ("make-notes", "done", (), "in doubt are: fill-kind"),
    ],
)
def test_a_step_that_is_in_no_doubt(step: str, state: str | None, suggestions: tuple[str, ...], hint: str) -> None:
    """It is refused with what the ledger says of it, and whoever has mistyped a name is told the one that is near."""
    make = MigrationStep("make-notes", "M", up="M", version="1.0.0")
    fill = MigrationStep("fill-kind", "F", up="F", version="1.0.0")
    with pytest.raises(StepNotInDoubt) as caught:
        plan_repair(service_of(make, fill), at(None, "#make-notes", row(make), row(fill, "escaped")), step=step, done=True)
    assert (caught.value.state, caught.value.suggestions, caught.value.hint) == (state, suggestions, hint)


def test_a_repeatable_step_is_never_in_doubt() -> None:
    """It is refused as what it is, not as a step that nobody knows."""
    state = PluginState(version=None, applied=(), repeated=(RepeatedStep(step="view", fingerprint="f", run=1),))
    with pytest.raises(StepIsRepeatable) as caught:
        plan_repair(service_of(*STEPS), state, step="view", done=True)
    assert caught.value.message == "Can't repair step 'view' of plugin p: it is repeatable"
