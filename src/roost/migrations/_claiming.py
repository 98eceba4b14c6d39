"""Writes down, under the lock, that steps are in the database, or are not, because a person says so; and looks whether that may be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from roost.errors import ClaimNotChecked, ClaimNotFound, UnknownVersion
from roost.migrations import _ledger as ledger
from roost.migrations._adoption import adopt_all, adopt_chosen, adopt_one, adopting, check_requirements, disown, disowning, refuse_applied
from roost.migrations._claim import Claim, claim_of
from roost.migrations._claim_lookup import differences, look_up
from roost.migrations._groups import DEFAULT_SCHEMA
from roost.migrations._protocol import KnowsItsSteps, PlansBehind
from roost.migrations._records import ClaimedSteps, UnmarkedStep
from roost.migrations._rollback import plugins_on
from roost.postgres import SQL_EXTRA, has_parser, parse_sql

if TYPE_CHECKING:
    from roost.migrations._adoption import Adoption, Disowning
    from roost.migrations._config import Policy
    from roost.migrations._plan import PluginState
    from roost.migrations._protocol import KeepsLedger
    from roost.migrations._run import MigrationRun
    from roost.migrations._step import MigrationStep
    from roost.postgres import MigrationSession
    from roost.runtime import Runtime


def baseline_at(service: KeepsLedger, version: str, policy: Policy) -> Callable[[PluginState], Adoption]:
    """Return what decides on a baseline; it raises what `refuse_applied` and the service's plan raise."""

    def decide(state: PluginState) -> Adoption:
        declared = service.known_steps(state) if isinstance(service, KnowsItsSteps) else ()
        refuse_applied(state, plugin=service.plugin_name, declared=declared)
        if not isinstance(service, KnowsItsSteps):
            raise UnknownVersion(plugin=service.plugin_name, version=version, target=service.target_version())
        return adopt_all(service.plan_up_to(version, state, policy), state)

    return decide


def mark_of(service: KeepsLedger, step: str, policy: Policy) -> Callable[[PluginState], Adoption]:
    """Return what decides on a mark; it raises what `adopt_one` and the service's plan raise."""
    return lambda state: adopt_one(service.plan(state, policy), state, step=step, in_order=policy == "strict")


def claim_of_chosen(
    service: KeepsLedger, choose: Callable[[Sequence[MigrationStep]], Collection[str]], policy: Policy
) -> Callable[[PluginState], Adoption]:
    """Return what decides on a claim of several steps; it raises what `choose`, `adopt_chosen` and the service's plan raise."""

    def decide(state: PluginState) -> Adoption:
        plan = service.plan(state, policy)
        known = service.known_steps(state) if isinstance(service, KnowsItsSteps) else [planned.step for planned in plan.steps]
        chosen = choose(known)
        if isinstance(service, PlansBehind):
            plan = service.plan_behind(chosen, state, policy)
        return adopt_chosen(plan, state, chosen=chosen)

    return decide


async def look_at_claim(
    session: MigrationSession, service: KeepsLedger, decide: Callable[[PluginState], Adoption], *, check: bool
) -> tuple[Adoption, ClaimedSteps]:
    """Decide on a claim, and look in the database for what the steps make.

    Args:
        session: Where to look.
        service: The service whose steps they are.
        decide: Makes the decision on what the ledger holds.
        check: Whether to look.

    Returns:
        The decision, and what it comes to.

    Raises:
        ClaimNotFound: The database lacks something.
        ClaimNotChecked: SQL can't be read here.
        RequiredStepMissing: A step requires one that is not applied.
        MigrationError: As `decide` raises it.
    """
    plugin = service.plugin_name
    state = await ledger.plugin_state(session, plugin)
    adoption = decide(state)
    steps = [planned.step for planned in adoption.steps]
    if any(step.requires for step in steps):
        check_requirements(adoption, plugin=plugin, applied=sorted(await ledger.applied_names(session)))
    found: tuple[str, ...] = ()
    not_checked = tuple(f"{step.id}: not looked for" for step in steps)
    if check:
        in_sql = tuple(step.id for step in steps if isinstance(step.up, str))
        if in_sql and not has_parser():
            raise ClaimNotChecked(plugin=plugin, steps=in_sql, remedy=SQL_EXTRA)
        claim = _claim(service, state, steps)
        missing = differences(claim.objects, await look_up(session, claim.objects))
        if missing:
            raise ClaimNotFound(plugin=plugin, missing=missing)
        found, not_checked = tuple(one.label for one in claim.objects), claim.not_checked
    seen = ClaimedSteps(
        plugin=plugin,
        steps=tuple(step.id for step in steps),
        version=adoption.version_after,
        run=None,
        found=found,
        not_checked=not_checked,
    )
    return adoption, seen


