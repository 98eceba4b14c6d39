from __future__ import annotations

import pytest

from roost.cli._error_codes import exit_code_of
from roost.cli._exit_codes import ExitCode
from roost.errors import (
    BadTarget,
    BadUsage,
    BaselineRefused,
    CertificateRefused,
    ClaimNotChecked,
    ClaimNotFound,
    ClaimUnconfirmed,
    DatabaseUnreachable,
    DuplicateStep,
    FilesInTheWay,
    FilesNotWritten,
    InvalidDatabaseURL,
    InvalidManifest,
    InvalidPluginVersion,
    InvalidSqlFile,
    LintExtraMissing,
    ManifestConflict,
    ManifestMismatch,
    MarkRefused,
    MigrationLockTimeout,
    NoDatabase,
    NumberUnclear,
    PluginMissing,
    RenumberRefused,
    RollbackUnconfirmed,
    ScaffoldExtraMissing,
    SchemaExtraMissing,
    StepIsRepeatable,
    StepNotInDoubt,
    StepsOutOfOrder,
    TLSFileUnusable,
    TLSNotOffered,
    UnfitName,
    UnknownMigrationPlugin,
    UnknownRole,
    UnknownRollbackTarget,
    UnknownVersion,
    UnlockDenied,
    UnlockUnconfirmed,
    UnmarkRefused,
)

UNREACHABLE = DatabaseUnreachable(location="db:5432/app", attempts=3, reason="refused")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("x"), 1),
        (BadUsage(reason="r", remedy="h"), 2),
        (BadTarget(target="a:b", reason="r"), 2),
        (NoDatabase(services=("a",)), 2),
        (InvalidDatabaseURL(reason="r"), 2),
        (InvalidManifest(path="p", reason="r"), 4),
        (LintExtraMissing(missing=("squawk",)), 2),
        (ManifestMismatch(path="p", missing=("a",)), 4),
        (ManifestConflict(path="p", reason="r"), 4),
        (UnfitName(what="table", name="n", reason="r"), 2),
        (NumberUnclear(directory="d", file="f", reason="r"), 2),
        (RenumberRefused(directory="d", steps=("s",), reason="r"), 2),
        (FilesInTheWay(paths=("p",)), 2),
        (FilesNotWritten(path="p", reason="r"), 1),
        (ScaffoldExtraMissing(package="p"), 2),
        (UnknownMigrationPlugin(plugin="p", known=()), 2),
        (StepNotInDoubt(plugin="p", step="s", state=None), 2),
        (StepIsRepeatable(plugin="p", step="s", wanted="mark"), 2),
        (UnknownVersion(plugin="p", version="1", target="2"), 2),
        (BaselineRefused(plugin="p", version="1", steps=("s",)), 2),
        (MarkRefused(plugin="p", step="s"), 2),
        (UnmarkRefused(plugin="p", step="s", state=None), 2),
        (ClaimNotFound(plugin="p", missing=("s: table t is not there",)), 1),
        (ClaimNotChecked(plugin="p", steps=("s",), remedy="h"), 1),
        (UnknownRole(role="r"), 2),
        (UnknownRollbackTarget(plugin="p", target="version 9"), 2),
        (SchemaExtraMissing(package="pgmig"), 2),
        (InvalidSqlFile(path="a.sql", reason="r"), 4),
        (InvalidPluginVersion(version="x", reason="r"), 4),
        (DuplicateStep(plugin="p", step="s"), 4),
        (PluginMissing(plugin="p", needed="q"), 4),
        (StepsOutOfOrder(plugin="p", steps=("s",), applied="t"), 4),
        (UnlockDenied(pid=1, role="r", reason="no"), 1),
        (MigrationLockTimeout(waited=1.0), 5),
        (UNREACHABLE, 6),
        (TLSFileUnusable(setting="sslrootcert", path="/ca.pem", reason="r"), 2),
        (TLSNotOffered(location="db:5432", sslmode="require"), 6),
        (CertificateRefused(location="db:5432", reason="r", remedy="h"), 6),
        (RollbackUnconfirmed(plugin="p", steps=("s",), asked=False), 7),
        (UnlockUnconfirmed(pid=1, asked=True), 7),
        (ClaimUnconfirmed(command="mark", plugin="p", steps=("s",), asked=True), 7),
    ],
)
def test_kind_decides(error: Exception, code: int) -> None:
    """The kind of an error decides the exit code; what roost does not know is a failure."""
    assert exit_code_of(error) == code


def test_cause_decides_for_what_wraps_it() -> None:
    """An error that only wraps another has the exit code of its cause."""
    wrapper = RuntimeError("a service failed to start")
    wrapper.__cause__ = UNREACHABLE
    assert exit_code_of(wrapper) is ExitCode.UNREACHABLE


def test_circle_of_causes_ends() -> None:
    """Errors that name each other as cause are a failure, not a hang."""
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert exit_code_of(first) is ExitCode.FAILED
