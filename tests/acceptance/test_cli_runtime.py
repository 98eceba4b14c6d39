"""Commands that look at a runtime or at its last steps, other tools' names for commands, and where an address may come from."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from roost.postgres import parse_url
from tests.plugins.build import BOUND
from tests.plugins.roost_process import Roost, roost_in, write_project

PROJECT = """
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime, Service


class Notes(Service):
    service_name = "notes"


class NotesMigrations(PluginMigrationService):
    service_name = "notes-migration"
    steps = [
        MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", down="DROP TABLE notes", version="1.0.0"),
        MigrationStep("kind", "Tell kinds", up="ALTER TABLE notes ADD kind text", down="ALTER TABLE notes DROP kind", version="1.1.0"),
    ]


runtime = Runtime(plugins=[Plugin(name="notes", version="1.1.0", description="Keeps notes", services=[Notes, NotesMigrations])])
"""


@pytest.fixture
def roost(tmp_path: Path) -> Roost:
    """Run ``roost`` in a directory with a runtime that names no database; nothing but what is given says where one is."""
    write_project(tmp_path, PROJECT)
    return roost_in(tmp_path)


def test_redo_runs_the_last_step_once_more(roost: Roost, database_url: str) -> None:
    """`redo` undoes the last step and runs it again; it asks, shows with --dry-run what it would do, and is refused where nothing is."""
    here = {"ROOST_DATABASE_URL": database_url}
    nothing = roost("redo", "--dry-run", **here)
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert nothing.stderr.startswith("error: Plugin notes can't be rolled back to before its last step: the ledger holds nothing\n")
    assert roost("up", **here).returncode == 0

    refused = roost("redo", **here)
    assert (refused.returncode, refused.stdout) == (7, "")
    assert "Rollback of plugin notes refused" in refused.stderr
    shown = roost("redo", "--dry-run", "--steps", "2", **here)
    assert shown.returncode == 0
    assert "Would undo, and run again" in shown.stdout
    assert [word in shown.stdout for word in ("make", "kind")] == [True, True]

    done = roost("redo", "--yes", "--json", **here)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [step["step"] for step in document["undone"]["steps"]] == ["kind"]
    assert [step["step"] for step in document["run"]["steps"]] == ["kind"]
    history = json.loads(roost("history", "--json", **here).stdout)["records"]
    assert [(record["step"], record["direction"]) for record in history] == [
        ("kind", "up"),
        ("kind", "down"),
        ("kind", "up"),
        ("make", "up"),
    ]


def test_redo_of_too_many_steps(roost: Roost, database_url: str) -> None:
    """A number below 1 is refused as a wrong option."""
    done = roost("redo", "--steps", "0", ROOST_DATABASE_URL=database_url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Must be >= 1" in done.stderr


def test_plugins_are_shown_without_a_database(roost: Roost) -> None:
    """`plugins` needs no database; for a script it is a document."""
    shown = roost("plugins")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [word in shown.stdout for word in ("notes-migration", "Keeps notes", "1.1.0")] == [True, True, True]
    (row,) = json.loads(roost("plugins", "--json").stdout)["plugins"]
    assert (row["name"], row["services"], row["migration_services"]) == ("notes", ["notes"], ["notes-migration"])


def test_doctor_finds_what_is_in_the_way(roost: Roost, database_url: str) -> None:
    """Where all is well the exit code is 0, before the first run and after it; without a database it is 2, with one that is away 6."""
    fine = roost("doctor", "--json", ROOST_DATABASE_URL=database_url)
    assert fine.returncode == 0, fine.stdout
    document = json.loads(fine.stdout)
    assert document["fine"] is True
    assert {one["check"] for one in document["findings"]} >= {"versions", "steps", "connection", "server", "pooler", "rights", "ledger"}
    assert roost("up", ROOST_DATABASE_URL=database_url).returncode == 0
    again = roost("doctor", ROOST_DATABASE_URL=database_url)
    assert again.returncode == 0
    assert "PostgreSQL" in again.stdout

    none = roost("doctor")
    assert none.returncode == 2
    assert "hint: pass Runtime(database=" in none.stdout
    away = roost("doctor", "--json", ROOST_DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert away.returncode == 6
    assert json.loads(away.stdout)["findings"][-1]["verdict"] == "wrong"


def test_doctor_tells_of_steps_that_are_wrong(roost: Roost, tmp_path: Path, database_url: str) -> None:
    """Steps that can't be loaded are something wrong; the rest is looked at nevertheless."""
    (tmp_path / "shop.py").write_text(PROJECT.replace('"kind", "Tell', '"make", "Tell'))
    done = roost("doctor", "--json", ROOST_DATABASE_URL=database_url)
    assert done.returncode == 1
    wrong = [one for one in json.loads(done.stdout)["findings"] if one["verdict"] == "wrong"]
    assert [(one["check"], one["remedy"]) for one in wrong] == [("steps", "see roost check")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_a_shell(roost: Roost, shell: str) -> None:
    """What is printed is a script that knows every command."""
    done = roost("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert [name in done.stdout for name in ("rehearse", "unlock", "--allow-data-loss")] == [True, True, True]
    if shell == "bash":
        checked = subprocess.run(["bash", "-n"], input=done.stdout, text=True, capture_output=True, check=False, timeout=BOUND)
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("roost re", ["redo", "rehearse", "repair"]), ("roost import --from fl", ["flyway"]), ("roost lint sq", [])],
)
def test_bash_completes(roost: Roost, tmp_path: Path, typed: str, offered: list[str]) -> None:
    """A bash that has the script completes commands and choices, and names of files where it offers nothing."""
    (tmp_path / "roost.bash").write_text(roost("completion", "bash").stdout)
    asked = f"""
        . ./roost.bash; complete -p roost
        COMP_WORDS=({typed}); COMP_CWORD=$(({len(typed.split())} - 1))
        _roost; echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, text=True, capture_output=True, check=False, timeout=BOUND)
    assert done.stdout.splitlines() == ["complete -o default -F _roost roost", " ".join(offered)]


def test_completion_of_another_shell_is_refused(roost: Roost) -> None:
    """A shell that is not known is a wrong word."""
    done = roost("completion", "csh")
    assert (done.returncode, done.stdout) == (2, "")


def test_other_tools_names(roost: Roost, database_url: str) -> None:
    """The names that people bring along do what ours do, and `--help` names them."""
    here = {"ROOST_DATABASE_URL": database_url}
    assert roost("current", **here).returncode == 3
    stamped = roost("stamp", "notes", "--to", "1.0.0", "--dry-run", **here)
    assert (stamped.returncode, "table public.notes is not there" in stamped.stderr) == (1, True)
    upgraded = roost("upgrade", **here)
    assert (upgraded.returncode, upgraded.stdout.split(" run in ")[0]) == (0, "2 steps")
    assert roost("migrate", **here).stdout.startswith("nothing to do")
    assert roost("info", **here).returncode == 0
    assert roost("downgrade", "--steps", "1", "--yes", **here).returncode == 0
    assert roost("rollback", "--all", "--yes", **here).returncode == 0
    made = roost("revision", "add_kind", "--directory", ".")
    assert (made.returncode, made.stdout.splitlines()[0]) == (0, "wrote 0001_add_kind.sql"), made.stderr
    told = roost("--help").stdout
    assert "upgrade, migrate for up; downgrade, rollback for down" in " ".join(told.split())
    assert "revision for new step" in " ".join(told.split())


def test_postgresqls_own_variables(roost: Roost, database_url: str) -> None:
    """Where nothing else names a database, PGHOST and its like do; a runtime may be named by the environment as well."""
    url = parse_url(database_url)
    ((host, port),) = url.hosts
    variables = {"PGHOST": host, "PGPORT": str(port or 5432), "PGDATABASE": url.database or "", "PGUSER": url.user or ""}
    done = roost("up", ROOST_RUNTIME="shop:runtime", **variables)
    assert done.returncode == 0, done.stderr
    assert roost("status", ROOST_DATABASE_URL=database_url).returncode == 0
    wrong = roost("status", ROOST_RUNTIME="shop:nothing", **variables)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "shop has no 'nothing'" in wrong.stderr


def test_a_misspelt_key_of_the_project(roost: Roost, tmp_path: Path) -> None:
    """A key that is not known is refused with the one that was meant."""
    (tmp_path / "pyproject.toml").write_text('[tool.roost]\nrun_time = "shop:runtime"\n')
    done = roost("status")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[1] == "hint: did you mean runtime?"
