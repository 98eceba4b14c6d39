from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from roost import MigrationStep, RepeatableStep
from roost.errors import LinterFailed, LintExtraMissing
from roost.lint import LEFT_OUT, OWN_RULES, SQUAWK_RULES, LintReport, lint_steps
from roost.lint import _lint as lint
from roost.lint._squawk import SquawkSaid, ask_squawk, find_squawk
from roost.migrations import DeclaredSteps, SqlText

PROGRAM = find_squawk() or ""


def step(sql: str, *, transactional: bool = True, breaking: bool = False, name: str = "one") -> MigrationStep:
    """Return a step of SQL."""
    return MigrationStep(name, "One", up=sql, transactional=transactional, breaking=breaking)


def linted(*steps: MigrationStep, version: str = "14") -> LintReport:
    """Lint the steps of a plugin."""
    return lint_steps([DeclaredSteps(plugin="notes", steps=steps)], postgres_version=version)


def rules(*steps: MigrationStep, version: str = "14") -> list[str]:
    """Return the rules that steps break, in order."""
    return [found.rule for found in linted(*steps, version=version).findings]


@pytest.mark.parametrize(
    ("sql", "rule", "severity"),
    [
        ("CREATE INDEX i ON notes (a)", "require-concurrent-index-creation", "error"),
        ("DROP INDEX i", "require-concurrent-index-deletion", "error"),
        ("ALTER TABLE notes ADD CONSTRAINT c CHECK (a > 0)", "constraint-missing-not-valid", "error"),
        ("ALTER TABLE notes ALTER a TYPE text", "changing-column-type", "error"),
        ("ALTER TABLE notes ALTER a SET NOT NULL", "adding-not-nullable-field", "error"),
        ("ALTER TABLE notes ADD a text NOT NULL", "adding-required-field", "error"),
        ("ALTER TABLE notes ADD a uuid DEFAULT gen_random_uuid()", "adding-field-with-default", "error"),
        ("TRUNCATE notes CASCADE", "ban-truncate-cascade", "error"),
        ("REINDEX TABLE notes", "require-concurrent-reindex", "error"),
        ("ALTER TABLE notes DETACH PARTITION p", "require-concurrent-partition-detach", "error"),
        ("ALTER TABLE notes DROP a", "ban-drop-column", "warning"),
        ("ALTER TABLE notes RENAME a TO b", "renaming-column", "warning"),
        ("CREATE TABLE notes (id int)", "prefer-bigint-over-int", "warning"),
        ("CREATE TABLE notes (at timestamp)", "prefer-timestamp-tz", "warning"),
    ],
)
def test_what_squawk_finds_is_told_in_our_words(sql: str, rule: str, severity: str) -> None:
    """Each finding has squawk's rule, our severity, and says what, why and what is safer."""
    (found,) = linted(step(sql)).findings
    assert (found.rule, found.severity) == (rule, severity)
    assert found.what == SQUAWK_RULES[rule].what
    assert found.why
    assert found.safer


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE notes (id bigint PRIMARY KEY, body text, kind varchar(20), rank smallint); CREATE INDEX i ON notes (body)",
        "ALTER TABLE notes ADD body text",
        "ALTER TABLE notes ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        "ALTER TYPE mood ADD VALUE 'calm'",
    ],
)
def test_what_roost_takes_care_of_is_not_told(sql: str) -> None:
    """Time limits, re-runs, and opinions that cost nothing are left out; a table that the step makes is empty."""
    assert rules(step(sql)) == []


def test_a_step_outside_a_transaction_is_read_as_one() -> None:
    """The same statement is right there, and refused inside."""
    sql = "CREATE INDEX CONCURRENTLY i ON notes (a)"
    assert rules(step(sql, transactional=False)) == []
    assert rules(step("VACUUM notes; DROP TABLE a", transactional=False)) == ["ban-drop-table"]
    assert rules(step(sql)) == ["refuses-transaction"]


