"""The command line as a process, on a project in a directory of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from roost.postgres import EmbeddedPostgres
from tests.plugins.build import BOUND
from tests.plugins.roost_process import Roost, roost_in

PLUGINS = """
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime


class NotesMigrations(PluginMigrationService):
    service_name = "notes-migration"
    steps = [
        MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", down="DROP TABLE notes", version="1.0.0"),
        MigrationStep("kind", "Add a kind", up="ALTER TABLE notes ADD kind text", down="ALTER TABLE notes DROP kind", version="1.1.0"),
    ]


async def keep(ctx):
    await ctx.execute("SELECT 1")


class TagsMigrations(PluginMigrationService):
    service_name = "tags-migration"
    steps = [MigrationStep("keep", "Keep it", up=keep, version="2.0.0")]


class BadMigrations(PluginMigrationService):
    steps = [MigrationStep("bad", "Break", up="SELECT 1/0", version="1.0.0")]


notes = Plugin(name="notes", services=[NotesMigrations])
tags = Plugin(name="tags", services=[TagsMigrations])
runtime = Runtime(plugins=[notes, tags])
broken = Runtime(plugins=[Plugin(name="bad", services=[BadMigrations])])


def only_notes():
    return Runtime(plugins=[notes])


def forgetful():
    service = type("NotesMigrations", (PluginMigrationService,), {"service_name": "notes-migration", "steps": []})
    return Runtime(plugins=[Plugin(name="notes", services=[service])])


def explode():
    raise LookupError("no such thing")


number = 7
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server for this module's tests."""
    embedded = EmbeddedPostgres(tmp_path_factory.mktemp("server"))
    asyncio.run(embedded.start())
    yield embedded
    asyncio.run(embedded.stop())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with two plugins and a pyproject.toml that names their runtime."""
    (tmp_path / "shop.py").write_text(PLUGINS)
    (tmp_path / "pyproject.toml").write_text('[tool.roost]\nruntime = "shop:runtime"\n')
    return tmp_path


@pytest.fixture
def url(server: EmbeddedPostgres, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database."""
    return asyncio.run(server.create_database(f"cli_{zlib.crc32(request.node.name.encode()):08x}"))


@pytest.fixture
def roost(project: Path) -> Roost:
    """Run ``roost`` in the project's directory; its standard input is no terminal."""
    return roost_in(project)


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"ROOST_DATABASE_URL", "DATABASE_URL"}}


