"""What a command's exit code says. Pure."""

from __future__ import annotations

from enum import IntEnum

from roost.errors import (
    BadProject,
    BadTarget,
    BadUsage,
    BaselineRefused,
    CertificateRefused,
    ClaimUnconfirmed,
    DatabaseNotConfigured,
    DatabaseUnreachable,
    DestructiveMigrationBlocked,
    FilesInTheWay,
    InvalidDatabaseURL,
    InvalidManifest,
    InvalidSchema,
    InvalidSchemaName,
    ManifestMismatch,
    MarkRefused,
    MigrationLockTimeout,
    NoDatabase,
    NumberUnclear,
    RenumberRefused,
    RollbackUnconfirmed,
    ScaffoldExtraMissing,
    SchemaNameCollision,
    SchemaServiceMissing,
    StepIsRepeatable,
    StepNotInDoubt,
    TLSFileUnusable,
    TLSNotOffered,
    UnfitName,
    UnknownBaseline,
    UnknownMigrationPlugin,
    UnknownRole,
    UnlockUnconfirmed,
    UnmarkRefused,
)


class ExitCode(IntEnum):
    """The exit codes of ``roost``; 128 + n after signal n, so 130 after Ctrl-C."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    PENDING = 3
    INVALID = 4
    LOCK_TIMEOUT = 5
    UNREACHABLE = 6
    REFUSED = 7


_KINDS: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (BadUsage, ExitCode.USAGE),
    (BadProject, ExitCode.USAGE),
    (BadTarget, ExitCode.USAGE),
    (DatabaseNotConfigured, ExitCode.USAGE),
    (NoDatabase, ExitCode.USAGE),
    (InvalidDatabaseURL, ExitCode.USAGE),
    (InvalidManifest, ExitCode.INVALID),
    (ManifestMismatch, ExitCode.INVALID),
    (InvalidSchema, ExitCode.INVALID),
    (InvalidSchemaName, ExitCode.INVALID),
    (SchemaNameCollision, ExitCode.INVALID),
    (SchemaServiceMissing, ExitCode.INVALID),
    (DestructiveMigrationBlocked, ExitCode.REFUSED),
    (TLSFileUnusable, ExitCode.USAGE),
    (UnknownMigrationPlugin, ExitCode.USAGE),
    (StepNotInDoubt, ExitCode.USAGE),
    (StepIsRepeatable, ExitCode.USAGE),
    (UnknownBaseline, ExitCode.USAGE),
    (BaselineRefused, ExitCode.USAGE),
    (MarkRefused, ExitCode.USAGE),
    (UnmarkRefused, ExitCode.USAGE),
    (UnknownRole, ExitCode.USAGE),
    (UnfitName, ExitCode.USAGE),
    (NumberUnclear, ExitCode.USAGE),
    (RenumberRefused, ExitCode.USAGE),
    (FilesInTheWay, ExitCode.USAGE),
    (ScaffoldExtraMissing, ExitCode.USAGE),
    (MigrationLockTimeout, ExitCode.LOCK_TIMEOUT),
    (DatabaseUnreachable, ExitCode.UNREACHABLE),
    (TLSNotOffered, ExitCode.UNREACHABLE),
    (CertificateRefused, ExitCode.UNREACHABLE),
    (RollbackUnconfirmed, ExitCode.REFUSED),
    (UnlockUnconfirmed, ExitCode.REFUSED),
    (ClaimUnconfirmed, ExitCode.REFUSED),
)


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the code for what ended a command; an error's own kind first, then what caused it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        for kind, code in _KINDS:
            if isinstance(current, kind):
                return code
        seen.add(id(current))
        current = current.__cause__
    return ExitCode.FAILED
