"""Lines that both checkers must refuse, each under the rule that is named beside it; one that is no longer refused is reported as well."""

from __future__ import annotations

from roost import (
    MigrationConfig,
    MigrationContext,
    MigrationOrchestrator,
    MigrationReport,
    MigrationStep,
    Plugin,
    RepeatableStep,
    Runtime,
    Service,
)
from roost.migrations import StepFinished
from roost.runtime import Environment, Restart, Secret, ServiceCrashed
from roost.testing import fail_start
from tests.typing.letters import Carrier, Counts, Letter, Mailer, Pigeon, Postage, Reads


async def lookups_are_of_what_was_asked_for(runtime: Runtime) -> None:
    _number: int = runtime.get_service(Mailer)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _abstract: Mailer = runtime.get_service(Carrier)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _protocol: Mailer = runtime.get_service(Reads)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _narrower: Pigeon = runtime.get_service(Carrier)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _listed: list[Mailer] = runtime.get_services_by_type(Reads)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    _awaited: int = await runtime.ready(Carrier)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    _found: int | None = runtime.find_service(Counts)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _never_none: Mailer = runtime.find_service(Mailer)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    await runtime.find_service(Reads).read()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    runtime.get_service(Mailer).fly()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    runtime.get_service(Carrier).send(Letter("hello"))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    await runtime.get_service(Mailer).send("hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def lookups_are_by_class_or_name(runtime: Runtime) -> None:
    runtime.get_service(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    runtime.find_service(b"mailer")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    runtime.get_services_by_type([Mailer])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    runtime.get_service()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    runtime.get_service(Mailer, Carrier)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await runtime.ready(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await runtime.ready(Mailer, timeout="1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


def runtimes_take_what_they_know(runtime: Runtime) -> None:
    Runtime(plugin=[])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Runtime([Plugin("post")])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Runtime(plugins=[Mailer])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    Runtime(start_timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Runtime(settings={"post": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    Runtime.discover(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    runtime.override({"mailer": Mailer})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    with runtime:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


def settings_are_of_a_class_and_a_section(runtime: Runtime) -> None:
    Runtime(settings=Environment)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Runtime(settings=[3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    runtime.get_settings(Postage)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    runtime.get_settings("post", "post")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _filled: Mailer = runtime.get_settings(Postage, "post")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _text: str = Secret("hello")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def plugins_are_what_they_say() -> None:
    plugin = Plugin("post")
    plugin.name = "ink"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Plugin()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Plugin("post", "1.0.0")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Plugin("post", version=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Plugin("post", services=Mailer)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Plugin("post", init="start")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def restarts_are_numbers() -> None:
    Restart(at_most="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Restart(3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Restart(delay=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Misnamed(Service):
    service_name = 3  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


class Misruled(Service):
    on_crash = "restart"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


class Mistimed(Service):
    start_timeout = "5"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


class Synchronous(Service):
    def start(self) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class Tasks(Service):
    async def start(self) -> None:
        self.create_task(self.tick)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        _ticked: str = await self.create_task(self.tick())  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]

    async def tick(self) -> int:
        return 1


def heard(event: ServiceCrashed) -> None: ...


async def events(runtime: Runtime) -> None:
    runtime.events.subscribe(heard, "ServiceCrashed")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    runtime.events.subscribe(heard, StepFinished)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    runtime.events.subscribe(ServiceCrashed, 3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    with runtime.events.stream(ServiceCrashed) as stream:
        for _event in stream:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
            pass


def up_without_waiting(ctx: MigrationContext) -> None: ...


async def up_with_two(ctx: MigrationContext, more: int) -> None: ...


async def steps_wait_and_end_no_transaction(ctx: MigrationContext) -> None:
    await ctx.commit()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    MigrationStep("make", "Make the table")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    MigrationStep("make", "Make the table", up_without_waiting)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    MigrationStep("make", "Make the table", up_with_two)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    MigrationStep("make", "Make the table", "SELECT 1", None, "1.0.0")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    RepeatableStep("view", "Make the view", up_with_two)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RepeatableStep("view", "Make the view", "SELECT 1", ("other",))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    MigrationStep("make", "Make the table", "SELECT 1", version=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def migrations(runtime: Runtime, report: MigrationReport) -> None:
    MigrationConfig(policy="loose")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    MigrationConfig(3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    MigrationOrchestrator("postgresql://localhost/post")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await MigrationOrchestrator(runtime).run_all_migrations(dry_run="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await MigrationOrchestrator(runtime).get_migration_history(plugin="post")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await MigrationOrchestrator(runtime).run_service(runtime.get_service(Mailer))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    report.duration = 1.0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    _steps: list[str] = report.steps  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def faults() -> None:
    fail_start(int)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    _made: type[Pigeon] = fail_start(Mailer)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
