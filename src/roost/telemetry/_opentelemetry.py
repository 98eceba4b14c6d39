"""Events as spans and measurements. The one room that knows OpenTelemetry's API, of which it needs no SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode

from roost.migrations import (
    LockWaitFinished,
    LockWaitStarted,
    RunFinished,
    RunStarted,
    ServiceMigrationFinished,
    ServiceMigrationStarted,
    SessionReopened,
    StepBlocked,
    StepFinished,
    StepRetried,
    StepStarted,
    run_trace_id,
)
from roost.runtime import ServiceCrashed
from roost.telemetry._attributes import (
    SYSTEM,
    attributes_of_database,
    attributes_of_error,
    attributes_of_step,
    type_of_error,
)

if TYPE_CHECKING:
    from roost.runtime import EventBus, Runtime

TracerProvider: TypeAlias = trace.TracerProvider
MeterProvider: TypeAlias = metrics.MeterProvider

SCOPE = "roost"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Between these durations are told apart: a step takes milliseconds, or half an hour."""


@dataclass(slots=True)
class _Open:
    """A span that has begun, and what makes it current, where it was made so."""

    span: Span
    context: Context
    token: Token[Context] | None


@dataclass(slots=True, eq=False)
class _Run:
    """The spans of a run in progress.

    Attributes:
        own: The run's own span.
        task: The task in which the run is.
        outer_trace_id: What the trace's id was before.
        service: The span of the service whose turn it is.
        steps: The spans of steps in progress, by plugin and step.
    """

    own: _Open
    task: asyncio.Task[object] | None
    outer_trace_id: str | None
    service: _Open | None = None
    steps: dict[tuple[str, str], _Open] = field(default_factory=dict)


class Spans:
    """Makes spans of a runtime's runs.

    Args:
        runtime: The runtime.
        provider: Where spans go; None takes the global one.
    """

    def __init__(self, runtime: Runtime, provider: TracerProvider | None) -> None:
        self._runtime = runtime
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=provider)
        self._runs: list[_Run] = []
        self._ends: list[Callable[[], None]] = []
        self._is_ending = False
        # Events name no run, but each is told in its run's context, or that of its connection, which was made there.
        self._of_context: ContextVar[_Run | None] = ContextVar("roost_run_spans", default=None)

    def subscribe(self) -> Callable[[], None]:
        """Listen, until what is returned is called."""
        subscribe = self._runtime.events.subscribe
        begins = subscribe(self._run_started, RunStarted)
        self._ends = [
            subscribe(self._service_started, ServiceMigrationStarted),
            subscribe(self._service_finished, ServiceMigrationFinished),
            subscribe(self._step_started, StepStarted),
            subscribe(self._step_finished, StepFinished),
            subscribe(self._noted, LockWaitStarted, LockWaitFinished, SessionReopened, StepRetried, StepBlocked),
            subscribe(self._run_finished, RunFinished),
        ]

        def end() -> None:
            begins()
            self._is_ending = True
            self._end_when_idle()

        return end

    def _end_when_idle(self) -> None:
        if self._is_ending and not self._runs:
            for unsubscribe in self._ends:
                unsubscribe()

    def _run_started(self, event: RunStarted) -> None:
        span = self._tracer.start_span("roost.run")
        if span.is_recording():
            span.set_attributes({**attributes_of_database(self._runtime), "roost.services": event.services})
        run = _Run(self._opened(span, contexts.get_current(), is_current=True), _task(), run_trace_id.get())
        self._runs.append(run)
        self._of_context.set(run)
        found = span.get_span_context()
        if found.is_valid:
            run_trace_id.set(trace.format_trace_id(found.trace_id))

    def _run_finished(self, event: RunFinished) -> None:
        run = self._present()
        if run is None:
            return
        for step in run.steps.values():  # what was cancelled tells no end of its own
            _close(step, event.error, is_current=False)
        if run.service is not None:
            _close(run.service, event.error, is_current=False)
        run.own.span.set_attribute("roost.steps", event.steps)
        _close(run.own, event.error, is_current=run.task is _task())
        self._runs.remove(run)
        self._of_context.set(None)
        run_trace_id.set(run.outer_trace_id)
        self._end_when_idle()

    def _service_started(self, event: ServiceMigrationStarted) -> None:
        run = self._present()
        if run is None:
            return
        span = self._tracer.start_span("roost.service", run.own.context)
        if span.is_recording():
            span.set_attributes({**SYSTEM, "roost.service": event.service, "roost.plugin": event.plugin})
        run.service = self._opened(span, run.own.context, is_current=run.task is _task())

    def _service_finished(self, event: ServiceMigrationFinished) -> None:
        run = self._present()
        if run is None or run.service is None:
            return
        if run.service.span.is_recording():
            run.service.span.set_attribute("roost.steps", event.steps)
            if event.version is not None:
                run.service.span.set_attribute("roost.version", event.version)
        _close(run.service, event.error, is_current=run.task is _task())
        run.service = None

    def _step_started(self, event: StepStarted) -> None:
        run = self._present()
        if run is None:
            return
        above = (run.service or run.own).context
        span = self._tracer.start_span("roost.step", above)
        if span.is_recording():
            span.set_attributes(attributes_of_step(event))
        run.steps[event.plugin, event.step] = self._opened(span, above, is_current=run.task is _task())

    def _step_finished(self, event: StepFinished) -> None:
        run = self._present()
        step = None if run is None else run.steps.pop((event.plugin, event.step), None)
        if run is None or step is None:
            return
        step.span.set_attribute("roost.attempts", event.attempts)
        _close(step, event.error, is_current=run.task is _task())

    def _noted(self, event: LockWaitStarted | LockWaitFinished | SessionReopened | StepRetried | StepBlocked) -> None:
        run = self._present()
        if run is None:
            return
        place = run.steps.get((event.plugin, event.step)) if isinstance(event, (StepRetried, StepBlocked)) else None
        span = (place or run.own).span
        if span.is_recording():
            name, attributes = _note_of(event)
            span.add_event(name, attributes)

    def _present(self) -> _Run | None:
        run = self._of_context.get()
        if run is not None and any(run is one for one in self._runs):
            return run
        return self._runs[-1] if self._runs else None

    def _opened(self, span: Span, above: Context, *, is_current: bool) -> _Open:
        context = trace.set_span_in_context(span, above)
        return _Open(span, context, contexts.attach(context) if is_current else None)