def test_a_step_that_says_it_breaks_old_code_has_answered_that() -> None:
    """What is about code from before it is not told; what takes a lock is."""
    sql = "ALTER TABLE notes DROP a; DROP TABLE old; ALTER TABLE notes RENAME b TO c; CREATE INDEX i ON notes (c)"
    assert rules(step(sql, breaking=True)) == ["require-concurrent-index-creation"]
    assert rules(step(sql))[:3] == ["ban-drop-column", "ban-drop-table", "renaming-column"]


def test_the_server_version_counts() -> None:
    """A server of 10 rewrites a table for a default that one of 14 notes down."""
    sql = "ALTER TABLE notes ADD a text DEFAULT 'x'"
    assert rules(step(sql), version="14") == []
    assert rules(step(sql), version="10") == ["adding-field-with-default"]


def test_the_line_is_that_of_the_file_or_of_the_step() -> None:
    """A text from a file is told by its file and line, wherever it begins there; SQL in code by its step; also behind wide letters."""
    body = "-- migrate\nSELECT 'é𝒳'; CREATE INDEX i ON notes (a);\r\n\n  TRUNCATE notes;\n"
    in_file = MigrationStep("two", "Two", up=SqlText.read_from(body, Path("a/002.sql"), 5))
    found = linted(step(body), in_file).findings
    assert [(one.path, one.step, one.line, one.rule) for one in found] == [
        (None, "one", 2, "require-concurrent-index-creation"),
        (None, "one", 4, "truncate"),
        (Path("a/002.sql"), "two", 6, "require-concurrent-index-creation"),
        (Path("a/002.sql"), "two", 8, "truncate"),
    ]


def test_what_squawk_says_is_answered_by_a_comment_on_its_statement() -> None:
    """Two statements on one line are told apart by bytes, as squawk counts them."""
    sql = "SELECT 'ééé';\n-- roost: ignore ban-drop-table: nobody used it\nDROP TABLE a; DROP TABLE b;"
    report = linted(step(sql))
    assert [(found.rule, found.line) for found in report.findings] == [("ban-drop-table", 3)]
    assert report.ignored == 1


def test_a_text_that_nobody_can_read_is_an_error_and_the_others_are_linted() -> None:
    """The parser's words and the line are told, once; nothing else is said of that text."""
    broken, fine = step("SELECT 1;\nSELECT FROM WHERE"), step("TRUNCATE notes", name="two")
    found = linted(broken, fine).findings
    assert [(one.step, one.rule, one.line) for one in found] == [("one", "syntax-error", 2), ("two", "truncate", 1)]
    assert 'at or near "WHERE"' in found[0].what


def test_a_text_that_nests_too_deep_is_a_warning() -> None:
    """Whether the server takes it nobody knows: it is said that nobody looked."""
    assert rules(step(f"SELECT {' + '.join(['1'] * 3000)}")) == ["not-linted"]


def test_a_text_that_only_squawk_cannot_read_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once, and roost's own rules count."""
    said = [SquawkSaid(text=0, line=0, column=3, rule="syntax-error", message="odd", advice="") for _ in range(2)]
    monkeypatch.setattr(lint, "ask_squawk", lambda _program, _texts, *, transactional, **_rest: said if transactional else [])
    assert rules(step("TRUNCATE notes")) == ["truncate", "not-linted"]
    assert rules(step("-- roost: ignore ban-drop-table: why\nDROP TABLE a")) == ["not-linted"]


def test_what_is_said_twice_of_a_line_is_told_once() -> None:
    """Squawk remarks on each of two values for a column, and the reader wants to know it once."""
    assert rules(step("UPDATE notes SET a = 1, a = 2 WHERE id = 3")) == ["ban-duplicate-column-assignments"]


def test_a_rule_of_a_newer_squawk_is_a_warning_that_can_be_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told in squawk's own words, and its name is one that a comment may name."""
    said = [SquawkSaid(text=0, line=1, column=0, rule="new-rule", message="Don't.", advice="Do.")]
    monkeypatch.setattr(lint, "ask_squawk", lambda _program, _texts, *, transactional, **_rest: said if transactional else [])
    (found,) = linted(step("\nSELECT 1")).findings
    assert (found.severity, found.what, found.safer) == ("warning", "Don't.", "Do.")
    assert rules(step("-- roost: ignore new-rule: why\nSELECT 1")) == []