def _json(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def test_life_of_a_database(roost: Roost, url: str) -> None:
    """Pending, migrated, nothing to do, history, undone: each command says so, and by its exit code."""
    before = roost("status", "--database-url", url)
    assert (before.returncode, before.stderr) == (3, "")
    assert "notes-migration" in before.stdout

    planned = roost("plan", "--sql", "--database-url", url)
    assert planned.returncode == 3
    assert "CREATE TABLE notes (id int)" in planned.stdout
    assert "-- a Python function" in planned.stdout

    up = roost("up", "--database-url", url)
    assert up.returncode == 0, up.stderr
    assert up.stdout.startswith("3 steps run in ")
    assert "notes 1/2 up make: Make notes" in up.stderr

    again = roost("up", "--database-url", url)
    assert (again.returncode, again.stdout) == (0, "nothing to do: the database is where the plugins want it\n")
    assert roost("plan", "--database-url", url).returncode == 0
    assert roost("status", "--database-url", url).returncode == 0

    history = _json(roost("history", "--json", "--limit", "2", "--database-url", url))
    assert history["total"] == 3
    assert [record["step"] for record in history["records"]] == ["keep", "kind"]

    undone = roost("down", "--plugin", "notes", "--to", "1.0.0", "--yes", "--database-url", url)
    assert (undone.returncode, undone.stdout.split(" undone in ")[0]) == (0, "1 step")
    status = _json(roost("status", "--json", "--database-url", url))
    assert (status["schema_version"], status["command"], status["pending"]) == (1, "status", True)
    assert {row["plugin"]: (row["version"], row["pending"]) for row in status["services"]} == {
        "notes": ("1.0.0", 1),
        "tags": ("2.0.0", 0),
    }


def test_dry_runs_write_nothing(roost: Roost, url: str) -> None:
    """`up --dry-run` and `plan` report the steps, and the database stays empty."""
    done = roost("up", "--dry-run", "--json", "--database-url", url)
    document = _json(done)
    assert (done.returncode, document["dry_run"], [step["step"] for step in document["steps"]]) == (0, True, ["make", "kind", "keep"])
    assert [step["step"] for step in _json(roost("plan", "--json", "--database-url", url))["steps"]] == ["make", "kind", "keep"]
    assert _fetch(url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'roost'") == 0
    assert _fetch(url, "SELECT to_regclass('notes')") is None


def test_down_needs_a_terminal_or_yes(roost: Roost, url: str) -> None:
    """Without a terminal and without --yes nothing is undone, and the exit code is 7."""
    assert roost("up", "shop:only_notes", "--database-url", url).returncode == 0
    refused = roost("down", "shop:only_notes", "--all", "--database-url", url)
    assert refused.returncode == 7
    assert refused.stderr.splitlines()[-2:] == [
        "error: Rollback of plugin notes refused, as it may destroy data and there is no terminal to confirm it on: kind, make",
        "hint: nothing was undone; look at it with --dry-run, and pass --yes to go ahead",
    ]
    dry = roost("down", "shop:only_notes", "--all", "--dry-run", "--json", "--database-url", url)
    assert (dry.returncode, [step["step"] for step in _json(dry)["steps"]]) == (0, ["kind", "make"])
    assert _fetch(url, "SELECT count(*) FROM roost.applied") == 2


def test_down_refuses_a_step_without_way_back(roost: Roost, url: str) -> None:
    """A step without `down` is refused with exit code 1, and left in place with --skip-irreversible."""
    assert roost("up", "--database-url", url).returncode == 0
    refused = roost("down", "--plugin", "tags", "--steps", "1", "--yes", "--database-url", url)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: No rollback method for migration step: keep (plugin tags)\nhint: ")


def test_down_undoes_a_run(roost: Roost, url: str) -> None:
    """--run takes back what one run applied, by the ledger's own SQL where the code has lost the step; an unknown run is refused."""
    assert roost("up", "shop:only_notes", "--database-url", url).returncode == 0
    unknown = roost("down", "shop:only_notes", "--run", "7", "--yes", "--database-url", url)
    assert (unknown.returncode, unknown.stderr.splitlines()[0]) == (
        2,
        "error: Plugin notes can't be rolled back to before run 7: the ledger holds run 1",
    )
    undone = roost("down", "shop:forgetful", "--run", "1", "--yes", "--database-url", url)
    assert (undone.returncode, undone.stdout.split(" undone in ")[0]) == (0, "2 steps"), undone.stderr
    assert _fetch(url, "SELECT to_regclass('notes')") is None


def test_status_names_what_nobody_claims(roost: Roost, url: str) -> None:
    """A plugin that was taken out is told of beside the others, and changes neither the exit code nor the next start."""
    assert roost("up", "--database-url", url).returncode == 0
    shown = roost("status", "shop:only_notes", "--database-url", url)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[-1].split() == ["tags", "2.0.0", "1", "keep"]
    document = _json(roost("status", "shop:only_notes", "--json", "--database-url", url))
    assert document["unclaimed"] == [{"plugin": "tags", "version": "2.0.0", "steps": ["keep"]}]
    assert roost("up", "shop:only_notes", "--database-url", url).stdout == "nothing to do: the database is where the plugins want it\n"


@pytest.mark.parametrize("words", [(), ("--all", "--steps", "1"), ("--to", "1.0.0", "--all"), ("--run", "1", "--steps", "1")])
def test_down_wants_one_goal(roost: Roost, words: tuple[str, ...]) -> None:
    """`down` wants exactly one of its goals."""
    done = roost("down", *words)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error: down wants exactly one of --to VERSION, --steps N, --run N and --all",
    )


def test_down_wants_a_plugin_among_several(roost: Roost, url: str) -> None:
    """Among several plugins `down` wants to know which."""
    done = roost("down", "--all", "--database-url", url)
    assert (done.returncode, done.stderr) == (2, "error: Several plugins have migrations\nhint: say which with --plugin: notes, tags\n")


def test_up_in_part(roost: Roost, url: str) -> None:
    """A part of one plugin's steps is run, and no other plugin's; a dry run shows the same; what is left stays pending."""
    done = roost("up", "--steps", "1", "--database-url", url)
    assert (done.returncode, done.stderr) == (2, "error: Several plugins have migrations\nhint: say which with --plugin: notes, tags\n")
    shown = _json(roost("up", "--plugin", "notes", "--steps", "1", "--dry-run", "--json", "--database-url", url))
    ran = _json(roost("up", "--plugin", "notes", "--steps", "1", "--json", "--database-url", url))
    assert [step["step"] for step in shown["steps"]] == [step["step"] for step in ran["steps"]] == ["make"]
    services = _json(roost("status", "--json", "--database-url", url))["services"]
    assert {service["service_name"]: service["version"] for service in services} == {"notes-migration": "1.0.0", "tags-migration": None}


def test_up_to_a_version(roost: Roost, url: str) -> None:
    """Up to a version, again to it, below it, above the code's: done, nothing to do, and two refusals that say what to do."""
    words = ("--plugin", "notes", "--database-url", url)
    assert "run in" in roost("up", "--to", "1.1.0", *words).stdout
    assert roost("up", "--to", "1.1.0", *words).stdout == "nothing to do: the plugin is as far as it was to go\n"
    below, above = roost("up", "--to", "1.0.0", *words), roost("up", "--to", "9", *words)
    assert (below.returncode, above.returncode) == (2, 2)
    assert below.stderr.splitlines() == [
        "error: Plugin notes is already at version 1.1.0, above 1.0.0",
        "hint: to go back: roost down --plugin notes --to 1.0.0",
    ]
    assert above.stderr.startswith("error: Plugin notes has no version 9: the code aims at ")


def test_up_in_part_leaves_declared_schemas_out(roost: Roost) -> None:
    """What declared schemas may lose is nothing to be said of a part; it is refused before anybody connects."""
    done = roost("up", "--plugin", "notes", "--allow-data-loss", "notes.kind")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error: --allow-data-loss is for declared schemas, which --to, --steps and --plugin leave out",
    )


