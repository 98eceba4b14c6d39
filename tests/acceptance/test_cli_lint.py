"""``roost lint``, and what ``roost check`` makes of it, as a process, on a project in a directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.plugins.build import BOUND

PLUGINS = '''
from pathlib import Path
from roost import Database, MigrationStep, Plugin, PluginMigrationService, Runtime, Service, SqlMigrationService


async def fill(ctx):
    await ctx.execute("UPDATE notes SET id = 1")


class NotesMigrations(PluginMigrationService):
    service_name = "notes-migration"
    steps = [
        MigrationStep("make", "Make notes", up="CREATE TABLE notes (id bigint)", version="1.0.0"),
        MigrationStep("fill", "Fill", up=fill, version="1.0.0"),
        MigrationStep("index", "Index", up="""
            -- Slow for large tables.
            CREATE INDEX notes_id ON notes (id)
        """, version="1.1.0"),
    ]


class InboxMigrations(SqlMigrationService):
    service_name = "inbox-migration"
    directory = Path(__file__).parent / "inbox"


class Notes(Service):
    def __init__(self, database: Database) -> None:
        self.database = database


inbox = Plugin("inbox", version="1.0.0", services=[InboxMigrations])
runtime = Runtime(plugins=[Plugin("notes", services=[NotesMigrations, Notes]), inbox])
'''
FINE = "-- migrate:up\nCREATE TABLE inbox (id bigint);\n-- migrate:down\nDROP TABLE inbox;\n"

Roost: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two plugins, one in code and one in files."""
    (tmp_path / "shop.py").write_text(PLUGINS)
    (tmp_path / "pyproject.toml").write_text('[tool.roost]\nruntime = "shop:runtime"\n')
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "001_make.sql").write_text(FINE)
    return tmp_path


@pytest.fixture
def roost(project: Path) -> Roost:
    """Run ``roost`` in the project's directory."""

    def run(*arguments: str, program: str = "import sys; from roost.cli._main import main; sys.exit(main())", **environment: str) -> Any:
        cleared = {name: value for name, value in os.environ.items() if name not in {"ROOST_DATABASE_URL", "DATABASE_URL"}}
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=project,
            env=cleared | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )

    return run


def test_findings_are_told_by_file_and_line(roost: Roost, project: Path) -> None:
    """Without a database: SQL in code by its step, a file by its name from here; why, what is safer, a summary; errors exit 4."""
    (project / "inbox" / "002_more.sql").write_text("SELECT 1;\n")
    (project / "inbox" / "004_clear.sql").write_text("-- migrate:up\n\nDELETE FROM inbox;\n")
    done = roost("lint")
    assert (done.returncode, done.stderr) == (4, "")
    told = done.stdout.splitlines()
    assert [line for line in told if not line.startswith("    ")] == [
        "inbox/004_clear.sql:2: warning number-gap: 003 missing before 004_clear",
        "inbox/004_clear.sql:3: error delete-without-where: DELETE of all rows of inbox",
        "notes:index:3: error require-concurrent-index-creation: CREATE INDEX without CONCURRENTLY",
        "2 errors, 1 warning in 5 SQL steps; not linted: 1 Python step",
    ]
    assert "    why: all rows are gone, and each is locked until the step is over" in told
    assert "    safer: say which rows by WHERE; where there are many, in batches" in told


def test_an_answer_with_a_reason(roost: Roost, project: Path) -> None:
    """A finding that a comment answers is counted; one that it does not is told, and so is an answer without a reason."""
    assert roost("lint", "--plugin", "inbox").stdout == "0 errors, 0 warnings in 1 SQL step\n"
    file = project / "inbox" / "002_clear.sql"
    file.write_text("-- roost: ignore delete-without-where: it holds what is derived\nDELETE FROM inbox;\n")
    fine = roost("lint", "--plugin", "inbox")
    assert (fine.returncode, fine.stdout) == (0, "0 errors, 0 warnings in 2 SQL steps; 1 finding ignored with a reason\n")
    file.write_text("-- roost: ignore delete-without-where\nDELETE FROM inbox;\n")
    done = roost("lint", "--plugin", "inbox")
    assert done.returncode == 4
    assert "inbox/002_clear.sql:1: error ignore-without-reason: " in done.stdout
    assert "inbox/002_clear.sql:2: error delete-without-where: " in done.stdout