def test_repeatable_steps_are_linted_and_functions_are_counted() -> None:
    """A view's text is SQL; nobody can lint Python."""

    async def fill() -> None: ...

    declared = DeclaredSteps(
        plugin="notes", steps=(MigrationStep("fill", "Fill", up=fill),), repeatable=(RepeatableStep("clear", "Clear", up="TRUNCATE notes"),)
    )
    report = lint_steps([declared])
    assert [(found.step, found.rule) for found in report.findings] == [("clear", "truncate")]
    assert (report.texts, report.functions, report.errors, report.warnings) == (1, 1, 1, 0)


def test_only_some_steps_can_be_asked_for() -> None:
    """The others are not spoken of, but their numbers count."""
    steps = [
        MigrationStep(f"00{number}", "A file", up=SqlText.read_from("TRUNCATE notes", Path(f"00{number}.sql"))) for number in (1, 2, 4)
    ]
    declared = [DeclaredSteps(plugin="notes", steps=tuple(steps))]
    report = lint_steps(declared, only={("notes", "004")})
    assert [(found.step, found.rule) for found in report.findings] == [("004", "truncate"), ("004", "number-gap")]
    assert report.texts == 1
    assert [found.rule for found in lint_steps(declared, only={("notes", "001")}).findings] == ["truncate"]


def test_what_comes_with_an_installed_package_is_passed_over() -> None:
    """The project can't change it: a file, or SQL in the code of a package, is counted, and linted only if it is asked for."""
    package = Path("/env/lib/python3.11/site-packages/queue")
    file = MigrationStep("one", "One", up=SqlText.read_from("TRUNCATE notes", package / "001.sql"))
    in_code = DeclaredSteps(plugin="b", source=package / "migrations.py", steps=(step("TRUNCATE notes"),))
    declared = [DeclaredSteps(plugin="a", source=Path("/app/a.py"), steps=(file,)), in_code]
    report = lint_steps(declared)
    assert (report.findings, report.texts, report.installed) == ((), 0, 2)
    assert [found.rule for found in lint_steps(declared, installed=True).findings] == ["truncate", "truncate"]


def test_without_the_extra_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two tools is named."""
    monkeypatch.setitem(sys.modules, "postgast", None)
    with pytest.raises(LintExtraMissing, match="takes postgast, which is not installed"):
        linted()
    monkeypatch.setattr(lint, "find_squawk", lambda: None)
    with pytest.raises(LintExtraMissing, match="takes postgast and squawk, which are not installed"):
        linted()


def test_rules_are_in_one_table_each() -> None:
    """A rule counts or is left out; what is left out has its reason."""
    assert not SQUAWK_RULES.keys() & LEFT_OUT.keys()
    assert not OWN_RULES.keys() & SQUAWK_RULES.keys()
    assert all(LEFT_OUT.values())


def test_many_texts_go_to_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each text is told by its number, whichever process read it; none is no process."""
    monkeypatch.setattr("roost.lint._squawk._AT_ONCE", 2)
    texts = ["SELECT 1", "DROP TABLE a", "SELECT 2", "SELECT 3", "DROP TABLE b"]
    said = ask_squawk(PROGRAM, texts, postgres_version="14", transactional=True)
    assert [one.text for one in said if one.rule == "ban-drop-table"] == [1, 4]
    assert ask_squawk("/nowhere", [], postgres_version="14", transactional=True) == []


def test_a_configuration_of_squawks_own_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same is said wherever it runs."""
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["ban-drop-table"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert rules(step("DROP TABLE a")) == ["ban-drop-table"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [("echo no; exit 1", "not of the form"), ("echo broken >&2; exit 7", "broken"), ("exit 7", "exit code 7"), (None, "No such file")],
)
def test_a_squawk_that_does_not_work_is_told(tmp_path: Path, script: str | None, reason: str) -> None:
    """What it said, or how it ended, is in the error."""
    program = tmp_path / "squawk"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    with pytest.raises(LinterFailed, match=reason):
        ask_squawk(str(program), ["SELECT 1"], postgres_version="14", transactional=True)