async def write_claim(run: MigrationRun, service: KeepsLedger, decide: Callable[[PluginState], Adoption], *, check: bool) -> ClaimedSteps:
    """Write a claim down in a run's turn; arguments and errors as of `look_at_claim`.

    Raises:
        MigrationLockLost: The run's turn is over; nothing was written.
    """
    adoption, seen = await look_at_claim(run.session, service, decide, check=check)
    await run.in_turn(lambda turn: adopting(turn, adoption), plugin=service.plugin_name, service=service.service_name)
    return replace(seen, run=run.number)


async def look_at_unmark(session: MigrationSession, service: KeepsLedger, *, step: str, runtime: Runtime) -> tuple[Disowning, UnmarkedStep]:
    """Decide whether a step's row may go, and look in the database for what the step made.

    Args:
        session: Where to look.
        service: The service whose step it is.
        step: The step's id.
        runtime: Whose plugins may depend on it.

    Returns:
        The decision, and what it comes to.

    Raises:
        UnmarkRefused: It may not.
    """
    plugin = service.plugin_name
    state = await ledger.plugin_state(session, plugin)
    requiring = await ledger.requiring_steps(session, plugin) if state.applied else []
    dependent = {
        name: accepted
        for name, accepted in plugins_on(plugin, runtime.plugins).items()
        if (await ledger.plugin_state(session, name)).applied
    }
    found = disown(state, plugin=plugin, step=step, requiring=requiring, dependent_plugins=dependent)
    known = service.known_steps(state) if isinstance(service, KnowsItsSteps) else ()
    own = [one for one in known if one.id == step]
    if not own:
        claim = Claim(not_checked=(f"{step}: the code has no SQL for it",))
    elif isinstance(own[0].up, str) and not has_parser():
        claim = Claim(not_checked=(f"{step}: SQL can't be read here without the extra sql ({SQL_EXTRA})",))
    else:
        claim = _claim(service, state, own)
    looked = zip(claim.objects, await look_up(session, claim.objects), strict=True)
    return found, UnmarkedStep(
        plugin=plugin,
        steps=(step,),
        version=found.version_after,
        run=None,
        still_there=tuple(one.label for one, what in looked if what.is_there),
        not_checked=claim.not_checked,
    )


async def write_unmark(run: MigrationRun, service: KeepsLedger, *, step: str) -> UnmarkedStep:
    """Take a step's row away in a run's turn; arguments and errors as of `look_at_unmark`.

    Raises:
        MigrationLockLost: The run's turn is over; nothing was written.
    """
    found, seen = await look_at_unmark(run.session, service, step=step, runtime=run.runtime)
    await run.in_turn(lambda turn: disowning(turn, found), plugin=service.plugin_name, service=service.service_name)
    return replace(seen, run=run.number)


def _claim(service: KeepsLedger, state: PluginState, steps: Sequence[MigrationStep]) -> Claim:
    """Return what steps claim, in the light of those that are applied already."""
    ids = frozenset(step.id for step in steps)
    known: Sequence[MigrationStep] = ()
    schema = None
    if isinstance(service, KnowsItsSteps):
        known, schema = service.known_steps(state), service.schema
    applied = {row.step for row in state.applied} - ids
    before = [step for step in known if step.id in applied] if has_parser() else []
    return claim_of([*before, *steps], of=ids, schema=schema or DEFAULT_SCHEMA, parse=parse_sql)
