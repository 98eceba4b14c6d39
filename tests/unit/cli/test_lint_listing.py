from __future__ import annotations

from pathlib import Path

import pytest

from roost.cli._lint_listing import finding_lines, github_lines, lint_summary, shown_path
from roost.lint import Finding, LintReport

BASE = Path("/app")


def finding(*, path: str | None = "/app/sql/1.sql", why: str = "why", safer: str = "safer") -> Finding:
    """Return a finding in line 3."""
    place = None if path is None else Path(path)
    return Finding(rule="truncate", severity="error", what="what", why=why, safer=safer, path=place, line=3, plugin="p", step="s")


def test_a_finding_is_written_as_compilers_do() -> None:
    """File and line, severity, rule and what; then why and what is safer, as far as there is something to say."""
    assert [str(line) for line in finding_lines([finding(), finding(path=None, why="", safer="")], base=BASE)] == [
        "sql/1.sql:3: error truncate: what",
        "    why: why",
        "    safer: safer",
        "p:s:3: error truncate: what",
    ]


def test_a_finding_is_written_for_github() -> None:
    """Line feeds and percent signs are written as a workflow command wants them, in properties commas and colons too."""
    assert [str(line) for line in github_lines([finding(why="50%,\nno: more", path="/app/a,b:c.sql"), finding(path=None)], base=BASE)] == [
        "::error file=a%2Cb%3Ac.sql,line=3,title=truncate::what%0Awhy: 50%25,%0Ano: more%0Asafer: safer",
        "::error title=truncate::p:s:3: what%0Awhy: why%0Asafer: safer",
    ]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/app/a.sql", "a.sql"),
        ("a.sql", "a.sql"),
        ("./b/a.sql", "b/a.sql"),
        ("/other/a.sql", "/other/a.sql"),
        ("../a.sql", "../a.sql"),
        ("/app/a\nb.sql", "'a\\nb.sql'"),
    ],
)
def test_files_are_named_from_where_one_is(path: str, shown: str) -> None:
    """Below the current directory from there; a name that would break the line is quoted."""
    assert shown_path(Path(path), base=BASE) == shown


def test_the_summary_counts() -> None:
    """Findings, what was read, what was answered, and what nobody linted."""
    assert lint_summary(LintReport(findings=(finding(),), texts=1)) == "1 error, 0 warnings in 1 SQL step"
    report = LintReport(findings=(), texts=2, functions=1, installed=3, ignored=4)
    assert lint_summary(report) == (
        "0 errors, 0 warnings in 2 SQL steps; 4 findings ignored with a reason; "
        "not linted: 1 Python step and 3 SQL steps of installed packages"
    )
