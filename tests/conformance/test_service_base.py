"""Section A: the base of migration services. Retry, history, registration."""

from __future__ import annotations

import anyio
import asyncpg
import pytest

from roost import MigrationConfig, MigrationService, MigrationStep, Plugin, Runtime
from roost.errors import StepFailed
from roost.migrations import MigrationRun
from tests.plugins.build import make_plugin, make_runtime, migrate


class Recorder(MigrationService):
    """A service that notes which schemas it was asked to bring about."""

    service_name = "recorder"

    def __init__(self, runtime: Runtime | None = None) -> None:
        super().__init__(runtime)
        self.seen: list[tuple[str, object]] = []

    async def migrate_schema(self, run: MigrationRun, plugin_name: str, schema: object) -> None:
        self.seen.append((plugin_name, schema))


def bound(config: MigrationConfig | None = None) -> tuple[Runtime, Recorder]:
    """Return a runtime without a database, and its one service."""
    runtime = Runtime(services=[Recorder], config=config)
    return runtime, runtime.get_service(Recorder)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only notes how long somebody wanted to sleep."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    return waits


class Calls:
    """An operation that raises what it is given, one error a call, and then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.count = 0

    async def __call__(self) -> str:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return "success"


def transient(text: str = "lost") -> Exception:
    """Return an error that may pass."""
    return ConnectionResetError(text)


def test_SB_01_registered_schema_is_kept() -> None:
    """SB-01: a plugin with a registered schema has migrations, an unknown one has none; the stored object is the given one."""
    _, service = bound()
    schema = {"t1": object(), "t2": object()}
    service.register_schema("p", schema)
    assert service.has_plugin_migrations("p") is True
    assert service.has_plugin_migrations("unknown") is False
    assert service.registered_schemas()["p"] is schema


@pytest.mark.asyncio
async def test_SB_02_no_schema_is_fine() -> None:
    """SB-02: registering None counts as registered; running it creates nothing and does not fail."""
    runtime, service = bound()
    service.register_schema("p", None)
    assert service.has_plugin_migrations("p") is True
    await service.run_migrations(runtime)
    assert service.seen == []


@pytest.mark.asyncio
async def test_SB_03_discovery_registers_schemas_in_order() -> None:
    """SB-03: of three plugins the two with a schema are registered and run in order; none registers none; the last registration counts."""
    runtime, service = bound()
    plugins = [Plugin("plugin1", schema={"table1": 1}), Plugin("plugin2", schema={"table2": 2}), Plugin("plugin3")]
    assert service.discover_and_register_plugin_schemas(plugins) == 2
    await service.run_migrations(runtime)
    assert service.seen == [("plugin1", {"table1": 1}), ("plugin2", {"table2": 2})]
    empty_runtime, empty = bound()
    assert empty.discover_and_register_plugin_schemas([]) == 0
    assert empty.discover_and_register_plugin_schemas([Plugin("plugin3")]) == 0
    await empty.run_migrations(empty_runtime)
    assert empty.seen == []
    service.register_schema("plugin1", {"table1": 3})
    service.seen.clear()
    await service.run_migrations(runtime)
    assert service.seen == [("plugin1", {"table1": 3}), ("plugin2", {"table2": 2})]


@pytest.mark.asyncio
async def test_SB_04_transient_failures_are_tried_again(clock: list[float]) -> None:
    """SB-04: two transient failures, then success, limit 3: three calls and the operation's result."""
    _, service = bound(MigrationConfig(max_retries=3))
    operation = Calls(transient(), transient())
    assert await service.with_retry(operation) == "success"
    assert (operation.count, len(clock)) == (3, 2)


@pytest.mark.asyncio
async def test_SB_05_the_last_error_is_raised_itself(clock: list[float]) -> None:
    """SB-05: always transient, limit 3: three calls, the operation's own last error, waits that grow and none after the last."""
    _, service = bound(MigrationConfig(max_retries=3, retry_delay=1.0))
    last = transient("third")
    operation = Calls(transient("first"), transient("second"), last)
    with pytest.raises(ConnectionResetError, match="third") as caught:
        await service.with_retry(operation)
    assert caught.value is last
    assert operation.count == 3
    assert len(clock) == 2
    assert clock[0] >= 1
    assert clock[1] >= 2


