from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from roost import Plugin, Runtime, Service
from roost.migrations import LockWaitFinished, RunFinished, RunStarted, StepFinished, StepRetried
from roost.runtime import ServiceCrashed
from roost.telemetry import measure_with_prometheus

ERROR = ValueError("no room")
SAMPLES = (
    RunStarted(services=("a",)),
    LockWaitFinished(acquired=True, duration=2.0, error=None),
    LockWaitFinished(acquired=False, duration=0.5, error=None),
    LockWaitFinished(acquired=False, duration=0.5, error=ERROR),
    StepFinished(plugin="notes", step="make", version="1.0.0", direction="up", index=1, total=2, duration=0.2, attempts=1, error=None),
    StepRetried(plugin="notes", step="fill", attempt=1, error=ERROR),
    StepFinished(plugin="notes", step="fill", version="1.0.0", direction="up", index=2, total=2, duration=3.0, attempts=2, error=ERROR),
    ServiceCrashed(service="queue", error=ERROR, outcome="degrade"),
    RunFinished(steps=1, duration=4.0, error=ERROR),
    RunStarted(services=("a",)),
)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """Return a sample."""
    return registry.get_sample_value(name, labels)


def test_what_is_counted_and_timed() -> None:
    """Runs, waits, steps, retries and crashes, by plugin, direction, service and outcome, in seconds."""
    runtime, registry = Runtime(), CollectorRegistry()
    measure_with_prometheus(runtime, registry=registry)
    for event in SAMPLES:
        runtime.events.emit(event)
    assert value(registry, "roost_migration_run_duration_seconds_sum", outcome="failed") == 4.0
    assert value(registry, "roost_migration_runs_in_progress") == 1
    assert [value(registry, "roost_migration_lock_wait_seconds_sum", outcome=one) for one in ("acquired", "not needed", "failed")] == [
        2.0,
        0.5,
        0.5,
    ]
    assert [value(registry, "roost_migration_steps_total", plugin="notes", direction="up", outcome=one) for one in ("done", "failed")] == [
        1,
        1,
    ]
    assert value(registry, "roost_migration_step_duration_seconds_sum", plugin="notes", direction="up") == 3.2
    assert value(registry, "roost_migration_step_duration_seconds_bucket", plugin="notes", direction="up", le="0.25") == 1
    assert value(registry, "roost_migration_step_retries_total", plugin="notes") == 1
    assert value(registry, "roost_service_crashes_total", service="queue", outcome="degrade") == 1


def test_steps_have_series_only_where_they_are_asked_for() -> None:
    """Ids of steps are no labels, as there are ever more of them; who asks gets them."""
    for with_steps in (False, True):
        runtime, registry = Runtime(), CollectorRegistry()
        measure_with_prometheus(runtime, registry=registry, with_steps=with_steps)
        for event in SAMPLES:
            runtime.events.emit(event)
        assert (b'step="fill"' in generate_latest(registry)) is with_steps


@pytest.mark.asyncio
async def test_services_are_counted_when_somebody_asks() -> None:
    """Each state has its number of services and of nothing else, those without one too, and the runtime says whether it is ready."""
    plugin = Plugin(name="p", services=[type("A", (Service,), {}), type("B", (Service,), {})])
    runtime, registry = Runtime(plugins=[plugin]), CollectorRegistry()
    measure_with_prometheus(runtime, registry=registry)
    assert value(registry, "roost_runtime_ready") == 0
    async with runtime:
        running = [value(registry, "roost_services", state=state) for state in ("running", "failed")]
        assert (running, value(registry, "roost_runtime_ready")) == ([2, 0], 1)
    assert (value(registry, "roost_services", state="stopped"), value(registry, "roost_runtime_ready")) == (2, 0)


def test_it_leaves_the_registry_as_it_was() -> None:
    """The end takes all metrics out and nobody listens; a registry that has them already is refused, and gets no half of them."""
    runtime, registry = Runtime(), CollectorRegistry()
    end = measure_with_prometheus(runtime, registry=registry)
    other = Runtime()
    with pytest.raises(ValueError, match="uplicate"):
        measure_with_prometheus(other, registry=registry)
    assert not other.events.wants(RunFinished)
    end()
    end()
    assert (generate_latest(registry), runtime.events.wants(RunFinished)) == (b"", False)
    Counter("roost_service_crashes", "Somebody else's.", registry=registry)
    before = generate_latest(registry)
    with pytest.raises(ValueError, match="uplicate"):
        measure_with_prometheus(other, registry=registry)
    assert generate_latest(registry) == before


def test_names_are_as_prometheus_wants_them() -> None:
    """All begin with the library's name; seconds end in their unit, counters in `_total`, and each says what it is."""
    runtime, registry = Runtime(), CollectorRegistry()
    measure_with_prometheus(runtime, registry=registry)
    for event in SAMPLES:
        runtime.events.emit(event)
    families = {family.name: family for family in registry.collect()}
    assert all(name.startswith("roost_") and family.documentation.endswith(".") for name, family in families.items())
    assert {name for name, family in families.items() if family.type == "histogram" and not name.endswith("_seconds")} == set()
    assert {sample.name for family in families.values() if family.type == "counter" for sample in family.samples} >= {
        "roost_migration_steps_total",
        "roost_service_crashes_total",
    }
