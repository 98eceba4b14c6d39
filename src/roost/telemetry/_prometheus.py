"""Events as Prometheus' counters, histograms and gauges. The one room that knows its client."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias, get_args

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from roost.migrations import LockWaitFinished, RunFinished, RunStarted, StepFinished, StepRetried
from roost.runtime import ServiceCrashed, State

if TYPE_CHECKING:
    from roost.runtime import Runtime

CollectorRegistry: TypeAlias = prometheus_client.CollectorRegistry

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""The upper bounds of the buckets: a step takes milliseconds, or half an hour."""


class Metrics:
    """Counts and times what a runtime does.

    Args:
        runtime: The runtime.
        with_steps: Whether each step has a time series of its own.
    """

    def __init__(self, runtime: Runtime, *, with_steps: bool) -> None:
        self._runtime = runtime
        self._with_steps = with_steps
        step = ("step",) if with_steps else ()
        self._runs = _histogram("roost_migration_run_duration_seconds", "How long runs of migrations took.", "outcome")
        self._running = Gauge("roost_migration_runs_in_progress", "Runs of migrations in progress in this process.", registry=None)
        self._waits = _histogram("roost_migration_lock_wait_seconds", "How long runs waited for the migration lock.", "outcome")
        self._durations = _histogram(
            "roost_migration_step_duration_seconds", "How long steps took, all their attempts together.", "plugin", "direction", *step
        )
        self._steps = _counter("roost_migration_steps_total", "Steps by how they ended.", "plugin", "direction", *step, "outcome")
        self._retries = _counter("roost_migration_step_retries_total", "Further attempts at steps.", "plugin", *step)
        self._crashes = _counter("roost_service_crashes_total", "Crashes of running services.", "service", "outcome")

    def subscribe(self, given: CollectorRegistry | None) -> Callable[[], None]:
        """Listen, and be in a registry, or the global one, until what is returned is called; errors as the registry raises them."""
        registry = prometheus_client.REGISTRY if given is None else given
        collectors = (
            self._runs,
            self._running,
            self._waits,
            self._durations,
            self._steps,
            self._retries,
            self._crashes,
            _Services(self._runtime),
        )
        undoing = ExitStack()
        try:
            for collector in collectors:
                registry.register(collector)
                undoing.callback(registry.unregister, collector)
        except BaseException:
            undoing.close()
            raise
        subscribe = self._runtime.events.subscribe
        undoing.callback(subscribe(lambda _: self._running.inc(), RunStarted))
        undoing.callback(subscribe(self._run_finished, RunFinished))
        undoing.callback(subscribe(self._lock_wait_finished, LockWaitFinished))
        undoing.callback(subscribe(self._step_finished, StepFinished))
        undoing.callback(subscribe(self._step_retried, StepRetried))
        undoing.callback(subscribe(self._crashed, ServiceCrashed))
        return undoing.close

    def _run_finished(self, event: RunFinished) -> None:
        self._running.dec()
        self._runs.labels(_outcome(event.error)).observe(event.duration)

    def _lock_wait_finished(self, event: LockWaitFinished) -> None:
        outcome = "failed" if event.error is not None else "acquired" if event.acquired else "not needed"
        self._waits.labels(outcome).observe(event.duration)

    def _step_finished(self, event: StepFinished) -> None:
        labels = (event.plugin, event.direction, *self._step_of(event))
        self._durations.labels(*labels).observe(event.duration)
        self._steps.labels(*labels, _outcome(event.error)).inc()

    def _step_retried(self, event: StepRetried) -> None:
        self._retries.labels(event.plugin, *self._step_of(event)).inc()

    def _crashed(self, event: ServiceCrashed) -> None:
        self._crashes.labels(event.service, event.outcome).inc()

    def _step_of(self, event: StepFinished | StepRetried) -> tuple[str, ...]:
        return (event.step,) if self._with_steps else ()


class _Services(Collector):
    """Where the services of a runtime stand at the moment when somebody asks."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        """Return each state with the number of services in it, and whether the runtime is ready."""
        services = GaugeMetricFamily("roost_services", "Services by state.", labels=["state"])
        tally = Tally(unit.state for unit in self._runtime.status() if unit.kind == "service")
        for state in get_args(State):
            services.add_metric([state], tally[state])
        yield services
        yield GaugeMetricFamily("roost_runtime_ready", "Whether all services are started.", value=float(self._runtime.is_ready))


def _histogram(name: str, description: str, *labels: str) -> Histogram:
    return Histogram(name, description, labels, registry=None, buckets=SECONDS)


def _counter(name: str, description: str, *labels: str) -> Counter:
    return Counter(name, description, labels, registry=None)


def _outcome(error: BaseException | None) -> str:
    return "done" if error is None else "failed"
