"""The orchestrator, what it reports, the steps of a plugin, and what a step holds in its hands."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

from roost import (
    IMigrationService,
    MigrationContext,
    MigrationOrchestrator,
    MigrationReport,
    MigrationRun,
    MigrationService,
    MigrationStatus,
    MigrationStep,
    Plugin,
    PluginMigrationService,
    RepeatableStep,
    Runtime,
    ServiceStatus,
    SqlMigrationService,
    run_plugin_migrations,
)
from roost.errors import RehearsedStepFailed
from roost.migrations import HeldLock, MigrationRecord, RehearsalOutcome, RehearsalReport, RehearsedStep, StepReport


async def fill(ctx: MigrationContext) -> None:
    assert_type(await ctx.execute("UPDATE letters SET text = $1", "hello"), str)
    assert_type(await ctx.fetch("SELECT text FROM letters"), Sequence[Any])
    assert_type(await ctx.fetchval("SELECT 1"), Any)
    assert_type(await ctx.copy_records_to_table("letters", records=[("hello",)], columns=["text"]), str)
    assert_type(ctx.run_number, int)
    assert_type(ctx.plugin, str)
    assert_type(ctx.logger, logging.Logger)


async def fill_without_context() -> int:
    return 1


class PostMigrations(PluginMigrationService):
    """The form of the README: a list of steps."""

    service_name = "post-migration"
    schema = "post"
    steps = (
        MigrationStep("make", "Make the table", up="CREATE TABLE letters (text text)", down="DROP TABLE letters", version="1.0.0"),
        MigrationStep("fill", "Fill it", up=fill, down=fill_without_context, version="1.1.0", requires=("ink:make",), lock_timeout=1),
    )
    repeatable = [  # noqa: RUF012 -- as a reader would write it
        RepeatableStep("letters", "Show them", up="CREATE OR REPLACE VIEW open AS SELECT text FROM letters"),
        RepeatableStep(
            "few", "Show a few", up="CREATE OR REPLACE VIEW few AS TABLE open LIMIT 3", after=("letters",), statement_timeout=1.5
        ),
    ]


class ComputedMigrations(PluginMigrationService):
    """The other form: steps that are computed from two versions."""

    def get_target_version(self) -> str:
        return "2.0.0"

    def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
        return [MigrationStep("make", "Make the table", up=fill)]


class FileMigrations(SqlMigrationService):
    directory = Path("migrations")


class OwnMigrations(MigrationService):
    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)

    async def migrate(self, run: MigrationRun) -> None:
        assert_type(run.number, int)
        assert_type(run.runtime, Runtime)


class FromElsewhere:
    """Knows nothing of roost's base classes."""

    service_name = "from-elsewhere"
    service_type = "migration"

    async def run_migrations(self, _runtime: object, /) -> None: ...

    async def get_migration_history(self, _plugin_name: str | None = None, /) -> list[str]:
        return []

    async def get_plugin_version(self, _plugin_name: str, /) -> str | None:
        return None

    async def has_plugin_migrations(self, _plugin_name: str, /) -> bool:
        return False


async def orchestrated(runtime: Runtime) -> None:
    orchestrator = MigrationOrchestrator(runtime)
    assert_type(await orchestrator.run_all_migrations(), MigrationReport)
    assert_type(await orchestrator.run_all_migrations(dry_run=True, refuse_ahead=True), MigrationReport)
    assert_type(await orchestrator.rehearse(), RehearsalReport)
    assert_type(await orchestrator.rehearse("post"), RehearsalReport)
    assert_type(await orchestrator.get_migration_status(), MigrationStatus)
    assert_type(await orchestrator.get_migration_history(), list[Any])
    assert_type(await orchestrator.get_migration_history("post"), list[Any])
    assert_type(await orchestrator.get_migration_history(plugin_name="post"), list[Any])
    assert_type(await orchestrator.has_pending_migrations(), bool)
    assert_type(orchestrator.is_migration_in_progress(), bool)
    services = orchestrator.get_migration_services()
    assert_type(services, list[IMigrationService])
    assert_type(orchestrator.sort_migration_services(services), list[IMigrationService])
    assert_type(await orchestrator.run_service(services[0]), MigrationReport)
    assert_type(await orchestrator.run_service(FromElsewhere()), MigrationReport)
    assert_type(await orchestrator.run_service(runtime.get_service(PostMigrations)), MigrationReport)


async def reported(report: MigrationReport, status: MigrationStatus, record: MigrationRecord) -> None:
    assert_type(report.steps, tuple[StepReport, ...])
    assert_type(report.run_id, str | None)
    assert_type(report.done, tuple[str, ...])
    assert_type(report.steps[0].sql, str | None)
    assert_type(status.services, tuple[ServiceStatus, ...])
    assert_type(status.last_migration, datetime | None)
    assert_type(status.services[0].pending, int | None)
    assert_type(record.executed_at, datetime)
    assert_type(record.step, str | None)


async def rehearsed(report: RehearsalReport) -> None:
    assert_type(report.steps, tuple[RehearsedStep, ...])
    assert_type(report.is_fine, bool)
    assert_type(report.steps[0].outcome, RehearsalOutcome)
    assert_type(report.steps[0].error, RehearsedStepFailed | None)
    assert_type(report.held, tuple[HeldLock, ...])


async def on_a_service(runtime: Runtime) -> None:
    service = runtime.get_service(PostMigrations)
    assert_type(service.plugin_name, str)
    assert_type(await service.rollback("1.0.0"), MigrationReport)
    assert_type(await service.rollback(steps=1, dry_run=True, skip_irreversible=True), MigrationReport)
    assert_type(await service.get_migration_history(), Sequence[MigrationRecord])
    assert_type(await service.get_plugin_version("post"), str | None)
    assert_type(service.has_plugin_migrations("post"), bool)
    assert_type(service.compare_versions("1.0", None), int)
    assert_type(service.is_retryable_error(ValueError()), bool)
    assert_type(await service.with_retry(fill_without_context), int)
    assert_type(service.get_target_version(), str)
    assert_type(service.get_migration_steps("0.0.0", "1.1.0"), Sequence[MigrationStep])
    assert_type(service.register_schema("post", {"letters": "text"}), None)


async def the_way_of_old() -> None:
    assert_type(await run_plugin_migrations("postgresql://localhost/post", [Plugin("post")], dry_run=True), MigrationReport)


def known_as_migration_services(
    own: OwnMigrations, steps: PostMigrations, computed: ComputedMigrations, files: FileMigrations, foreign: FromElsewhere
) -> None:
    """Whoever derives from roost's bases is an `IMigrationService`, and so is who only looks like one."""
    services: list[IMigrationService] = [own, steps, computed, files, foreign]
    assert_type(services, list[IMigrationService])