def test_failed_step_is_told(roost: Roost, url: str) -> None:
    """A failing step exits 1 with its message, without a traceback."""
    done = roost("up", "shop:broken", "--database-url", url)
    assert done.returncode == 1
    assert "error: Migration step 'bad' of plugin bad failed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("shop", "Can't use 'shop': it is not of the form module:attribute"),
        ("shp:runtime", "Can't use 'shp:runtime': there is no module shp"),
        ("shop:runtme", "Can't use 'shop:runtme': shop has no 'runtme'"),
        ("shop:number", "Can't use 'shop:number': it is no Runtime but int"),
        ("lame:runtime", "Can't use 'lame:runtime': the module lame imports no_such_module, which is not there"),
    ],
)
def test_wrong_name_is_a_usage_error(roost: Roost, project: Path, target: str, message: str) -> None:
    """A name that leads to no runtime exits 2 with one sentence and a hint."""
    (project / "lame.py").write_text("import no_such_module\n")
    done = roost("status", target)
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first == f"error: {message}"
    assert second.startswith("hint: ")


def test_users_own_error_is_told_by_its_type(roost: Roost) -> None:
    """What the user's code raises exits 1 with type and text; --traceback shows where."""
    done = roost("status", "shop:explode")
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "error: LookupError: no such thing")
    assert 'raise LookupError("no such thing")' in roost("status", "shop:explode", "--traceback").stderr


def test_no_runtime_named_is_a_usage_error(roost: Roost, project: Path) -> None:
    """Without a name and without [tool.roost] the hint says what to write."""
    (project / "pyproject.toml").unlink()
    done = roost("up")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: No runtime is named, neither here nor in pyproject.toml")


