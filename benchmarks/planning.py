"""Planning alone, without a database: beside what `packaging` needs to sort and compare the same versions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from packaging.version import Version

from benchmarks.measure import Row, compare, seconds
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime
from roost.migrations._fingerprint import fingerprint_of
from roost.migrations._plan import AppliedStep, PluginState
from roost.migrations._versions import parse_version

GOAL = 2.0
PLUGINS, STEPS = 100, 100
ROUNDS = 15
Work = TypeVar("Work")
NOWHERE = PluginState(version=None, applied=())
"""Where a plugin of an empty database stands."""


async def planning() -> AsyncIterator[Row]:
    """Compare where all steps are to be run, and where all but the last are applied."""
    services = [_service(number) for number in range(PLUGINS)]
    limit = partial(seconds, _doing(_sort_and_compare, [[_version(plugin, step) for step in range(STEPS)] for plugin in range(PLUGINS)]))
    states = {"nothing applied": [NOWHERE] * PLUGINS, "all but one applied": [_almost_there(service) for service in services]}
    for name, found in states.items():
        yield await compare(
            f"planning, {PLUGINS * STEPS:,} steps, {name}",
            goal=GOAL,
            candidate=partial(seconds, _doing(_plan, list(zip(services, found, strict=True)))),
            limit=limit,
            rounds=ROUNDS,
        )


def _version(plugin: int, step: int) -> str:
    """Return the version of a step: no two steps of all plugins have the same, so that no cache of versions helps."""
    return f"{plugin + 1}.{step // 10}.{step % 10}"


def _service(plugin: int) -> PluginMigrationService:
    class Migrations(PluginMigrationService):
        service_name = f"plugin{plugin}-migration"
        steps = tuple(
            MigrationStep(f"s{step}", "A small step", up=f"SELECT {step}", version=_version(plugin, step)) for step in range(STEPS)
        )

    return Runtime(plugins=[Plugin(name=f"plugin{plugin}", services=[Migrations])]).get_service(Migrations)


def _almost_there(service: PluginMigrationService) -> PluginState:
    plan = service.plan(NOWHERE, "strict")
    rows = tuple(
        AppliedStep(
            step=planned.step.id,
            version=planned.version,
            state="done",
            fingerprint=fingerprint_of(planned.step),
            chain=planned.chain,
            breaking=False,
            requires=(),
            run=1,
        )
        for planned in plan.steps[:-1]
    )
    return PluginState(version=rows[-1].version, applied=rows)


def _plan(work: Sequence[tuple[PluginMigrationService, PluginState]]) -> None:
    for service, state in work:
        plan = service.plan(state, "strict")
        assert len(plan.steps) == STEPS - len(state.applied), len(plan.steps)


def _sort_and_compare(versions: Sequence[Sequence[str]]) -> None:
    for texts in versions:
        parsed = sorted(map(Version, texts))
        assert sum(version <= parsed[-1] for version in parsed) == len(texts)


def _doing(work: Callable[[Work], None], argument: Work) -> Callable[[], Awaitable[None]]:
    async def do() -> None:
        parse_version.cache_clear()
        work(argument)

    return do
