"""What OpenTelemetry gets of a run on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from roost import MigrationConfig, MigrationContext, MigrationOrchestrator, MigrationStep, PluginMigrationService, Runtime
from roost.errors import StepFailed
from roost.migrations import LockWaitStarted, RunFinished, RunStarted, StepStarted, run_trace_id
from roost.postgres import parse_url
from roost.telemetry import measure_with_opentelemetry, trace_with_opentelemetry
from tests.plugins.build import make_plugin

MAKE = MigrationStep("make", "Make", up="CREATE TABLE things (id int)", down="DROP TABLE things", version="1.0.0")
SECRET = "hunter2"  # noqa: S105 -- it is looked for in what is told
FAILING = MigrationStep("bad", "Bad", up=f"SELECT '{SECRET}'::int", version="1.1.0")


class Exported:
    """A tracer provider, and what it has exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans in the order of their starts."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def tree(self) -> list[tuple[str, str | None]]:
        """Return each span's name and that of its parent."""
        names = {span.context.span_id: span.name for span in self.spans}
        return [(span.name, None if span.parent is None else names.get(span.parent.span_id, "elsewhere")) for span in self.spans]


@pytest.fixture
def exported() -> Iterator[Exported]:
    """What spans are exported to."""
    found = Exported()
    yield found
    found.provider.shutdown()


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """Return a span's attributes."""
    return span.attributes or {}


@pytest.mark.asyncio
async def test_a_run_is_a_tree_of_spans(database_url: str, exported: Exported) -> None:
    """One for the run below what was current, one for each service, and one for each step, with the database's conventions."""
    runtime = Runtime(
        plugins=[make_plugin("p", MAKE, MigrationStep("more", "More", up="SELECT 1", version="1.1.0"))], database=database_url
    )
    trace_with_opentelemetry(runtime, tracer_provider=exported.provider)
    with exported.provider.get_tracer("test").start_as_current_span("request") as request:
        await MigrationOrchestrator(runtime).run_all_migrations()
    assert exported.tree() == [
        ("request", None),
        ("roost.run", "request"),
        ("roost.service", "roost.run"),
        ("roost.step", "roost.service"),
        ("roost.step", "roost.service"),
    ]
    _, run, service, make, _ = exported.spans
    url = parse_url(database_url)
    assert {key: attributes(run)[key] for key in ("db.system.name", "db.namespace", "roost.steps")} == {
        "db.system.name": "postgresql",
        "db.namespace": url.database,
        "roost.steps": 2,
    }
    assert (attributes(service)["roost.plugin"], attributes(service)["roost.version"]) == ("p", "1.1.0")
    assert attributes(make) == {
        "db.system.name": "postgresql",
        "db.operation.name": "migrate",
        "roost.plugin": "p",
        "roost.step": "make",
        "roost.version": "1.0.0",
        "roost.direction": "up",
        "roost.attempts": 1,
    }
    assert all(span.status.status_code is StatusCode.UNSET for span in exported.spans)
    assert {span.context.trace_id for span in exported.spans} == {request.get_span_context().trace_id}


@pytest.mark.asyncio
async def test_the_history_holds_the_trace(database_url: str, exported: Exported) -> None:
    """Each run's own, a rollback's too; a run that nobody traces has none, and afterwards nothing is left of it in the caller's context."""
    runtime = Runtime(plugins=[make_plugin("p", MAKE)], database=database_url)
    orchestrator = MigrationOrchestrator(runtime)
    before = context.get_current()
    end = trace_with_opentelemetry(runtime, tracer_provider=exported.provider)
    await orchestrator.run_all_migrations()
    (service,) = orchestrator.get_migration_services()
    assert isinstance(service, PluginMigrationService)
    await service.rollback(steps=1)
    end()
    await orchestrator.run_all_migrations()
    runs = [trace.format_trace_id(span.context.trace_id) for span in exported.spans if span.name == "roost.run"]
    records = [(record.direction, record.trace_id) for record in await orchestrator.get_migration_history()]
    assert records == [("up", None), ("down", runs[1]), ("up", runs[0])]
    assert len(set(runs)) == 2
    assert (run_trace_id.get(), context.get_current()) == (None, before)
    assert ("roost.step", "roost.run") in exported.tree()  # of the rollback, which no service runs
    assert not runtime.events.wants(RunStarted)
    assert not runtime.events.wants(RunFinished)


