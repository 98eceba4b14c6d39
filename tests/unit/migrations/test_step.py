from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from roost.errors import InvalidPluginVersion, InvalidStep
from roost.migrations import MigrationContext, MigrationStep, SqlText
from roost.migrations._step import takes_context


async def fill(context: MigrationContext) -> None:
    """A body that takes the context."""


async def alone() -> None:
    """A body that takes nothing."""


async def named(*, context: object = None) -> None:
    """A body that can be called with nothing."""


async def rest(*arguments: object) -> None:
    """A body that takes whatever it is given."""


def refusal(**fields: Any) -> InvalidStep:
    with pytest.raises(InvalidStep) as caught:
        MigrationStep(**{"id": "s", "description": "d", "up": "SELECT 1"} | fields)
    return caught.value


def test_defaults() -> None:
    """A step of three values is transactional, can't be undone, needs nothing and breaks nothing."""
    step = MigrationStep("s", "does it", "SELECT 1")
    assert (step.id, step.description, step.up) == ("s", "does it", "SELECT 1")
    assert step.down is None
    assert step.version is None
    assert step.transactional is True
    assert step.requires == ()
    assert step.breaking is False
    assert (step.lock_timeout, step.statement_timeout, step.fingerprint) == (None, None, None)


def test_a_step_does_not_change() -> None:
    """A step is frozen: what was planned is what runs."""
    step = MigrationStep("s", "d", "SELECT 1")
    with pytest.raises(FrozenInstanceError):
        step.up = "SELECT 2"  # type: ignore[misc]  # that it can't be set is the point


@pytest.mark.parametrize("name", ["", "a\nb", "a\tb", "a\0b", "\ud800", 7, None])
def test_id_must_be_printable(name: object) -> None:
    """An id that is empty, unprintable or no text is refused, and the error shows it escaped."""
    error = refusal(id=name)
    assert error.step == repr(name)
    assert error.reason == "a step's id is a non-empty, printable string"


def test_id_is_measured_in_bytes() -> None:
    """255 bytes of UTF-8 are the most; a sign of two bytes counts twice."""
    assert MigrationStep("x" * 255, "d", "SELECT 1").id == "x" * 255
    assert MigrationStep("é" * 127, "d", "SELECT 1").id == "é" * 127
    assert refusal(id="x" * 256).reason == "its id is longer than 255 bytes"
    error = refusal(id="é" * 128)
    assert error.step == "é" * 40 + "…"
    assert error.reason == "its id is longer than 255 bytes"


@pytest.mark.parametrize("field", ["up", "down"])
@pytest.mark.parametrize(("body", "kind"), [(7, "int"), (b"SELECT 1", "bytes"), (["SELECT 1"], "list")])
def test_body_is_sql_or_function(field: str, body: object, kind: str) -> None:
    """A body that is neither text nor callable is refused, with its field and type."""
    assert refusal(**{field: body}).reason == f"{field} is neither SQL text nor a function but {kind}"


def test_up_is_needed() -> None:
    """None is a way back that is not there, but it is no way up."""
    assert refusal(up=None).reason == "up is neither SQL text nor a function but NoneType"


@pytest.mark.parametrize("field", ["up", "down"])
def test_sql_that_can_not_be_sent_is_refused(field: str) -> None:
    """A NUL byte or half a surrogate pair is refused when the step is made, with its line."""
    assert refusal(**{field: "SELECT 1;\n\nSELECT '\0'"}).reason == f"{field} holds a NUL byte in line 3"
    assert refusal(**{field: "SELECT\n'\ud800'"}).reason == f"{field} holds half a surrogate pair in line 2"


@pytest.mark.parametrize("field", ["up", "down"])
def test_commands_of_psql_are_refused(field: str) -> None:
    """A line that only psql can run is refused when the step is made, with its command and line."""
    reason = refusal(**{field: "SELECT 1;\n  \\i other.sql"}).reason
    assert reason.startswith(f"{field} holds \\i in line 2; commands with a backslash are psql's own")


@pytest.mark.parametrize("field", ["up", "down"])
def test_outside_a_transaction_only_sql_runs(field: str) -> None:
    """A function can't run outside a transaction, neither up nor down."""
    assert refusal(**{field: alone, "transactional": False}).reason == f"transactional=False is for SQL, and {field} is a function"