def test_no_database_is_a_usage_error(roost: Roost) -> None:
    """A runtime without a database, and no URL anywhere, exits 2."""
    done = roost("up")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("error: No database is configured")


def test_environment_is_heard_in_order(roost: Roost, url: str) -> None:
    """ROOST_DATABASE_URL is heard before DATABASE_URL; an option before both."""
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    assert roost("up", ROOST_DATABASE_URL=url, DATABASE_URL=nowhere).returncode == 0
    assert roost("status", DATABASE_URL=url).returncode == 0
    assert roost("status", "--database-url", url, ROOST_DATABASE_URL=nowhere).returncode == 0


def test_unreachable_server_exits_six(roost: Roost) -> None:
    """A server that does not answer exits 6, and the password is nowhere."""
    done = roost("status", "--json", "--database-url", "postgresql://me:s3cret@127.0.0.1:1/none")
    assert done.returncode == 6
    assert _json(done)["exit_code"] == 6
    assert "127.0.0.1:1" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_malformed_url_exits_two(roost: Roost) -> None:
    """A URL of another database is a usage error."""
    done = roost("up", "--database-url", "mysql://me:s3cret@localhost/x")
    assert done.returncode == 2
    assert done.stderr.startswith("error: Invalid database URL: ")
    assert "s3cret" not in done.stderr


def test_services_are_drawn_without_a_database(roost: Roost) -> None:
    """`services` needs no database and starts nothing: as text, for Mermaid, for Graphviz, and as a document."""
    text = roost("services")
    assert (text.returncode, text.stdout) == (0, "wave 1\n  notes-migration (notes)\n  tags-migration (tags)\n")
    assert roost("services", "--graph", "mermaid").stdout.startswith("flowchart LR\n")
    assert roost("services", "--graph", "dot").stdout.startswith("digraph runtime {\n")
    for words in (["--graph", "json"], ["--json"], ["--json", "--graph", "dot"]):
        assert [row["name"] for row in _json(roost("services", *words))["services"]] == ["notes-migration", "tags-migration"]
    assert roost("services", "--graph", "svg").returncode == 2


def test_settings_are_shown_with_their_origins(roost: Roost, project: Path) -> None:
    """`services --settings` shows each value and where it comes from, hides secrets, and refuses what is wrong with a sentence."""
    (project / "mail.toml").write_text('[mailer]\nhost = "localhost"\n')
    (project / "mail.py").write_text("""
from dataclasses import dataclass
from roost import Runtime, Service
from roost.runtime import Environment, Secret

@dataclass
class Mail:
    host: str
    password: Secret
    port: int = 25

class Mailer(Service):
    def __init__(self, mail: Mail) -> None:
        pass

runtime = Runtime(services=[Mailer], settings=["mail.toml", Environment("APP")])
""")
    done = roost("services", "mail:runtime", "--settings", APP_MAILER__PASSWORD="c4n4ry")
    rows = [line.strip().split(maxsplit=3) for line in done.stdout.splitlines()[3:]]
    assert (done.returncode, rows) == (
        0,
        [
            ["mailer", "host", "localhost", "mail.toml"],
            ["mailer", "password", "**********", "environment variable APP_MAILER__PASSWORD"],
            ["mailer", "port", "25", "default"],
        ],
    )
    assert _json(roost("services", "mail:runtime", "--settings", "--json", APP_MAILER__PASSWORD="c4n4ry"))["settings"][2]["value"] == "25"
    wrong = roost("services", "mail:runtime", "--settings", APP_MAILER__PORT="many", APP_MAILER__PASSWORD="c4n4ry")
    assert wrong.returncode == 1
    assert "error: Invalid settings 'mailer' for Mail: port: it is no int (environment variable APP_MAILER__PORT)" in wrong.stderr
    assert "c4n4ry" not in done.stdout + wrong.stderr
    assert roost("services", "--settings").stdout == "no service asks for settings\n"