@pytest.mark.asyncio
async def test_a_failure_is_told_without_its_text(database_url: str, exported: Exported) -> None:
    """Step, service and run are errors by class and SQLSTATE; no SQL, no text of the server and no password is in what is exported."""
    runtime = Runtime(plugins=[make_plugin("p", MAKE, FAILING)], database=database_url)
    trace_with_opentelemetry(runtime, tracer_provider=exported.provider)
    with pytest.raises(StepFailed):
        await MigrationOrchestrator(runtime).run_all_migrations()
    statuses = [(span.name, span.status.status_code, attributes(span).get("error.type")) for span in exported.spans]
    failed = "roost.errors.StepFailed"
    assert statuses == [
        ("roost.run", StatusCode.ERROR, failed),
        ("roost.service", StatusCode.ERROR, failed),
        ("roost.step", StatusCode.UNSET, None),
        ("roost.step", StatusCode.ERROR, failed),
    ]
    assert attributes(exported.spans[3])["db.response.status_code"] == "22P02"
    told = "".join(span.to_json() for span in exported.spans)
    assert SECRET not in told
    assert "CREATE TABLE" not in told


@pytest.mark.asyncio
async def test_spans_of_a_step_are_below_it(database_url: str, exported: Exported) -> None:
    """While a function runs, its step's span is current, so that what it calls and traces is found there."""

    async def traced(ctx: MigrationContext) -> None:
        with exported.provider.get_tracer("test").start_as_current_span("inside"):
            await ctx.execute("SELECT 1")

    steps = (MAKE, MigrationStep("traced", "Traced", up=traced, version="1.1.0"))
    runtime = Runtime(plugins=[make_plugin("p", *steps)], database=database_url)
    trace_with_opentelemetry(runtime, tracer_provider=exported.provider)
    async with runtime:
        pass
    inside = next(span for span in exported.spans if span.name == "inside")
    above = next(span for span in exported.spans if inside.parent is not None and span.context.span_id == inside.parent.span_id)
    assert (above.name, attributes(above)["roost.step"]) == ("roost.step", "traced")


@pytest.mark.asyncio
async def test_two_runs_at_once_keep_their_spans_apart(database_url: str, exported: Exported) -> None:
    """Of two runs of one runtime one waits for the other; the steps are below the one that took them, and the wait is told on the other."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def hold(_ctx: MigrationContext) -> None:
        entered.set()
        await leave.wait()

    runtime = Runtime(
        plugins=[make_plugin("p", MigrationStep("hold", "Hold", up=hold, version="1.0.0"), MAKE)],
        database=database_url,
        config=MigrationConfig(policy="allow"),
    )
    trace_with_opentelemetry(runtime, tracer_provider=exported.provider)
    orchestrator = MigrationOrchestrator(runtime)
    waiting = asyncio.Event()
    runtime.events.subscribe(lambda _: waiting.set(), LockWaitStarted)
    first = asyncio.create_task(orchestrator.run_all_migrations())
    await entered.wait()
    second = asyncio.create_task(orchestrator.run_all_migrations())
    await waiting.wait()
    leave.set()
    await asyncio.gather(first, second)
    runs = [span for span in exported.spans if span.name == "roost.run"]
    services = [span for span in exported.spans if span.name == "roost.service"]
    assert [len([one for one in services if one.parent and one.parent.span_id == run.context.span_id]) for run in runs] == [1, 0]
    assert {span.parent.span_id for span in exported.spans if span.name == "roost.step" and span.parent} == {services[0].context.span_id}
    assert [[note.name for note in run.events] for run in runs] == [[], ["roost.lock_wait.started", "roost.lock_wait.finished"]]


@pytest.mark.asyncio
async def test_a_cancelled_run_leaves_no_span_open(database_url: str, exported: Exported) -> None:
    """Every span that has begun ends, and says by what; the next run has spans of its own."""
    runtime = Runtime(
        plugins=[make_plugin("p", MigrationStep("slow", "Slow", up="SELECT pg_sleep(60)", version="1.0.0"))], database=database_url
    )
    end = trace_with_opentelemetry(runtime, tracer_provider=exported.provider)
    begun = asyncio.Event()
    runtime.events.subscribe(lambda _: begun.set(), StepStarted)
    running = asyncio.create_task(MigrationOrchestrator(runtime).run_all_migrations())
    await begun.wait()
    end()  # what is in progress is traced to its end
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [(span.name, attributes(span)["error.type"]) for span in exported.spans] == [
        ("roost.run", "asyncio.exceptions.CancelledError"),
        ("roost.service", "asyncio.exceptions.CancelledError"),
        ("roost.step", "asyncio.exceptions.CancelledError"),
    ]
    assert not runtime.events.wants(RunStarted)
    assert not runtime.events.wants(RunFinished)


@pytest.mark.asyncio
async def test_without_an_sdk_nothing_is_kept(database_url: str) -> None:
    """Where the application exports nothing the history holds no trace, unless one came in from outside."""
    runtime = Runtime(plugins=[make_plugin("p", MAKE)], database=database_url)
    orchestrator = MigrationOrchestrator(runtime)
    trace_with_opentelemetry(runtime)
    measure_with_opentelemetry(runtime)
    await orchestrator.run_all_migrations()
    (service,) = orchestrator.get_migration_services()
    assert isinstance(service, PluginMigrationService)
    outside = trace.SpanContext(trace_id=0x0AF7, span_id=0xB7, is_remote=True)
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(outside)))
    try:
        await service.rollback(steps=1)
    finally:
        context.detach(token)
    assert [record.trace_id for record in await orchestrator.get_migration_history()] == [f"{0x0AF7:032x}", None]


class _Broken(trace.TracerProvider):
    """Gives tracers that can't do anything."""

    def get_tracer(self, *_: Any, **__: Any) -> Any:
        return object()