@pytest.mark.asyncio
async def test_SB_06_programming_errors_are_not_tried_again(clock: list[float]) -> None:
    """SB-06: type, name and syntax errors and SQLSTATE 42601, 42703, 23505 are one call each."""
    _, service = bound(MigrationConfig(max_retries=3))
    counts = []
    for error in (
        TypeError("t"),
        NameError("n"),
        SyntaxError("s"),
        asyncpg.PostgresSyntaxError("42601"),
        asyncpg.UndefinedColumnError("42703"),
        asyncpg.UniqueViolationError("23505"),
    ):
        operation = Calls(error, error, error)
        with pytest.raises(type(error)):
            await service.with_retry(operation)
        counts.append(operation.count)
    assert (counts, clock) == ([1] * 6, [])


@pytest.mark.asyncio
async def test_SB_12_a_success_is_recorded(database_url: str) -> None:
    """SB-12: the row of a success has id, plugin, version, started_at ≤ executed_at, success, duration ≥ 0."""
    runtime = make_runtime(database_url, make_plugin("p", MigrationStep("s", "S", up="CREATE TABLE s (id int)", version="1.0.0")))
    (service,) = runtime.get_services_by_type("migration")
    await service.run_migrations(runtime)
    (row,) = await service.get_migration_history("p")
    assert (row.plugin, row.version, row.success, row.error) == ("p", "1.0.0", True, None)
    assert isinstance(row.id, int)
    assert row.started_at <= row.executed_at
    assert row.duration >= 0


@pytest.mark.asyncio
async def test_SB_13_a_failure_is_recorded(database_url: str) -> None:
    """SB-13: the row of a failure has the error's text and its end."""
    fail = "DO $$BEGIN RAISE EXCEPTION 'Migration failed'; END$$"
    runtime = make_runtime(database_url, make_plugin("p", MigrationStep("s", "S", up=fail, version="1.0.0")))
    (service,) = runtime.get_services_by_type("migration")
    with pytest.raises(StepFailed):
        await service.run_migrations(runtime)
    (row,) = await service.get_migration_history("p")
    assert (row.success, row.error) == (False, "Migration failed")
    assert row.executed_at >= row.started_at


@pytest.mark.asyncio
async def test_SB_15_the_version_is_that_of_the_last_success(database_url: str) -> None:
    """SB-15: 1.0.0 and 2.0.0 succeeded and 2.1.0 failed: 2.0.0; only a failure: none; an unknown plugin: none."""
    fail = "DO $$BEGIN RAISE EXCEPTION 'no'; END$$"
    steps = [MigrationStep("a", "A", up="SELECT 1", version="1.0.0"), MigrationStep("b", "B", up="SELECT 1", version="2.0.0")]
    plugin = make_plugin("p", *steps, MigrationStep("c", "C", up=fail, version="2.1.0"))
    only_failed = make_plugin("q", MigrationStep("a", "A", up=fail, version="1.0.0"))
    for one in (plugin, only_failed):
        with pytest.raises(StepFailed):
            await migrate(database_url, one)
    runtime = make_runtime(database_url, plugin, only_failed)
    service = runtime.get_services_by_type("migration")[0]
    versions = [await service.get_plugin_version(name) for name in ("p", "q", "unknown")]
    assert versions == ["2.0.0", None, None]


def test_SB_17_a_success_without_a_start_cannot_be_expressed() -> None:
    """SB-17: nothing public records an outcome; the only writer of history is the step's own transaction."""
    _, service = bound()
    public: set[str] = {name for name in dir(service) if not name.startswith("_")}
    public |= {name for name in dir(MigrationRun) if not name.startswith("_")}
    assert {name for name in public if "record" in name or "success" in name or "failure" in name} == set()
    assert public >= {"run_migrations", "migrate", "apply", "get_migration_history"}
