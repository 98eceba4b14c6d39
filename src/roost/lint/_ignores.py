"""Comments by which somebody answers a remark, with the reason; and what is wrong with such comments. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
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
    starts = [statement.start for statement in statements or ()]
    answers: dict[tuple[str, int | None], list[int]] = {}
    for ignore in ignores:
        if ignore.reason and (ignore.is_of_file or statements is not None):
            about = None if ignore.is_of_file else _owner(ignore.position, statements or (), starts, sql)
            for rule in ignore.rules:
                answers.setdefault((rule, about), []).append(ignore.position)
    used: set[tuple[int, str]] = set()
    left: list[Remark] = []
    for remark in remarks:
        here = max(bisect_right(starts, remark.position) - 1, 0)
        fitting = [*answers.get((remark.rule, None), ()), *answers.get((remark.rule, here), ())]
        used |= {(position, remark.rule) for position in fitting}
        if not fitting:
            left.append(remark)
    # Of what a linter could not read, nobody can tell whether an answer to it is still wanted.
    is_whole = statements is not None and all(remark.rule != "not-linted" for remark in remarks)
    wrong = [one for ignore in ignores for one in _wrong_with(ignore, used, known=known, is_whole=is_whole)]
    return Answered(remarks=(*left, *wrong), ignored=len(remarks) - len(left))


def _wrong_with(ignore: Ignore, used: Collection[tuple[int, str]], *, known: Collection[str], is_whole: bool) -> list[Remark]:
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
    if not is_whole:
        return unknown
    unused = [rule for rule in ignore.rules if rule in known and (ignore.position, rule) not in used]
    return unknown + [
        _remark("ignore-unused", f"an ignore of {rule}, which finds nothing here", position=ignore.position) for rule in unused
    ]


def _remark(rule: str, what: str, *, position: int, severity: Severity | None = None, why: str = "") -> Remark:
    own, because, safer = IGNORE_RULES[rule]
    return Remark(rule=rule, severity=severity or own, what=what, why=why or because, safer=safer, position=position)


def _owner(position: int, statements: Sequence[ParsedStatement], starts: Sequence[int], sql: str) -> int:
    """Return the number of the statement that a comment is about: the one that it is in, or on the last line of, else the next."""
    before = bisect_right(starts, position) - 1
    if before >= 0:
        end = starts[before] + len(statements[before].text)
        if position < end or "\n" not in sql[end:position]:
            return before
    return before + 1
