"""Migrations: steps that plugins bring, run once each under a database lock, and recorded in a ledger.

`SqlFolder`, `read_folder`, `read_proven`, `read_sql_step`, `steps_of` and `flyway_version` are for the floors above: they may
change with any version.
"""

from roost.migrations._applied import applied_steps
from roost.migrations._config import MigrationConfig, Policy
from roost.migrations._context import MigrationContext
from roost.migrations._declared_steps import DeclaredSteps, read_sql_step
from roost.migrations._events import (
    DatabaseAheadNoticed,
    LockHolderSeen,
    LockWaitFinished,
    LockWaitStarted,
    PolicyNoticed,
    RehearsalFinished,
    RehearsalStarted,
    RepeatableStepsLeft,
    RunFinished,
    RunStarted,
    SchemaDiffers,
    ServiceMigrationFinished,
    ServiceMigrationStarted,
    SessionReopened,
    StepBlocked,
    StepFinished,
    StepOutcomeLearned,
    StepProgressed,
    StepRehearsalFinished,
    StepRehearsalStarted,
    StepRetried,
    StepsChanged,
    StepSkipped,
    StepStarted,
)
from roost.migrations._examination import DatabaseExamination, LongTransaction
from roost.migrations._flyway_files import flyway_version
from roost.migrations._ledger_upkeep import LedgerUpkeep
from roost.migrations._legacy import run_plugin_migrations
from roost.migrations._limit import RunLimit
from roost.migrations._lock_holding import MigrationLockHolder
from roost.migrations._manifest import MANIFEST_NAME
from roost.migrations._manifest_file import read_proven, write_manifest
from roost.migrations._narration import narrate
from roost.migrations._orchestrator import MigrationOrchestrator
from roost.migrations._plugin_service import PluginMigrationService
from roost.migrations._progress import MigrationProgress, MigrationStanding, RunState
from roost.migrations._protocol import IMigrationService
from roost.migrations._records import (
    BlockedChange,
    ChangedStep,
    ClaimedSteps,
    ManifestChanges,
    MigrationRecord,
    MigrationReport,
    MigrationStatus,
    RepairedStep,
    SchemaCheck,
    SchemaStatus,
    ServiceStatus,
    SkippedStep,
    StepReport,
    StepsCheck,
    UnclaimedPlugin,
    UnmarkedStep,
)
from roost.migrations._rehearsal import LOCK_MODES, HeldLock, RehearsalOutcome, RehearsalReport, RehearsedStep, TakenLock, TouchedRows
from roost.migrations._repeatable_step import RepeatableStep
from roost.migrations._run import MigrationRun
from roost.migrations._schema_service import DatabaseMigrationService
from roost.migrations._service import MigrationService
from roost.migrations._sql_files import load_sql_steps, steps_of
from roost.migrations._sql_folder import SqlFolder, read_folder
from roost.migrations._sql_service import SqlMigrationService
from roost.migrations._step import MigrationStep, SqlText
from roost.migrations._trace import run_trace_id
from roost.migrations._versions import compare_versions

__all__ = [
    "LOCK_MODES",
    "MANIFEST_NAME",
    "BlockedChange",
    "ChangedStep",
    "ClaimedSteps",
    "DatabaseAheadNoticed",
    "DatabaseExamination",
    "DatabaseMigrationService",
    "DeclaredSteps",
    "HeldLock",
    "IMigrationService",
    "LedgerUpkeep",
    "LockHolderSeen",
    "LockWaitFinished",
    "LockWaitStarted",
    "LongTransaction",
    "ManifestChanges",
    "MigrationConfig",
    "MigrationContext",
    "MigrationLockHolder",
    "MigrationOrchestrator",
    "MigrationProgress",
    "MigrationRecord",
    "MigrationReport",
    "MigrationRun",
    "MigrationService",
    "MigrationStanding",
    "MigrationStatus",
    "MigrationStep",
    "PluginMigrationService",
    "Policy",
    "PolicyNoticed",
    "RehearsalFinished",
    "RehearsalOutcome",
    "RehearsalReport",
    "RehearsalStarted",
    "RehearsedStep",
    "RepairedStep",
    "RepeatableStep",
    "RepeatableStepsLeft",
    "RunFinished",
    "RunLimit",
    "RunStarted",
    "RunState",
    "SchemaCheck",
    "SchemaDiffers",
    "SchemaStatus",
    "ServiceMigrationFinished",
    "ServiceMigrationStarted",
    "ServiceStatus",
    "SessionReopened",
    "SkippedStep",
    "SqlFolder",
    "SqlMigrationService",
    "SqlText",
    "StepBlocked",
    "StepFinished",
    "StepOutcomeLearned",
    "StepProgressed",
    "StepRehearsalFinished",
    "StepRehearsalStarted",
    "StepReport",
    "StepRetried",
    "StepSkipped",
    "StepStarted",
    "StepsChanged",
    "StepsCheck",
    "TakenLock",
    "TouchedRows",
    "UnclaimedPlugin",
    "UnmarkedStep",
    "applied_steps",
    "compare_versions",
    "flyway_version",
    "load_sql_steps",
    "narrate",
    "read_folder",
    "read_proven",
    "read_sql_step",
    "run_plugin_migrations",
    "run_trace_id",
    "steps_of",
    "write_manifest",
]
