"""What commands print with ``--json``, as processes, held against the published schemas, in common outcomes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from roost.cli._exit_codes import ExitCode
from tests.plugins.build import BOUND, execute
from tests.plugins.json_documents import valid
from tools.json_schemas import DOCUMENTS

PROJECT = """
import dataclasses, os
from datetime import UTC, datetime
from pathlib import Path
from roost import DatabaseMigrationService, MigrationConfig, MigrationStep, Plugin, PluginMigrationService, Runtime, Service
from roost import SqlMigrationService


async def escape(ctx):
    await ctx.execute("CREATE TABLE kinds (id int)")
    await ctx.execute("COMMIT")


class NotesMigrations(PluginMigrationService):
    steps = [
        MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", down="DROP TABLE notes", version="1.0.0"),
        MigrationStep("kind", "Tell kinds", up="ALTER TABLE notes ADD kind text", down="ALTER TABLE notes DROP kind", version="1.1.0"),
    ]


class EditedMigrations(PluginMigrationService):
    service_name = "notes-migrations"
    steps = [
        NotesMigrations.steps[0],
        MigrationStep("kind", "Tell kinds", up="ALTER TABLE notes ADD kind bigint", version="1.1.0", irreversible="who knows"),
        MigrationStep("fill", "Fill notes", up="INSERT INTO notes VALUES (1)", down="DELETE FROM notes", version="1.2.0"),
    ]


class NumberedMigrations(PluginMigrationService):
    steps = [MigrationStep("001_make", "Make it", up="CREATE TABLE numbered (id int)", version="1.0.0")]


class EscapingMigrations(PluginMigrationService):
    steps = [MigrationStep("kinds", "Kinds", up=escape, version="1.0.0")]


class BadMigrations(PluginMigrationService):
    steps = [MigrationStep("bad", "Break", up="SELECT 1/0", version="1.0.0"), MigrationStep("last", "Last", up="SELECT 1", version="1.1.0")]


class FileMigrations(SqlMigrationService):
    directory = Path(__file__).parent / "steps"


class Foreign(Service):
    service_name = "foreign"
    service_type = "migration"

    async def run_migrations(self, runtime):
        pass

    async def get_migration_history(self, plugin_name=None):
        return [Attempt()]


class Attempt:
    executed_at = datetime(2024, 1, 1, tzinfo=UTC)
    plugin = "foreign"


@dataclasses.dataclass
class MailSettings:
    host: str = "localhost"


class Mailer(Service):
    def __init__(self, settings: MailSettings):
        pass