FILES = """
from pathlib import Path
from roost import Plugin, Runtime, SqlMigrationService

def plugin(name):
    fields = {"service_name": f"{name}-migration", "directory": Path(__file__).parent / name}
    return Plugin(name, version="1.0.0", services=[type("Files", (SqlMigrationService,), fields)])

runtime = Runtime(plugins=[plugin("inbox"), plugin("outbox")])
"""


@pytest.fixture
def files(project: Path) -> Path:
    """The project's runtime is one of two plugins with a folder of SQL files each."""
    (project / "shop.py").write_text(FILES)
    for name in ("inbox", "outbox"):
        (project / name).mkdir()
        (project / name / "001_make.sql").write_text(f"CREATE TABLE {name} (id bigint);\n")
    return project


def _rows(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    return [line.split() for line in done.stdout.splitlines()[3:]]


def test_check_proves_files_by_their_manifest(roost: Roost, files: Path) -> None:
    """Without a database: no manifest is fine, a written one agrees, and a changed file exits 4 with its name and the next command."""
    nothing = {"DATABASE_URL": "mysql://nowhere"}
    bare = roost("check", **nothing)
    assert (bare.returncode, bare.stderr) == (0, "")
    assert _rows(bare) == [
        ["inbox", "inbox-migration", "1", "inbox", "none", "fine"],
        ["outbox", "outbox-migration", "1", "outbox", "none", "fine"],
    ]

    written = roost("check", "--write", "--plugin", "inbox", **nothing)
    assert (written.returncode, _rows(written)) == (0, [["inbox", "inbox-migration", "1", "inbox", "written:", "1", "added", "fine"]])
    assert not (files / "outbox" / "roost.sum").exists()
    assert [row[4:] for row in _rows(roost("check", **nothing))] == [["yes", "fine"], ["none", "fine"]]

    (files / "inbox" / "001_make.sql").write_text("CREATE TABLE inbox (id text);\n")
    (files / "inbox" / "002 more.sql").write_text("SELECT 1;\n")
    wrong = roost("check", **nothing)
    assert (wrong.returncode, [row[2:] for row in _rows(wrong)]) == (4, [["-", "inbox", "yes", "wrong"], ["1", "outbox", "none", "fine"]])
    assert wrong.stderr.splitlines() == [
        f"error: The SQL files are not those of {files / 'inbox' / 'roost.sum'}: 001_make.sql is changed; 002 more.sql is not listed",
        (
            "hint: undo what was not meant; for what was, write the manifest anew with: roost check --write "
            "(a file that ran already is not run again: what it lacks is for a new one)"
        ),
    ]
    assert "Traceback" in roost("check", "--traceback").stderr
    assert [row[4:] for row in _rows(roost("check", "--write"))] == [
        ["written:", "1", "added,", "1", "changed", "fine"],
        ["written:", "1", "added", "fine"],
    ]
    assert roost("check").returncode == 0


def test_check_as_a_document(roost: Roost, files: Path) -> None:
    """`--json` is one document with everything that was found; errors in it are told as every command tells them."""
    written = _json(roost("check", "--write", "--json"))
    assert (written["schema_version"], written["command"], written["valid"]) == (1, "check", True)
    assert written["services"][0] == {
        "plugin": "inbox",
        "service_name": "inbox-migration",
        "steps": 1,
        "directory": str(files / "inbox"),
        "has_manifest": True,
        "changes": {"written": True, "added": ["001_make.sql"], "changed": [], "removed": []},
        "error": None,
    }
    (files / "inbox" / "roost.sum").write_text("<<<<<<< HEAD\n")
    done = roost("check", "--json")
    document = _json(done)
    assert (done.returncode, document["valid"], document["services"][1]["error"]) == (4, False, None)
    assert document["services"][0]["error"] == {
        "type": "ManifestConflict",
        "message": f"Invalid manifest {files / 'inbox' / 'roost.sum'}:1: a merge conflict is left in it",
        "hint": "keep the files of both, and write the manifest anew with: roost check --write",
    }


def test_check_finds_what_loading_finds(roost: Roost, project: Path) -> None:
    """Steps that can't be used are told as a run would tell them, and exit 4; a plugin that is not there is a usage error."""
    assert roost("check").returncode == 0
    (project / "twice.py").write_text(PLUGINS.replace('MigrationStep("kind"', 'MigrationStep("make"'))
    done = roost("check", "twice:runtime")
    assert done.returncode == 4
    assert "error: Plugin notes" in done.stderr
    assert [row[2:] for row in _rows(done)] == [["-", "-", "-", "wrong"], ["1", "-", "-", "fine"]]
    assert roost("check", "--plugin", "nots").returncode == 2
    (project / "empty.py").write_text("from roost import Runtime\nruntime = Runtime()\n")
    empty = roost("check", "empty:runtime")
    assert (empty.returncode, empty.stdout) == (0, "there are no steps to check\n")


def test_check_that_cannot_write(roost: Roost, files: Path) -> None:
    """A manifest that can't be written exits 1, though the others are written."""
    (files / "inbox" / "roost.sum").mkdir()
    done = roost("check", "--write")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: The manifest {files / 'inbox' / 'roost.sum'} can't be written: ")
    assert (files / "outbox" / "roost.sum").exists()


def test_up_proves_files_that_a_start_trusts(roost: Roost, files: Path, url: str) -> None:
    """A migration that is not in the manifest is refused with exit code 4, instead of being passed over as nothing to do."""
    assert roost("check", "--write").returncode == 0
    assert roost("up", "--database-url", url).returncode == 0
    (files / "inbox" / "002_more.sql").write_text("SELECT 1;\n")
    refused = roost("up", "--database-url", url)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "002_more.sql is not listed" in refused.stderr
    assert roost("check", "--write").returncode == 0
    assert roost("up", "--database-url", url).stdout.startswith("1 step run in ")


def test_interrupt_exits_130_and_frees_the_lock(project: Path, roost: Roost, url: str) -> None:
    """Ctrl-C in the middle of a step exits 130 and says what was rolled back and what was not; the next run takes the lock and goes on."""
    (project / "slow.py").write_text(PLUGINS.replace('await ctx.execute("SELECT 1")', 'await ctx.execute("SELECT pg_sleep(60)")'))
    process = subprocess.Popen(
        [sys.executable, "-m", "roost.cli", "up", "slow:runtime", "--database-url", url],
        cwd=project,
        env=_clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("tags 1/1 up keep"):
                break
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=BOUND)
    assert process.returncode == 130
    assert rest.splitlines()[-3:] == [
        "tags 1/1 interrupted",
        "tags 1/1 keep was rolled back; 2 steps are done, and that stays",
        "interrupted",
    ]
    assert "Traceback" not in rest
    assert roost("up", "--database-url", url).returncode == 0


def _fetch(url: str, query: str) -> Any:
    async def fetch() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def test_an_edited_step_is_told_by_status_plan_and_up(roost: Roost, project: Path, url: str) -> None:
    """Each names the step, says that it is not run again, and what to do; only its layout changed, nobody says a word."""
    assert roost("up", DATABASE_URL=url).returncode == 0
    source = (project / "shop.py").read_text()
    (project / "shop.py").write_text(source.replace("CREATE TABLE notes (id int)", "CREATE TABLE notes (id int /* the key */)"))
    assert (roost("status", DATABASE_URL=url).returncode, roost("status", DATABASE_URL=url).stderr) == (0, "")
    (project / "shop.py").write_text(source.replace("CREATE TABLE notes (id int)", "CREATE TABLE notes (id bigint)"))
    warning = (
        "warning: step 'make' of plugin notes was edited after it ran, and is not run again; "
        "put its text back, and what it lacks into a new step"
    )
    for command in (("status",), ("plan",), ("up", "--dry-run")):
        told = roost(*command, DATABASE_URL=url)
        assert (told.returncode, told.stderr.splitlines()) == (0, [warning])
    assert json.loads(roost("status", "--json", DATABASE_URL=url).stdout)["services"][0]["changed"] == [
        {"plugin": "notes", "step": "make", "is_function": False}
    ]
    assert "notes: steps were edited after they ran, and are not run again: make" in roost("up", DATABASE_URL=url).stderr
