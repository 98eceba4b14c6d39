"""What is linted, and what is found in it. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LintText:
    """The SQL of one step.

    Attributes:
        sql: The text.
        path: The file it was read from; None for SQL in code.
        first_line: The line of the file on which the text begins, counted from 1.
        plugin: The step's plugin; None for a file of no plugin.
        step: The step's id.
        transactional: Whether it runs in a transaction.
        is_installed: Whether it comes with a package that was installed, and not with the project.
        breaking: Whether the step says that code from before it must not run against a database that has it.
    """

    sql: str
    step: str
    path: Path | None = None
    first_line: int = 1
    plugin: str | None = None
    transactional: bool = True
    breaking: bool = False
    is_installed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What a rule says of a place in a text.

    Attributes:
        rule: The rule's name.
        severity: Whether it fails a check.
        what: What was found, in a few words.
        why: What comes of it.
        safer: What to write instead.
        position: How many characters of the text come before the place.
    """

    rule: str
    severity: Severity
    what: str
    why: str
    safer: str
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A remark that nobody has answered, with its place in the project.

    Attributes:
        rule: The rule's name.
        severity: Whether it fails a check.
        what: What was found, in a few words.
        why: What comes of it.
        safer: What to write instead.
        path: The file; None for SQL in code.
        line: The line of the file, or of the step's SQL, counted from 1.
        plugin: The step's plugin; None for a file of no plugin.
        step: The step's id.
    """

    rule: str
    severity: Severity
    what: str
    why: str
    safer: str
    path: Path | None
    line: int
    plugin: str | None
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What a linter found.

    Attributes:
        findings: What is to be said, text by text, each in the order of its lines.
        texts: How many texts were read.
        functions: How many steps are Python functions, which nobody can lint.
        installed: How many SQL steps were passed over because they come with installed packages.
        ignored: How many remarks are answered by a comment with a reason.
    """

    findings: tuple[Finding, ...]
    texts: int
    functions: int = 0
    installed: int = 0
    ignored: int = 0

    @property
    def errors(self) -> int:
        """How many findings fail a check."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many findings don't."""
        return len(self.findings) - self.errors
