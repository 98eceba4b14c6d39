"""Lints the SQL of steps: roost's own rules and squawk's, less what somebody has answered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from roost.errors import LintExtraMissing
from roost.lint._finding import Finding, LintReport, LintText, Remark
from roost.lint._ignores import answered, read_ignores, unexplained
from roost.lint._lines import Lines
from roost.lint._numbering import NUMBER_RULES, number_remarks
from roost.lint._own_rules import OWN_RULES, own_remarks, remark
from roost.lint._squawk import SquawkSaid, ask_squawk, find_squawk
from roost.lint._squawk_rules import LEFT_OUT, SQUAWK_RULES, SYNTAX_ERROR, squawk_remark
from roost.lint._texts import functions_of, texts_of
from roost.migrations import DeclaredSteps
from roost.postgres import ParsedStatement, has_parser, parse_sql, statements_of, syntax_fault

OLDEST_POSTGRES = "14"
"""The oldest server that roost supports."""

RULES = frozenset({*OWN_RULES, *NUMBER_RULES, *SQUAWK_RULES, *LEFT_OUT})
"""The rules that a comment may name."""


@dataclass(slots=True)
class _Read:
    """A text with its statements, None where the grammar does not take it, and what is said of it."""

    text: LintText
    statements: tuple[ParsedStatement, ...] | None
    remarks: list[Remark]
    lines: Lines


def missing_tools() -> tuple[str, ...]:
    """Return what linting needs and is not installed."""
    return (*(() if has_parser() else ("postgast",)), *(() if find_squawk() else ("squawk",)))


def lint_steps(
    declared: Sequence[DeclaredSteps],
    *,
    postgres_version: str = OLDEST_POSTGRES,
    only: Collection[tuple[str, str]] | None = None,
    installed: bool = False,
) -> LintReport:
    """Lint the SQL of steps.

    Args:
        declared: The steps, service by service.
        postgres_version: The version of the oldest server that they will run on, such as ``"16"``.
        only: The steps to speak of, each as its plugin and its id; None for all.
        installed: Whether to speak also of steps that come with installed packages, which the project can't change.

    Raises:
        LintExtraMissing: The grammar or squawk is not installed.
        LinterFailed: Squawk can't be run, or its answer can't be read.
    """
    program = find_squawk()
    missing = missing_tools()
    if missing or program is None:
        raise LintExtraMissing(missing=missing)
    services = texts_of(declared)
    asked = [text for texts in services for text in texts if only is None or (text.plugin, text.step) in only]
    read = [_read(text) for text in asked if installed or not text.is_installed]
    spoken_of = {id(one.text): one for one in read}
    for text, said in (one for texts in services for one in number_remarks(texts)):
        if id(text) in spoken_of:
            spoken_of[id(text)].remarks.append(said)
    _ask(program, [one for one in read if one.statements is not None], postgres_version=postgres_version)
    left = [_answered(one) for one in read]
    return LintReport(
        findings=tuple(finding for findings, _ in left for finding in findings),
        texts=len(read),
        installed=len(asked) - len(read),
        functions=sum(only is None or step in only for step in functions_of(declared)),
        ignored=sum(ignored for _, ignored in left),
    )


def _answered(one: _Read) -> tuple[list[Finding], int]:
    sql = one.text.sql
    # A newer squawk may have rules that are not known here.
    known = RULES | {said.rule for said in one.remarks}
    left = answered(one.remarks, read_ignores(sql), one.statements, sql=sql, known=known)
    return _placed(one, [*left.remarks, *unexplained(sql)]), left.ignored


def _read(text: LintText) -> _Read:
    statements = parse_sql(text.sql)
    if statements is None:
        fault = syntax_fault(text.sql)
        said = (
            remark("not-linted", "it nests too deep to be read") if fault is None else remark("syntax-error", fault[0], position=fault[1])
        )
        return _Read(text, None, [said], Lines(text.sql))
    remarks = own_remarks(statements, statements_of(text.sql) or (), transactional=text.transactional)
    return _Read(text, statements, remarks, Lines(text.sql))


def _ask(program: str, read: Sequence[_Read], *, postgres_version: str) -> None:
    """Add to each text what squawk says of it."""
    for transactional in (True, False):
        group = [one for one in read if one.text.transactional is transactional]
        texts = [one.text.sql for one in group]
        for said in ask_squawk(program, texts, postgres_version=postgres_version, transactional=transactional):
            one = group[said.text]
            told = _told(said, one)
            if told is not None:
                one.remarks.append(told)


def _told(said: SquawkSaid, one: _Read) -> Remark | None:
    position = one.lines.position(said.line, column=said.column)
    if said.rule != SYNTAX_ERROR:
        return squawk_remark(said.rule, message=said.message, advice=said.advice, position=position, breaking=one.text.breaking)
    if any(earlier.rule == "not-linted" for earlier in one.remarks):
        return None
    return remark("not-linted", f"squawk can't read it, and only roost's own rules were applied: {said.message}", position=position)


def _placed(one: _Read, remarks: Iterable[Remark]) -> list[Finding]:
    placed = (
        Finding(
            rule=said.rule,
            severity=said.severity,
            what=said.what,
            why=said.why,
            safer=said.safer,
            path=one.text.path,
            line=one.text.first_line + one.lines.line_of(said.position),
            plugin=one.text.plugin,
            step=one.text.step,
        )
        for said in sorted(remarks, key=lambda said: said.position)
    )
    return list(dict.fromkeys(placed))
