"""Writes findings out: as compilers do, and as GitHub marks them in a change. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from roost.cli._words import counted

if TYPE_CHECKING:
    from roost.lint import Finding, LintReport

_STYLES = {"error": "bold red", "warning": "yellow"}


def finding_lines(findings: Iterable[Finding], *, base: Path) -> list[Text]:
    """Write out each finding: where it is and what, then why, then what to write instead.

    Args:
        findings: The findings.
        base: Files below it are named from there.
    """
    lines: list[Text] = []
    for found in findings:
        severity = (found.severity, _STYLES[found.severity])
        lines.append(Text.assemble(f"{place(found, base=base)}: ", severity, f" {found.rule}: {found.what}"))
        lines += [Text(f"    {label}: {text}") for label, text in (("why", found.why), ("safer", found.safer)) if text]
    return lines


def github_lines(findings: Iterable[Finding], *, base: Path) -> list[Text]:
    """Write out each finding as a workflow command of GitHub Actions, which shows it beside the line."""
    return [
        Text(
            f"::{found.severity} {'' if found.path is None else f'file={_property(shown_path(found.path, base=base))},line={found.line},'}"
            f"title={_property(found.rule)}::{_data(_in_one(found, base=base))}"
        )
        for found in findings
    ]


def lint_summary(report: LintReport) -> str:
    """Say in one line what was linted and found."""
    said = f"{counted(report.errors, 'error')}, {counted(report.warnings, 'warning')} in {counted(report.texts, 'SQL step')}"
    passed = [
        *([counted(report.functions, "Python step")] if report.functions else []),
        *([f"{counted(report.installed, 'SQL step')} of installed packages"] if report.installed else []),
    ]
    beside = [
        f"{counted(report.ignored, 'finding')} ignored with a reason" if report.ignored else "",
        f"not linted: {' and '.join(passed)}" if passed else "",
    ]
    return "; ".join([said, *filter(None, beside)])


def place(found: Finding, *, base: Path) -> str:
    """Say where a finding is: file and line, or for SQL in code the step, and the line in its SQL."""
    where = shown_path(found.path, base=base) if found.path is not None else f"{found.plugin}:{found.step}"
    return f"{where}:{found.line}"


def shown_path(path: Path, *, base: Path) -> str:
    """Return a file's name, from `base` where it is below."""
    absolute = path if path.is_absolute() else base / path
    name = str(absolute.relative_to(base)) if absolute.is_relative_to(base) else str(path)
    return name if name.isprintable() else repr(name)


def _in_one(found: Finding, *, base: Path) -> str:
    where = f"{place(found, base=base)}: " if found.path is None else ""
    return "\n".join(filter(None, (f"{where}{found.what}", found.why and f"why: {found.why}", found.safer and f"safer: {found.safer}")))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