def test_warnings_fail_only_where_they_are_to(roost: Roost, project: Path) -> None:
    """Exit code 0 with nothing but warnings, 4 with --strict."""
    (project / "inbox" / "002_drop.sql").write_text("DROP TABLE old;\n")
    done = roost("lint", "--plugin", "inbox")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "0 errors, 1 warning in 2 SQL steps")
    assert roost("lint", "--plugin", "inbox", "--strict").returncode == 4


def test_as_a_document(roost: Roost) -> None:
    """`--json` is one document with every finding."""
    done = roost("lint", "--json", "--pg-version", "16")
    document = json.loads(done.stdout)
    (found,) = document.pop("findings")
    assert document == {
        "schema_version": 1,
        "command": "lint",
        "valid": False,
        "postgres_version": "16",
        "errors": 1,
        "warnings": 0,
        "texts": 3,
        "functions": 1,
        "installed": 0,
        "ignored": 0,
        "unread": [],
    }
    assert (found["rule"], found["path"], found["plugin"], found["step"], found["line"]) == (
        "require-concurrent-index-creation",
        None,
        "notes",
        "index",
        3,
    )


def test_annotations_for_github(roost: Roost, project: Path) -> None:
    """Each finding is one line that GitHub shows beside the file's."""
    (project / "inbox" / "002_clear.sql").write_text("TRUNCATE inbox;\n")
    told = roost("lint", "--plugin", "inbox", "--format", "github").stdout.splitlines()
    assert told[0].startswith("::error file=inbox/002_clear.sql,line=1,title=truncate::TRUNCATE of inbox%0Awhy: ")
    assert told[1:] == ["1 error, 0 warnings in 2 SQL steps"]