def test_bodies_that_are_accepted() -> None:
    """SQL and functions mix, and SQL may run outside a transaction."""
    assert MigrationStep("s", "d", fill, "SELECT 1").up is fill
    assert MigrationStep("s", "d", "SELECT 1", alone).down is alone
    assert MigrationStep("s", "d", "SELECT 1", "SELECT 2", transactional=False).transactional is False


def test_a_step_without_a_way_back_may_say_why() -> None:
    """The reason is a line for people; one that has a way back has none."""
    assert MigrationStep("s", "d", "SELECT 1", irreversible="the rows are gone").irreversible == "the rows are gone"
    both = refusal(down="SELECT 2", irreversible="the rows are gone")
    assert both.reason == "it has a down and says that it is irreversible; one of them is wrong"
    for empty in ("", "  ", "two\nlines"):
        assert refusal(irreversible=empty).reason.startswith("irreversible is no printable reason")


def test_version_is_checked() -> None:
    """A malformed version is refused when the step is made, not when it is run."""
    with pytest.raises(InvalidPluginVersion) as caught:
        MigrationStep("s", "d", "SELECT 1", version="1.0.0-1")
    assert caught.value.version == "1.0.0-1"


def test_requires_becomes_a_tuple() -> None:
    """Any iterable of names will do, and the step keeps a tuple of its own."""
    names = ["auth:users", "auth:roles"]
    step = MigrationStep("s", "d", "SELECT 1", requires=names)  # type: ignore[arg-type]  # a list is what people write
    names.clear()
    assert step.requires == ("auth:users", "auth:roles")


@pytest.mark.parametrize(("requires", "shown"), [(("users",), "'users'"), (("a:b", "c"), "'c'"), ("auth:users", "'a'")])
def test_requires_names_plugin_and_step(requires: object, shown: str) -> None:
    """A requirement without its plugin is refused, and so is a bare string, which would be a requirement per letter."""
    assert refusal(requires=requires).reason == f"requires {shown}, which is not of the form 'plugin:step-id'"


@pytest.mark.parametrize("field", ["lock_timeout", "statement_timeout"])
def test_timeouts_are_not_negative(field: str) -> None:
    """A negative time limit is refused; 0 means no limit and is fine."""
    assert refusal(**{field: -0.1}).reason == f"{field} is negative; it is seconds, and 0 means no limit"
    fields: dict[str, Any] = {field: 0}
    assert getattr(MigrationStep("s", "d", "SELECT 1", **fields), field) == 0


@pytest.mark.parametrize("fingerprint", ["", "a\nb"])
def test_own_fingerprint_is_printable(fingerprint: str) -> None:
    """A fingerprint of one's own that is empty or unprintable is refused."""
    assert refusal(fingerprint=fingerprint).reason == "its fingerprint is not printable"


def test_sql_text_remembers_its_place() -> None:
    """SQL from a file is the same text as without one, and knows file and line."""
    sql = SqlText.read_from("SELECT 1", Path("a.sql"), 4)
    assert sql == "SELECT 1"
    assert (sql.path, sql.first_line) == (Path("a.sql"), 4)
    assert SqlText.read_from("", Path("a.sql")).first_line == 1
    step = MigrationStep("s", "d", sql)
    assert step.up is sql


@pytest.mark.parametrize(("function", "expected"), [(fill, True), (alone, False), (named, False), (rest, True)])
def test_takes_context(function: Any, *, expected: bool) -> None:
    """A function gets the context exactly when it has a positional parameter to put it in."""
    assert takes_context(function) is expected


def test_what_can_not_be_inspected_gets_the_context() -> None:
    """A callable without a signature is taken to want the context."""

    class Odd:
        __signature__ = "none"

        async def __call__(self) -> None:
            """Takes nothing, but nobody can see that."""

    assert takes_context(Odd()) is True


@pytest.mark.parametrize(
    ("up", "reason"),
    [
        ("", "up holds none"),
        (" \n; -- nothing\n/* at all */", "up holds none"),
        ("-- note\nCOPY t FROM STDIN", "COPY FROM STDIN has no data here"),
    ],
)
def test_outside_a_transaction_there_is_one_statement(up: str, reason: str) -> None:
    """Nothing at all, and a statement that would wait for data for ever, are refused there; in a transaction they do no harm."""
    assert reason in refusal(up=up, transactional=False).reason
    assert MigrationStep("s", "d", up).up == up