@pytest.mark.asyncio
async def test_a_tracer_that_fails_harms_no_run(database_url: str) -> None:
    """What it raises is reported to the event loop's handler, and the run does what it does."""
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(str(context["exception"])))
    runtime = Runtime(plugins=[make_plugin("p", MAKE)], database=database_url)
    trace_with_opentelemetry(runtime, tracer_provider=_Broken())
    report = await MigrationOrchestrator(runtime).run_all_migrations()
    assert [step.step for step in report.steps] == ["make"]
    assert reported == ["'object' object has no attribute 'start_span'"]


@pytest.mark.asyncio
async def test_what_is_measured(database_url: str) -> None:
    """Runs, steps and failures by plugin, direction and outcome, in seconds; and nothing after the end of it."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    runtime = Runtime(plugins=[make_plugin("p", MAKE, FAILING)], database=database_url)
    end = measure_with_opentelemetry(runtime, meter_provider=provider)
    with pytest.raises(StepFailed):
        await MigrationOrchestrator(runtime).run_all_migrations()
    end()
    with pytest.raises(StepFailed):
        await MigrationOrchestrator(runtime).run_all_migrations()
    failed = "roost.errors.StepFailed"
    assert points(reader) == {
        ("roost.migration.run.duration", "s", 1, frozenset({("error.type", failed)})),
        ("roost.migration.step.duration", "s", 1, frozenset({("roost.plugin", "p"), ("roost.direction", "up")})),
        ("roost.migration.step.duration", "s", 1, frozenset({("roost.plugin", "p"), ("roost.direction", "up"), ("error.type", failed)})),
        ("roost.migration.steps", "{step}", 1, frozenset({("roost.plugin", "p"), ("roost.direction", "up"), ("roost.outcome", "done")})),
        (
            "roost.migration.steps",
            "{step}",
            1,
            frozenset({("roost.plugin", "p"), ("roost.direction", "up"), ("roost.outcome", "failed"), ("error.type", failed)}),
        ),
    }
    provider.shutdown()


def points(reader: InMemoryMetricReader) -> set[tuple[str, str | None, Any, frozenset[tuple[str, Any]]]]:
    """Return what was measured: name, unit, how often or how many, and attributes."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        (
            metric.name,
            metric.unit,
            getattr(point, "count", None) or getattr(point, "value", None),
            frozenset((point.attributes or {}).items()),
        )
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }
