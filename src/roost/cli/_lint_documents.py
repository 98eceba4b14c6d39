"""What ``--json`` prints of what a linter found. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from roost.cli._lint_listing import shown_path
from roost.cli._output import ErrorDocument

if TYPE_CHECKING:
    from roost.lint import LintReport, Severity


class FindingRow(TypedDict):
    """A remark that nobody has answered, with its place in the project.

    Attributes:
        rule: The rule's name.
        severity: Whether it fails a check.
        what: What was found, in a few words.
        why: What comes of it.
        safer: What to write instead.
        path: The file; null for SQL in code.
        line: The line of the file, or of the step's SQL, counted from 1.
        plugin: The step's plugin; null for a file of no plugin.
        step: The step's id.
    """

    rule: str
    severity: Severity
    what: str
    why: str
    safer: str
    path: str | None
    line: int
    plugin: str | None
    step: str


class FoundDocument(TypedDict):
    """What a linter found.

    Attributes:
        postgres_version: The version of the oldest server that the migrations will run on.
        errors: How many findings fail a check.
        warnings: How many findings don't.
        texts: How many texts were read.
        functions: How many steps are Python functions, which nobody can lint.
        installed: How many SQL steps were passed over because they come with installed packages.
        ignored: How many remarks are answered by a comment with a reason.
        findings: What is to be said, text by text, each in the order of its lines.
    """

    postgres_version: str
    errors: int
    warnings: int
    texts: int
    functions: int
    installed: int
    ignored: int
    findings: list[FindingRow]


class LintDocument(FoundDocument):
    """What `roost lint` found.

    Attributes:
        valid: Whether nothing fails a check.
        unread: What kept steps from being read.
    """

    valid: bool
    unread: list[ErrorDocument]


def found_document(report: LintReport, *, postgres_version: str, base: Path) -> FoundDocument:
    """Return what a linter found; files below `base` are named from there."""
    return FoundDocument(
        postgres_version=postgres_version,
        errors=report.errors,
        warnings=report.warnings,
        texts=report.texts,
        functions=report.functions,
        installed=report.installed,
        ignored=report.ignored,
        findings=[
            FindingRow(
                rule=found.rule,
                severity=found.severity,
                what=found.what,
                why=found.why,
                safer=found.safer,
                path=None if found.path is None else shown_path(found.path, base=base),
                line=found.line,
                plugin=found.plugin,
                step=found.step,
            )
            for found in report.findings
        ],
    )