def _task() -> asyncio.Task[object] | None:
    """Return the present task; None in a callback, whose context is not that of a run."""
    return asyncio.current_task()


def _close(opened: _Open, error: BaseException | None, *, is_current: bool) -> None:
    if opened.token is not None and is_current:
        contexts.detach(opened.token)
    if error is not None and opened.span.is_recording():
        opened.span.set_attributes(attributes_of_error(error))
        opened.span.set_status(Status(StatusCode.ERROR, type_of_error(error)))
    opened.span.end()


def _note_of(
    event: LockWaitStarted | LockWaitFinished | SessionReopened | StepRetried | StepBlocked,
) -> tuple[str, Mapping[str, str | int | float | bool | list[int]]]:
    match event:
        case LockWaitStarted():
            return "roost.lock_wait.started", {"roost.holder": event.holder or "unknown"}
        case LockWaitFinished():
            return "roost.lock_wait.finished", {"roost.acquired": event.acquired, "roost.duration": event.duration}
        case SessionReopened():
            return "roost.session.reopened", {"roost.attempt": event.attempt, **attributes_of_error(event.error)}
        case StepRetried():
            return "roost.step.retried", {"roost.attempt": event.attempt, **attributes_of_error(event.error)}
        case StepBlocked():
            return "roost.step.blocked", {"roost.blockers": [blocker.pid for blocker in event.blockers]}


class Instruments:
    """Measures runs, steps, waits for the lock and crashes.

    Args:
        provider: Where measurements go; None takes the global one.
    """

    def __init__(self, provider: MeterProvider | None) -> None:
        meter = metrics.get_meter(SCOPE, meter_provider=provider)

        def duration(name: str, description: str) -> metrics.Histogram:
            return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=SECONDS)

        self._run = duration("roost.migration.run.duration", "How long runs of migrations take")
        self._step = duration("roost.migration.step.duration", "How long steps take, all their attempts together")
        self._lock_wait = duration("roost.migration.lock_wait.duration", "How long runs wait for the migration lock")
        self._steps = meter.create_counter("roost.migration.steps", "{step}", "Steps by how they ended")
        self._retries = meter.create_counter("roost.migration.step.retries", "{retry}", "Further attempts at steps")
        self._crashes = meter.create_counter("roost.service.crashes", "{crash}", "Crashes of running services")

    def subscribe(self, bus: EventBus) -> Callable[[], None]:
        """Listen, until what is returned is called."""
        ends = [
            bus.subscribe(self._run_finished, RunFinished),
            bus.subscribe(self._lock_wait_finished, LockWaitFinished),
            bus.subscribe(self._step_finished, StepFinished),
            bus.subscribe(self._step_retried, StepRetried),
            bus.subscribe(self._crashed, ServiceCrashed),
        ]

        def end() -> None:
            for unsubscribe in ends:
                unsubscribe()

        return end

    def _run_finished(self, event: RunFinished) -> None:
        self._run.record(event.duration, _outcome(event.error))

    def _lock_wait_finished(self, event: LockWaitFinished) -> None:
        self._lock_wait.record(event.duration, {"roost.acquired": event.acquired, **_outcome(event.error)})

    def _step_finished(self, event: StepFinished) -> None:
        attributes = {"roost.plugin": event.plugin, "roost.direction": event.direction, **_outcome(event.error)}
        self._step.record(event.duration, attributes)
        self._steps.add(1, {**attributes, "roost.outcome": "done" if event.error is None else "failed"})

    def _step_retried(self, event: StepRetried) -> None:
        self._retries.add(1, {"roost.plugin": event.plugin, **_outcome(event.error)})

    def _crashed(self, event: ServiceCrashed) -> None:
        self._crashes.add(1, {"roost.service": event.service, "roost.outcome": event.outcome, **_outcome(event.error)})


def _outcome(error: BaseException | None) -> dict[str, str]:
    return {} if error is None else {"error.type": type_of_error(error)}
