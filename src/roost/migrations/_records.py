"""What migrations tell about themselves: history, status and the report of a run. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from roost.errors import RoostError
    from roost.migrations._lock_holding import MigrationLockHolder
    from roost.schema import SchemaChange

Direction: TypeAlias = Literal["up", "down"]
MigrationState: TypeAlias = Literal["idle", "waiting", "running", "completed", "skipped", "failed", "blocked", "ahead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRecord:
    """One row of the history: an attempt at a step, at its end.

    Attributes:
        id: Grows with every row of the database's history.
        run: The number of the run.
        service: The service's name.
        plugin: The plugin's name.
        step: The step's id; None where a version was reached without a step.
        version: The version the step belongs to.
        direction: ``"up"`` or ``"down"``.
        success: Whether it took effect.
        error: The error's text, cut and without passwords; None after a success.
        attempts: How often it was tried, the last time included; 0 where a person said that it is there, or is not (`baseline`, `mark`,
            `unmark`, `repair`).
        started_at: When it began, by the server's clock.
        executed_at: When it ended, by the server's clock.
        duration: Seconds between the two.
        checksum: The fingerprint of the step's body.
        trace_id: The trace that the run belonged to, where somebody traced it.
    """

    id: int
    run: int
    service: str
    plugin: str
    step: str | None
    version: str
    direction: Direction
    success: bool
    error: str | None
    attempts: int
    started_at: datetime
    executed_at: datetime
    duration: float
    checksum: str | None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedStep:
    """An applied step whose body is another than the one that ran. It is not run again: what it lacks belongs into a new step.

    Attributes:
        plugin: The plugin.
        step: The step's id.
        is_function: Whether it is a Python function, which may have been changed without doing anything else.
    """

    plugin: str
    step: str
    is_function: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """Where one migration service stands.

    Attributes:
        service_name: The service.
        has_migrations: Whether it brings any.
        last_run: When its plugin's last successful step ended.
        version: The plugin's version in the database; None when nothing is applied.
        target_version: The version the code aims at; None where the service does not say.
        pending: How many steps are to be run; None where the service can't say without running.
        state: What the service did in this process, or ``"ahead"`` where the database is ahead of the code.
        error: The text of the last failure in this process.
        changed: Applied steps whose bodies are others than the ones that ran.
        steps_by_hand: How many applied steps no run took: a person said that they are there (`baseline`, `mark`, `repair`).
        drift: What of the declared schemas is no longer as it was brought about, each in a few words.
    """

    service_name: str
    has_migrations: bool
    last_run: datetime | None
    version: str | None
    target_version: str | None
    pending: int | None
    state: MigrationState
    error: str | None
    changed: tuple[ChangedStep, ...] = ()
    steps_by_hand: int = 0
    drift: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclaimedPlugin:
    """A plugin that the ledger knows and no service of the runtime answers for: it was taken out, and what it made is still there.

    Attributes:
        plugin: The plugin.
        version: Its version in the database; None where no version of it is whole.
        steps: The ids of its applied steps, in applied order.
    """

    plugin: str
    version: str | None
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatus:
    """Where all migration services of a runtime stand.

    Attributes:
        total_services: How many there are.
        last_migration: When the last successful step of any of them ended.
        services: One status each, in the order in which they run.
        unclaimed: The plugins in the ledger that none of them answers for, by name.
        running: Who holds the migration lock at this moment, in whatever process, and what it does; None where nobody does.
    """

    total_services: int
    last_migration: datetime | None
    services: tuple[ServiceStatus, ...]
    unclaimed: tuple[UnclaimedPlugin, ...] = ()
    running: MigrationLockHolder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step that a run took, or that a dry run would take.

    Attributes:
        plugin: The plugin.
        step: The step's id.
        description: What it does.
        version: The version it belongs to.
        direction: ``"up"`` or ``"down"``.
        sql: The SQL that is sent; None for a Python function.
        attempts: How often it was tried; 0 in a dry run.
        duration: Seconds; 0 in a dry run.
        irreversible: Why the step can't be rolled back, where it says so.
    """

    plugin: str
    step: str
    description: str
    version: str
    direction: Direction
    sql: str | None
    attempts: int = 0
    duration: float = 0.0
    irreversible: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedStep:
    """A step whose effect a rollback leaves in place, because there is no way back.

    Attributes:
        plugin: The plugin.
        step: The step's id.
        version: The version it belongs to.
        reason: Why there is none, as far as the code says.
    """

    plugin: str
    step: str
    version: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedChange:
    """A change of a declared schema that is not made, because data would be lost.

    Attributes:
        plugin: The plugin.
        losses: What would be lost, by the names that `MigrationConfig.allow_data_loss` takes.
        sql: The statement.
    """

    plugin: str
    losses: tuple[str, ...]
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationReport:
    """What a run did.

    Attributes:
        run_id: The run's id in the ledger; None when there was nothing to do, or in a dry run.
        done: The services that are satisfied, in order.
        failed: The service that failed, if one did.
        not_run: The services behind it, which were not run.
        waited: Seconds spent waiting for the lock.
        duration: Seconds in all.
        steps: The steps taken, in order.
        changed: Applied steps whose bodies were found to be others than the ones that ran. A start with nothing to do looks at none.
        skipped: The steps that a rollback left in place.
        blocked: What a dry run found that a run would refuse, because data would be lost.
    """

    run_id: str | None
    done: tuple[str, ...]
    failed: tuple[str, ...]
    not_run: tuple[str, ...]
    waited: float
    duration: float
    steps: tuple[StepReport, ...] = ()
    changed: tuple[ChangedStep, ...] = ()
    skipped: tuple[SkippedStep, ...] = ()
    blocked: tuple[BlockedChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStatus:
    """Where the declared schema of one plugin stands.

    Attributes:
        plugin: The plugin.
        schema: The PostgreSQL schema; None where the plugin declares none.
        has_run: Whether it was ever brought about.
        is_pending: Whether the declaration is another than the one that was brought about last.
        snapshots: How many changes the ledger holds of it.
        last_run: When the last of them was made.
        drift: What is no longer as it was brought about, each in a few words.
    """

    plugin: str
    schema: str | None
    has_run: bool
    is_pending: bool
    snapshots: int
    last_run: datetime | None
    drift: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaCheck:
    """What it would take to bring about a plugin's declared schema.

    Attributes:
        plugin: The plugin.
        schema: The PostgreSQL schema.
        statements: The SQL that would be run, in order.
        has_data_loss: Whether some of it loses data.
        losses: What would be lost, by the names that `MigrationConfig.allow_data_loss` takes.
        warnings: What else is to be known before it is run, such as a lock that others will wait behind.
        is_blocked: Whether a run would refuse it, because a loss is not allowed.
        changes: The same statements, each with what it means for those who use the tables.
        left_alone: What is otherwise in the schema, each in a few words, and stays so, because no plugin declares it.
    """

    plugin: str
    schema: str
    statements: tuple[str, ...]
    has_data_loss: bool
    losses: tuple[str, ...]
    warnings: tuple[str, ...]
    is_blocked: bool
    changes: tuple[SchemaChange, ...] = ()
    left_alone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestChanges:
    """What writing a manifest came to.

    Attributes:
        written: Whether there was anything to write.
        added: The names of files that it didn't list before.
        changed: The names of files that it listed with another hash.
        removed: The names that it listed and that are no longer there.
    """

    written: bool
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsCheck:
    """What a check of one migration service found, without a database.

    Attributes:
        service_name: The service.
        plugin: Its plugin.
        steps: How many steps an empty database would get; None where they can't be loaded.
        directory: The folder of a service whose steps are SQL files, else None.
        has_manifest: Whether a manifest stands for the files; None without a folder, or where that can't be told.
        changes: What was written into the manifest; None where nothing was to be written.
        error: What is wrong; None where everything is as it should be.
    """

    service_name: str
    plugin: str
    steps: int | None = None
    directory: str | None = None
    has_manifest: bool | None = None
    changes: ManifestChanges | None = None
    error: RoostError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedStep:
    """What the ledger says of a step that was in doubt, now that a person has said what became of it.

    Attributes:
        plugin: The plugin.
        step: The step's id.
        was: What the doubt was: ``"escaped"`` where a function ended its own transaction, ``"intent"`` where a step outside a
            transaction was not seen to end, ``"undoing"`` where its way back was not.
        done: Whether its effect is there: then it counts as applied, else the next run takes it anew.
        version: The version that the plugin is at.
        run: The number of the run that wrote this down.
    """

    plugin: str
    step: str
    was: str
    done: bool
    version: str | None
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedSteps:
    """Steps that count as applied because a person says so: no run took them.

    Attributes:
        plugin: The plugin.
        steps: The ids of the steps, in order.
        version: The version that the plugin is at.
        run: The number of the run that wrote this down; None after a dry run.
        found: What the steps make, and what was looked for and found in the database.
        not_checked: What they do that nobody looked for, each with its step.
    """

    plugin: str
    steps: tuple[str, ...]
    version: str | None
    run: int | None
    found: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmarkedStep:
    """A step that counts as not applied because a person says so: nothing took its effect back.

    Attributes:
        plugin: The plugin.
        steps: The step's id.
        version: The version that the plugin is at.
        run: The number of the run that wrote this down; None after a dry run.
        still_there: What the step makes, and what is in the database all the same: the next run may stumble over it.
        not_checked: What it does that nobody looked for.
    """

    plugin: str
    steps: tuple[str, ...]
    version: str | None
    run: int | None
    still_there: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
