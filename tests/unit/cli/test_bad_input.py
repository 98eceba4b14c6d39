"""Whatever a command is told that can't be: exit code 2 or 4, one sentence, one hint, no traceback."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from roost.cli import main
from roost.cli._commands import GROUPS

NAMES = [name for commands in GROUPS.values() for name in commands]

PROJECT = """
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime


class NotesMigrations(PluginMigrationService):
    steps = [MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", version="1.0.0")]


class Twice(PluginMigrationService):
    steps = [MigrationStep("make", "Make", up="SELECT 1", version="1"), MigrationStep("make", "Make", up="SELECT 2", version="1")]


runtime = Runtime(plugins=[Plugin(name="notes", services=[NotesMigrations])])
twice = Runtime(plugins=[Plugin(name="twice", services=[Twice])])
number = 7
"""
BEFORE = {
    "baseline": "notes",
    "mark": "notes make",
    "unmark": "notes make",
    "repair": "notes make",
    "grant": "somebody",
}
"""What a command wants in front of a runtime."""

BEHIND = {
    "down": "--steps 1 --yes",
    "redo": "--yes",
    "baseline": "--to 1.0.0 --yes",
    "mark": "--yes",
    "unmark": "--yes",
    "repair": "--done",
    "lint": "--pending",
    "import": "--from dbmate --yes",
    "wait": "--timeout 0",
}
"""What else it wants, so that nothing but the bad input is in its way."""

NO_RUNTIME = {"demo", "completion", "init", "new"}
NO_DATABASE = {"check", "plugins", "services", *NO_RUNTIME}
NOBODY = "--database-url postgresql://127.0.0.1:1/x"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "badly_told.py").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    for variable in ("ROOST_DATABASE_URL", "DATABASE_URL", "ROOST_RUNTIME", "PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("badly_told", None)


def words(name: str, runtime: str, *more: str) -> list[str]:
    """Return a command with all that it wants."""
    return shlex.split(" ".join((name, BEFORE.get(name, ""), runtime, BEHIND.get(name, ""), *more)))


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Run a command that must be refused, and return its error and its hint."""
    code = main(arguments)
    out, err = capsys.readouterr()
    assert code in (2, 4), (code, out, err)
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("hint: ")
    return first.removeprefix("error: "), second.removeprefix("hint: ")


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_it_does_not_have(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, with the page that has the others."""
    message, hint = refused([*words(name, ""), "--no-such-option"], capsys)
    assert "--no-such-option" in message or "Missing" in message or "requires an argument" in message
    assert hint == f"see roost {name} --help"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_RUNTIME])
@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        ("no_such_module:runtime", "there is no module no_such_module"),
        ("badly_told:nothing", "badly_told has no 'nothing'"),
        ("badly_told:number", "it is no Runtime but int"),
        ("badly_told", "it is not of the form module:attribute"),
    ],
)
def test_a_runtime_that_is_not_there(name: str, runtime: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason names the part of `module:attribute` that leads nowhere."""
    more = () if name in NO_DATABASE else (NOBODY,)
    message, _ = refused(words(name, runtime, *more), capsys)
    assert said in message


@pytest.mark.parametrize("word", ["head", "heads", "base", "+1", "0042", "1.2.0"])
def test_a_place_to_migrate_to(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who comes with another tool's word for how far to go hears that `up` goes all the way, and what leads back."""
    message, hint = refused(["upgrade", word], capsys)
    assert "it is not of the form module:attribute" in message
    assert "leave the word out" in hint
    assert "roost down --to VERSION" in hint
    _, other = refused(["upgrade", "header"], capsys)
    assert "roost up myapp.main:runtime" in other


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_RUNTIME])
def test_no_runtime_at_all(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing names one, what could is told."""
    message, hint = refused(words(name, ""), capsys)
    assert "No runtime is named" in message
    assert "[tool.roost]" in hint
    assert "roost init" in hint


@pytest.mark.parametrize("name", [*(name for name in NAMES if name not in NO_RUNTIME), "new step x"])
def test_a_runtime_that_the_environment_names(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that works with a runtime takes that one where none is written."""
    monkeypatch.setenv("ROOST_RUNTIME", "badly_told:nothing")
    message, _ = refused(words(name, ""), capsys)
    assert "badly_told has no 'nothing'" in message


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_DATABASE])
@pytest.mark.parametrize("url", ["mysql://x/y", "postgresql://h:port/x", "nonsense"])
def test_an_address_that_is_none(name: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused before anybody connects."""
    if name == "doctor":
        assert main(words(name, "badly_told:runtime", "--database-url", url)) == 2
        return
    message, _ = refused(words(name, "badly_told:runtime", "--database-url", url), capsys)
    assert "Invalid database URL" in message


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {*NO_DATABASE, "doctor"}])
def test_no_database_at_all(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody takes a database that is not named for an empty one, or waits for it."""
    message, hint = refused(words(name, "badly_told:runtime"), capsys)
    assert "No database is configured" in message
    assert "ROOST_DATABASE_URL" in hint


@pytest.mark.parametrize("name", ["up", "plan"])
def test_steps_that_are_wrong(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is declared wrongly is told before anybody connects, with the exit code for it."""
    message, _ = refused(words(name, "badly_told:twice", NOBODY), capsys)
    assert "has two migration steps with the id 'make'" in message


@pytest.mark.parametrize(
    "options", ["up --plugin note", "rehearse --plugin note", "check --plugin note", "down --plugin note", "redo --plugin note"]
)
def test_a_plugin_that_is_not_there(options: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that was meant is named."""
    name, *more = options.split()
    message, hint = refused(words(name, "badly_told:runtime", *more, *([] if name == "check" else [NOBODY])), capsys)
    assert "note" in message
    assert "notes" in hint