config = MigrationConfig(run_lock_timeout=0.1)
notes = Plugin(name="notes", version="1.1", services=[NotesMigrations, Mailer])
runtime = Runtime(plugins=[notes], config=config)
edited = Runtime(plugins=[Plugin(name="notes", services=[EditedMigrations])], services=[Foreign])
gone = Runtime(plugins=[Plugin(name="other", services=[EscapingMigrations])])
escaping = Runtime(plugins=[Plugin(name="kinds", services=[EscapingMigrations])])
numbered = Runtime(plugins=[Plugin(name="numbered", services=[NumberedMigrations])])
broken = Runtime(plugins=[Plugin(name="bad", services=[BadMigrations])])
files = Runtime(plugins=[Plugin(name="files", services=[FileMigrations])])
declared = Runtime(plugins=[Plugin("owls", schema=os.environ.get("OWLS", ""))], services=[DatabaseMigrationService])
"""
OWLS = "CREATE TABLE owls (id int PRIMARY KEY, name text)"
FEWER_OWLS = "CREATE TABLE owls (id int PRIMARY KEY)"
OF_DBMATE = "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY); INSERT INTO schema_migrations VALUES ('001')"
UNREACHABLE = "postgresql://localhost:1/nowhere"


@dataclass(frozen=True, slots=True)
class Call:
    """A command that is called, and how it ends: with its exit code, and with an error's document where `error` names one.

    What `before` holds is sent to the database first.
    """

    words: str
    code: ExitCode = ExitCode.FINE
    error: str | None = None
    before: str | None = None


STORIES: dict[str, tuple[Call, ...]] = {
    "the life of a plugin": (
        Call("status", ExitCode.PENDING),
        Call("plan", ExitCode.PENDING),
        Call("up --dry-run"),
        Call("up --steps 1 --dry-run"),
        Call("up --to 7", ExitCode.USAGE, "UnknownVersion"),
        Call("rehearse"),
        Call("wait --timeout 0", ExitCode.PENDING),
        Call("history"),
        Call("unlock"),
        Call("doctor"),
        Call("up"),
        Call("plan"),
        Call("wait --timeout 0"),
        Call("history --limit 1"),
        Call("redo --dry-run"),
        Call("redo --yes"),
        Call("down --steps 1 --dry-run"),
        Call("down --all", ExitCode.REFUSED, "RollbackUnconfirmed"),
        Call("redo", ExitCode.REFUSED, "RollbackUnconfirmed"),
        Call("down --steps 1 --yes"),
        Call("mark notes kind", ExitCode.FAILED, "ClaimNotFound"),
        Call("mark notes kind --unchecked --yes"),
        Call("up --to 0.1", ExitCode.USAGE, "VersionPassed"),
        Call("unmark notes kind --yes"),
        Call("unmark notes kind --yes", ExitCode.USAGE, "UnmarkRefused"),
        Call("baseline notes --to 1.0.0", ExitCode.USAGE, "BaselineRefused"),
        Call("grant nobody_of_that_name", ExitCode.USAGE, "UnknownRole"),
        Call("grant pg_monitor"),
        Call("history --plugin nobody", ExitCode.USAGE, "BadUsage"),
    ),
    "what a database without roost has": (
        Call("baseline notes --to 1.0.0 --unchecked --dry-run"),
        Call("baseline notes --to 1.1.0 --unchecked --yes"),
        Call("status shop:edited", ExitCode.PENDING),
        Call("plan shop:edited", ExitCode.PENDING),
        Call("down shop:edited --all --skip-irreversible --dry-run"),
        Call("history shop:edited"),
        Call("status shop:gone", ExitCode.PENDING),
        Call("import shop:numbered --from dbmate --unchecked --dry-run", before=OF_DBMATE),
        Call("import shop:numbered --from dbmate --unchecked --yes"),
        Call("import shop:numbered --from dbmate"),
    ),
    "what goes wrong": (
        Call("rehearse shop:broken", ExitCode.FAILED),
        Call("up shop:broken", ExitCode.FAILED, "StepFailed"),
        Call("run shop:broken", ExitCode.FAILED, "StepFailed"),
        Call("up shop:escaping", ExitCode.FAILED, "StepEscaped"),
        Call("status shop:escaping", ExitCode.FAILED),
        Call("repair kinds kinds shop:escaping", ExitCode.USAGE, "BadUsage"),
        Call("repair kinds kinds shop:escaping --done"),
        Call("check shop:files", ExitCode.INVALID),
        Call("check --plugin nobody", ExitCode.USAGE, "BadUsage"),
        Call(f"doctor --database-url {UNREACHABLE}", ExitCode.UNREACHABLE),
        Call("doctor nowhere:runtime", ExitCode.USAGE, "BadTarget"),
        Call(f"wait --timeout 0 --database-url {UNREACHABLE}", ExitCode.UNREACHABLE, "DatabaseUnreachable"),
        Call("diff"),
        Call("diff --plugin nobody", ExitCode.USAGE, "BadUsage"),
        Call("plan nowhere:runtime", ExitCode.USAGE, "BadTarget"),
        Call("status --database-url nonsense", ExitCode.USAGE, "InvalidDatabaseURL"),
        Call(f"unlock --database-url {UNREACHABLE}", ExitCode.UNREACHABLE, "DatabaseUnreachable"),
        Call("rehearse --plugin nobody", ExitCode.USAGE, "UnknownMigrationPlugin"),
        Call("import --from goose", ExitCode.USAGE, "HistoryNotFound"),
        Call("mark nobody make", ExitCode.USAGE, "UnknownMigrationPlugin"),
    ),
    "what needs no database": (
        Call("plugins"),
        Call("services"),
        Call("services --graph json"),
        Call("services --settings"),
        Call("check"),
        Call("init bookshop"),
        Call("init bookshop", ExitCode.USAGE, "FilesInTheWay"),
        Call("new step more --directory written"),
        Call("new plugin birds"),
        Call("new --renumber --directory written"),
        Call("new nothing", ExitCode.USAGE, "BadUsage"),
        Call("completion bash"),
        Call("lint"),
        Call("lint shop:broken --plugin nobody", ExitCode.USAGE, "BadUsage"),
        Call("completion nosh", ExitCode.USAGE, "BadUsage"),
        Call("plugins nowhere:runtime", ExitCode.USAGE, "BadTarget"),
        Call("services shop:nothing", ExitCode.USAGE, "BadTarget"),
    ),
}
Roost: TypeAlias = "Callable[..., subprocess.Popen[str]]"


@pytest.fixture
def roost(tmp_path: Path, database_url: str) -> Roost:
    """Start ``roost … --json`` on the test's database, in a directory with a runtime; its standard input is no terminal."""
    (tmp_path / "shop.py").write_text(PROJECT)
    (tmp_path / "pyproject.toml").write_text('[tool.roost]\nruntime = "shop:runtime"\n')

    def start(words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "roost.cli", *words.split(), "--json"],
            cwd=tmp_path,
            env={**os.environ, "ROOST_DATABASE_URL": database_url, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def printed(roost: Roost, words: str, *, code: int, **environment: str) -> Any:
    """Return the document of a command, after it was held against the command's schema."""
    process = roost(words, **environment)
    out, err = process.communicate(timeout=BOUND)
    assert process.returncode == code, f"{words}: {out}{err}"
    return valid(out, words.split(maxsplit=1)[0])


@pytest.mark.parametrize("story", STORIES)
def test_what_commands_print_is_as_their_schemas_say(story: str, roost: Roost, database_url: str) -> None:
    """Each document of each outcome is valid, also where members are refused that no schema names."""
    for call in STORIES[story]:
        if call.before is not None:
            asyncio.run(execute(database_url, call.before))
        document = printed(roost, call.words, code=call.code)
        assert document.get("error", {}).get("type") == call.error, f"{call}: {document}"


def test_the_stories_hold_every_command() -> None:
    """Each command with a schema is called so that it has a result, and so that it fails."""
    calls = [call for story in STORIES.values() for call in story]
    assert {call.words.split()[0] for call in calls if call.error is None} == {command for command, kinds in DOCUMENTS.items() if kinds}
    failing = {call.words.split()[0] for call in calls if call.error is not None}
    assert failing == set(DOCUMENTS), "call it in STORIES so that it fails"


def test_what_a_declared_schema_would_lose(roost: Roost) -> None:
    """Changes that are blocked are in the documents of `plan` and `rehearse`; drift is in that of `check`; `up` fails."""
    printed(roost, "up shop:declared", code=ExitCode.FINE, OWLS=OWLS)
    plan = printed(roost, "plan shop:declared", code=ExitCode.PENDING, OWLS=FEWER_OWLS)
    assert plan["blocked"][0]["losses"] == ["owls.name"]
    difference = printed(roost, "diff shop:declared", code=ExitCode.PENDING, OWLS=FEWER_OWLS)
    assert difference["plugins"][0]["losses"] == ["owls.name"]
    rehearsal = printed(roost, "rehearse shop:declared", code=ExitCode.FAILED, OWLS=FEWER_OWLS)
    assert rehearsal["blocked"] == plan["blocked"]
    failed = printed(roost, "up shop:declared", code=ExitCode.REFUSED, OWLS=FEWER_OWLS)
    assert failed["error"]["type"] == "DestructiveMigrationBlocked"
    assert printed(roost, "check --drift shop:declared", code=ExitCode.FINE, OWLS=OWLS)["drift"] == []


def test_what_is_watched(roost: Roost) -> None:
    """Each line of `status --watch` is a document of its own; so is the error that ends it at the first look."""
    watching = roost("status --watch --every 0.05")
    assert watching.stdout is not None
    for _ in range(2):
        assert valid(watching.stdout.readline(), "status-watch")["pending"] is True
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=BOUND)
    out, _ = roost(f"status --watch --database-url {UNREACHABLE}").communicate(timeout=BOUND)
    assert valid(out, "status-watch")["error"]["type"] == "DatabaseUnreachable"


def test_the_log_of_a_command(roost: Roost) -> None:
    """Each line of the log is valid, whoever wrote it and whatever else it tells; beside it standard output holds the error's document."""
    lines = []
    for words, schema in (("up --log-format json", "up"), ("up shop:broken --log-format json", "error")):
        out, err = roost(words).communicate(timeout=BOUND)
        valid(out, schema)
        lines += [valid(line, "log", is_closed=False) for line in err.splitlines()]
    assert {line["level"] for line in lines} >= {"INFO", "ERROR"}
    assert "StepFailed" in [line.get("roost_error") for line in lines]