def test_files_of_anybody(roost: Roost, project: Path) -> None:
    """Files and folders are linted without a runtime; a file that is no text is told, and the others are linted."""
    (project / "pyproject.toml").unlink()
    (project / "a.sql").write_text("TRUNCATE a;\n")
    done = roost("lint", "inbox", "a.sql")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (4, "1 error, 0 warnings in 2 SQL steps")
    (project / "b.sql").write_bytes(b"\xff")
    done = roost("lint", "b.sql", "inbox/001_make.sql", "--json")
    assert (done.returncode, json.loads(done.stdout)["unread"][0]["type"]) == (4, "InvalidSqlFile")
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nowhere.sql"], "There is no file 'nowhere.sql'"),
        (["inbox", "--pending"], "Files are of no plugin"),
        (["--plugin", "nots"], "No plugin 'nots' has migrations"),
        (["--pg-version", "13"], "'13' is no version of PostgreSQL from 14 on"),
        (["shop"], "Can't use 'shop'"),
        (["--format", "xml"], 'Invalid value "xml"'),
    ],
)
def test_bad_words_are_one_sentence(roost: Roost, arguments: list[str], error: str) -> None:
    """They exit with 2, an error and a hint, and no traceback."""
    done = roost("lint", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_steps_that_cannot_be_loaded(roost: Roost, project: Path) -> None:
    """They are told as everywhere, exit 4, and the other plugins are linted."""
    (project / "inbox" / "002_bad.sql").write_text("-- migrate:down\nSELECT 1;\n")
    done = roost("lint")
    assert done.returncode == 4
    assert "notes:index:3: error " in done.stdout
    assert done.stderr.startswith("error: ")
    assert "Traceback" in roost("lint", "--traceback").stderr


def test_only_what_is_pending(roost: Roost, project: Path, database_url: str) -> None:
    """What the database has can't be changed: with --pending it is not spoken of."""
    assert roost("lint", "--pending", "--database-url", database_url).returncode == 4
    assert roost("up", "--database-url", database_url).returncode == 0
    (project / "inbox" / "002_more.sql").write_text("TRUNCATE inbox;\n")
    done = roost("lint", "--pending", "--database-url", database_url)
    assert [line for line in done.stdout.splitlines() if not line.startswith("    ")] == [
        "inbox/002_more.sql:1: error truncate: TRUNCATE of inbox",
        "1 error, 0 warnings in 1 SQL step",
    ]


def test_check_is_the_gate(roost: Roost, project: Path) -> None:
    """It lints too, without a database and though a service wants one; what it finds exits 4; --no-lint leaves it out."""
    done = roost("check")
    assert (done.returncode, done.stderr) == (4, "")
    assert "notes:index:3: error require-concurrent-index-creation: " in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if line.rstrip().endswith("1 lint error")] == ["notes"]
    assert done.stdout.splitlines()[-1] == "1 error, 0 warnings in 3 SQL steps; not linted: 1 Python step"
    document = json.loads(roost("check", "--json").stdout)
    assert (document["valid"], document["lint"]["errors"]) == (False, 1)
    unlinted = roost("check", "--no-lint")
    assert (unlinted.returncode, "error" in unlinted.stdout) == (0, False)
    assert json.loads(roost("check", "--no-lint", "--json").stdout)["lint"] is None
    (project / "inbox" / "001_again.sql").write_text("SELECT 1;\n")
    assert "inbox/001_make.sql:2: warning number-twice: 001_make has the number of 001_again" in roost("check", "--plugin", "inbox").stdout


def test_a_project_says_for_which_server(roost: Roost, project: Path) -> None:
    """`postgres_version` in [tool.roost] counts for both commands, and one that is none is refused by both."""
    (project / "pyproject.toml").write_text('[tool.roost]\nruntime = "shop:runtime"\npostgres_version = "17"\n')
    assert json.loads(roost("lint", "--json").stdout)["postgres_version"] == "17"
    assert json.loads(roost("check", "--json").stdout)["lint"]["postgres_version"] == "17"
    (project / "pyproject.toml").write_text('[tool.roost]\nruntime = "shop:runtime"\npostgres_version = "9"\n')
    for command in ("lint", "check"):
        done = roost(command)
        assert (done.returncode, "postgres_version in [tool.roost]: '9' is no version" in done.stderr) == (2, True)


def test_without_the_extra(roost: Roost) -> None:
    """`lint` exits 2 with the line that brings it; `check` says in one line what was left out, and does the rest."""
    program = "import sys; sys.modules['postgast'] = None; from roost.cli._main import main; sys.exit(main())"
    done = roost("lint", program=program)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: To lint SQL takes postgast, which is not installed\nhint: pip install 'roost[sql]'\n")
    checked = roost("check", program=program)
    assert checked.returncode == 0
    assert checked.stderr == "nothing was linted: postgast is missing; pip install 'roost[sql]', or leave it out with --no-lint\n"
    assert roost("check", "--no-lint", program=program).stderr == ""


def test_help_loads_no_linter(roost: Roost) -> None:
    """`roost --help` imports neither the floor lint nor what that needs."""
    program = (
        "import sys; from roost.cli._main import main; main(['--help']); "
        "print([name for name in sys.modules if name.startswith(('roost.lint', 'roost.migrations', 'postgast', 'google.protobuf'))])"
    )
    assert roost(program=program).stdout.splitlines()[-1] == "[]"


def test_the_projects_own_example_is_clean() -> None:
    """The example server's runtime passes the gate that it recommends, with warnings counting as errors."""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-m", "roost.cli", "lint", "--strict"], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("0 errors, 0 warnings in ")
