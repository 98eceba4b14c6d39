"""The schemas of what commands print with ``--json``; that commands keep to them is for the acceptance tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

import pytest

from roost.cli import main
from roost.cli._commands import GROUPS, command_called, make_app
from roost.cli._output import Output
from tests.plugins.json_documents import check, valid
from tools.json_schemas import DOCUMENTS, FOLDER, texts
from tools.schemas_of_types import closed, reference, schema_of

if TYPE_CHECKING:
    from roost.errors import RoostError


def commands_with_json() -> list[str]:
    """Return the names of the commands that take ``--json``, without their aliases."""
    app = make_app()
    names = [name for commands in GROUPS.values() for name in commands]
    return [name for name in names if any("--json" in argument.names for argument in app[name].assemble_argument_collection())]


def test_every_command_with_json_has_a_schema() -> None:
    """A command that takes ``--json`` is among those whose documents are described, and no other is; `demo` alone takes none."""
    assert sorted(commands_with_json()) == sorted(DOCUMENTS), "add it to DOCUMENTS in tools/json_schemas.py"
    assert "demo" not in commands_with_json()


def test_the_schemas_are_those_of_the_types() -> None:
    """No schema is edited by hand, or left behind by the types; the page that explains them leads to each."""
    stale = [path.name for path, text in texts().items() if not path.exists() or path.read_text("utf-8") != text]
    assert stale == [], "write them: python -m tools.json_schemas"
    assert sorted(FOLDER.iterdir()) == sorted(texts())
    page = (FOLDER.parent / "json.md").read_text("utf-8")
    assert [path.name for path in texts() if f"(json/{path.name})" not in page] == []


@pytest.mark.parametrize("command", [*commands_with_json(), "upgrade", "stamp", "revision"])
def test_a_wrong_option_is_told_as_a_document(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--json`` a command that can't be understood says so in a document too, under its own name, and in words beside it."""
    assert main([command, "--json", "--no-such-option", "1", "2", "3", "4", "5"]) == 2
    out, err = capsys.readouterr()
    document = valid(out, command_called(command))
    assert (document["exit_code"], document["error"]["type"]) == (2, "BadUsage")
    assert err == f"error: {document['error']['message']}\nhint: see roost {command} --help\n"


def test_an_unknown_command_is_told_as_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no command is known the document is the program's; behind ``--`` nothing is an option."""
    assert main(["nope", "--json"]) == 2
    assert valid(capsys.readouterr().out, "error")["command"] == "roost"
    assert main(["nope", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


class Inner(TypedDict):
    """What is inside. It has more to say.

    Attributes:
        kind: None where it
            has none.
    """

    kind: Literal["a", "b"] | None
    note: NotRequired[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """What is outside."""

    at: datetime
    inner: tuple[Inner, ...]
    by_name: Mapping[str, float]
    error: RoostError | None


OUTER: dict[str, Any] = {"at": "2024-01-01T00:00:00+00:00", "inner": [{"kind": "a"}], "by_name": {"x": 1}, "error": None}


def schema() -> dict[str, Any]:
    """Return the schema of `Outer`, which names a class that is imported for type checkers only."""
    definitions: dict[str, dict[str, Any]] = {}
    return {**reference(Outer, definitions), "$defs": definitions}


def test_what_is_as_the_types_say_is_valid() -> None:
    """A document is held against the members' types, and what docstrings say of them is told in the words of JSON."""
    check(OUTER, closed(schema()))
    assert schema()["$defs"]["Inner"]["properties"]["kind"]["description"] == "null where it has none."


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "2024-01-01T00:00:00"},
        {"at": "soon"},
        {"inner": [{"kind": "c"}]},
        {"inner": [{}]},
        {"inner": [{"kind": "a", "more": 1}]},
        {"by_name": {"x": "1"}},
        {"error": "no"},
        {"more": 1},
    ],
)
def test_what_is_not_as_the_types_say_is_refused(wrong: dict[str, object]) -> None:
    """A type, a word, a moment or a member that is another, is missing or is not described fails a test."""
    with pytest.raises(AssertionError):
        check(OUTER | wrong, closed(schema()))


def test_members_may_be_added() -> None:
    """Who validates by the published schema is not stopped by a member that a later version adds."""
    check({**OUTER, "more": 1}, schema())


def test_a_type_of_no_known_form_is_refused() -> None:
    """What no schema is known for is an error, not a schema that fits everything."""
    with pytest.raises(TypeError, match="complex"):
        schema_of(complex, {})


def test_a_result_is_one_document_whatever_its_form(capsys: pytest.CaptureFixture[str]) -> None:
    """A dataclass, one inside another, an error and a moment are printed as what the schema says."""
    inner = [Inner(kind="a", note="n")]
    Output("x", json=True).result({"outer": Outer(at=datetime(2024, 1, 1, tzinfo=UTC), inner=tuple(inner), by_name={}, error=None)})
    document = json.loads(capsys.readouterr().out)
    assert (document["schema_version"], document["command"]) == (1, "x")
    check(document["outer"], closed(schema()))
