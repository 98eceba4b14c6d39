"""Comments by which somebody answers a remark, with the reason; and what is wrong with such comments. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from roost.lint._finding import Remark, Severity
from roost.postgres import ParsedStatement, line_comments

_COMMENT = re.compile(r"--[ \t]*roost:[ \t]*ignore(?P<file>-file)?(?![\w-])(?P<rules>[^:]*)(?::(?P<reason>.*))?")
_SQUAWKS = re.compile(r"--[ \t]*squawk-ignore(?:-file)?\b(?P<rest>.*)")

FORM = "-- roost: ignore RULE: reason"
IGNORE_RULES: dict[str, tuple[Severity, str, str]] = {
    "ignore-without-reason": (
        "error",
        "who reads it later can't tell whether it is still right, so it counts for nothing",
        f"write {FORM}",
    ),
    "ignore-unknown-rule": ("error", "it counts for nothing", f"name a rule as it is told, and write {FORM}"),
    "ignore-unused": ("warning", "what it was written for is gone, or it stands before another statement", "take it out"),
}
"""What is said of the comments themselves, which no comment can answer: how grave it is, why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """A comment that answers remarks.

    Attributes:
        position: How many characters of the text come before it.
        rules: The rules that it names.
        reason: Why they don't matter here; empty where it says none.
        is_of_file: Whether it is about the whole text, and not one statement.
    """

    position: int
    rules: tuple[str, ...]
    reason: str
    is_of_file: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """What is left of remarks, and how many were answered."""

    remarks: tuple[Remark, ...]
    ignored: int


def read_ignores(sql: str) -> list[Ignore]:
    """Return the comments of a text that answer remarks, in their order."""
    found: list[Ignore] = []
    for position, comment in line_comments(sql):
        match = _COMMENT.match(comment)
        if match is not None:
            rules = tuple(name.strip() for name in match["rules"].split(",") if name.strip())
            reason = (match["reason"] or "").strip()
            found.append(Ignore(position=position, rules=rules, reason=reason, is_of_file=match["file"] is not None))
    return found


def unexplained(sql: str) -> list[Remark]:
    """Return a remark for each of squawk's own comments that gives no reason; it gives one behind two dashes."""
    return [
        _remark("ignore-without-reason", comment.strip(), position=position, severity="warning", why="squawk heeds it, reason or not")
        for position, comment in line_comments(sql)
        if (match := _SQUAWKS.match(comment)) is not None and not match["rest"].partition("--")[2].strip()
    ]


def answered(
    remarks: Sequence[Remark], ignores: Sequence[Ignore], statements: Sequence[ParsedStatement] | None, *, sql: str, known: Collection[str]
) -> Answered:
    """Take out the remarks that are answered, and add what is wrong with the answers.

    Args:
        remarks: What is said of the text.
        ignores: Its comments.
        statements: Its statements; None where it can't be split into them.
        sql: The text.
        known: The names of all rules.
    """
    valid = [ignore for ignore in ignores if ignore.reason]
    used: set[tuple[int, str]] = set()
    left: list[Remark] = []
    for remark in remarks:
        here = None if statements is None else _statement_at(remark.position, statements)
        fitting = [
            ignore
            for ignore in valid
            if remark.rule in ignore.rules
            and (ignore.is_of_file or (here is not None and statements is not None and _owner(ignore, statements, sql) == here))
        ]
        used |= {(ignore.position, remark.rule) for ignore in fitting}
        if not fitting:
            left.append(remark)
    wrong = [one for ignore in ignores for one in _wrong_with(ignore, used, known=known, is_split=statements is not None)]
    return Answered(remarks=(*left, *wrong), ignored=len(remarks) - len(left))


def _wrong_with(ignore: Ignore, used: Collection[tuple[int, str]], *, known: Collection[str], is_split: bool) -> list[Remark]:
    if not ignore.rules:
        return [_remark("ignore-unknown-rule", "an ignore that names no rule", position=ignore.position)]
    unknown = [
        _remark("ignore-unknown-rule", f"an ignore of {rule}, which is no rule", position=ignore.position)
        for rule in ignore.rules
        if rule not in known
    ]
    if not ignore.reason:
        return [
            *unknown,
            _remark("ignore-without-reason", f"an ignore of {', '.join(ignore.rules)} without a reason", position=ignore.position),
        ]
    if not is_split:  # nobody can tell which statement it is about
        return unknown
    unused = [rule for rule in ignore.rules if rule in known and (ignore.position, rule) not in used]
    return unknown + [
        _remark("ignore-unused", f"an ignore of {rule}, which finds nothing here", position=ignore.position) for rule in unused
    ]


def _remark(rule: str, what: str, *, position: int, severity: Severity | None = None, why: str = "") -> Remark:
    own, because, safer = IGNORE_RULES[rule]
    return Remark(rule=rule, severity=severity or own, what=what, why=why or because, safer=safer, position=position)


def _statement_at(position: int, statements: Sequence[ParsedStatement]) -> int:
    begun = [index for index, statement in enumerate(statements) if statement.start <= position]
    return begun[-1] if begun else 0


def _owner(ignore: Ignore, statements: Sequence[ParsedStatement], sql: str) -> int | None:
    """Return the statement that a comment is about: the one on whose last line it stands, else the one it is in or before."""
    for index, statement in enumerate(statements):
        end = statement.start + len(statement.text)
        if ignore.position < end:
            return index
        if "\n" not in sql[end : ignore.position]:
            return index
    return None
