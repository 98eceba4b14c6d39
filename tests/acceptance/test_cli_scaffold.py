"""`roost init`, `new` and `diff` as processes: projects, steps, and merges by git."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from roost.migrations import load_sql_steps, write_manifest
from tests.plugins.build import BOUND, execute

Done: TypeAlias = "subprocess.CompletedProcess[str]"
Run: TypeAlias = Callable[..., Done]

GIT_SETTINGS = ("user.name=a", "user.email=a@b.c", "commit.gpgsign=false", "init.defaultBranch=main", "merge.conflictStyle=merge")
PYTEST = (sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio")
DECLARED = """
from roost import DatabaseMigrationService, Plugin, Runtime
from roost.schema import DeclaredSchema

TABLES = "CREATE TABLE customer (id bigint PRIMARY KEY, name text NOT NULL)"
MORE = "CREATE TABLE customer (id bigint PRIMARY KEY, name varchar(9) NOT NULL, born date); CREATE TABLE item (id bigint PRIMARY KEY)"


def runtime():
    return Runtime(plugins=[Plugin("shop", schema=TABLES)], services=[DatabaseMigrationService])


def later():
    return Runtime(plugins=[Plugin("shop", schema=MORE)], services=[DatabaseMigrationService])


def none():
    return Runtime(plugins=[Plugin("shop")])


def wrong():
    return Runtime(plugins=[Plugin("shop", schema="CREATE TABLE (")], services=[DatabaseMigrationService])
"""


@pytest.fixture
def run(tmp_path: Path, database_url: str) -> Run:
    """Run a command in the test's directory, with an empty database of its own; `in_` names a folder below."""

    def command(*words: str | Path, in_: str = "", expect: int | None = 0, **environment: str) -> Done:
        kept = {name: value for name, value in os.environ.items() if name not in {"ROOST_DATABASE_URL", "DATABASE_URL"}}
        git = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            [str(word) for word in words],
            cwd=tmp_path / in_,
            env=kept | git | {"DATABASE_URL": database_url, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )
        assert expect is None or done.returncode == expect, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    return command


@pytest.fixture
def roost(run: Run) -> Run:
    """Run `roost` as `run` does."""

    def command(*words: str | Path, **options: Any) -> Done:
        return run(sys.executable, "-m", "roost.cli", *words, **options)

    return command


@pytest.fixture
def git(run: Run) -> Run:
    """Run `git` as `run` does, by nobody's own settings."""

    def command(*words: str, **options: Any) -> Done:
        return run("git", *(part for setting in GIT_SETTINGS for part in ("-c", setting)), *words, **options)

    return command


def lines(done: Done) -> list[str]:
    return done.stdout.splitlines()


def test_a_new_project_passes_its_own_tests(roost: Run, run: Run, tmp_path: Path) -> None:
    """What `init` writes runs: its tests, `up`, `status`, `check`, `down`; and a second `init` there writes nothing."""
    made = roost("init", "my-shop")
    assert "wrote my-shop/my_shop/app.py" in lines(made)
    assert made.stderr == "next: cd my-shop; pytest, then with DATABASE_URL naming a database: roost up\n"
    files = {path: path.read_bytes() for path in (tmp_path / "my-shop").rglob("*") if path.is_file()}
    tests = run(
        sys.executable,
        "-W",
        "error",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        f"--basetemp={tmp_path / 'temp'}",
        in_="my-shop",
    )
    assert "4 passed" in tests.stdout
    roost("check", in_="my-shop")
    roost("status", in_="my-shop", expect=3)
    roost("up", in_="my-shop")
    roost("status", in_="my-shop")
    roost("down", "--all", "--yes", in_="my-shop")
    again = roost("init", "my-shop", expect=2)
    assert again.stderr.startswith("error: There already: my-shop/pyproject.toml, ")
    assert {path: path.read_bytes() for path in files} == files


def test_a_project_in_a_directory_that_holds_something(roost: Run, tmp_path: Path) -> None:
    """What does not collide may be there; one file that does, and nothing is written."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "README.md").write_text("mine")
    refused = roost("init", "--name", "shop", expect=2)
    assert refused.stderr.startswith("error: There already: README.md\nhint: nothing was written")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "notes.txt"]
    (tmp_path / "README.md").unlink()
    document = json.loads(roost("init", "--name", "shop", "--json").stdout)
    assert (document["schema_version"], document["command"]) == (1, "init")
    assert "shop/app.py" in document["files"]
    for name in ("", "class", "asyncio", "!!", "a\nb"):
        assert roost("init", "elsewhere", "--name", name, expect=2).stderr.startswith("error: ")
    assert not (tmp_path / "elsewhere").exists()


def test_steps_go_on_where_the_plugin_is(roost: Run, run: Run, tmp_path: Path) -> None:
    """Each generator writes into the plugin's folder, in turn, and keeps its manifest; all of it is checked, applied and taken back."""
    roost("init", "shop")
    for words in (
        ("table", "tag", "name:text:not-null"),
        ("add-column", "entry", "tag_id", "bigint"),
        ("add-column", "entry", "rank", "bigint", "--default", "-1", "--not-null"),
        ("index-concurrently", "entry", "tag_id", "lower(text)"),
        ("backfill", "entry", "tag_id", "id"),
        ("foreign-key-not-valid", "entry", "tag_id", "tag"),
        ("step", "Say nothing"),
    ):
        roost("new", *words, in_="shop")
    folder = tmp_path / "shop/shop/notes/migrations"
    assert [step.id for step in load_sql_steps(folder)] == [
        "0001_create_entry",
        "0002_create_tag",
        "0003_add_entry_tag_id",
        "0004_add_entry_rank",
        "0005_index_entry_tag_id_expr",
        "0006_fill_entry_tag_id",
        "0007_add_entry_tag_id_fkey",
        "0008_validate_entry_tag_id_fkey",
        "0009_say_nothing",
    ]
    roost("check", in_="shop")
    roost("up", in_="shop")
    roost("down", "--all", "--yes", in_="shop")
    done = roost("new", "step", "more", "--json", in_="shop")
    document = json.loads(done.stdout)
    assert document["plugin"] == "notes"
    assert [Path(file).name for file in document["files"]] == ["0010_more.sql"]
    assert Path(document["manifest"]).name == "roost.sum"


def test_a_step_of_ones_own_tells_what_is_left_to_do(roost: Run, tmp_path: Path) -> None:
    """It is empty, and roost.sum has it so: what makes `up` take what is written into it is said, and is right."""
    roost("init", "shop")
    told = roost("revision", "-m", "mine", in_="shop").stderr
    assert told.splitlines() == ["next: write what it does, then have roost.sum know that text: roost check --write"]
    (tmp_path / "shop/shop/notes/migrations/0002_mine.sql").write_text("ALTER TABLE entry ADD mine text;\n")
    roost("up", in_="shop", expect=4)
    roost(*told.rpartition(": roost ")[2].split(), in_="shop")
    roost("up", in_="shop")
    assert roost("new", "table", "tag", in_="shop").stderr == ""
    (tmp_path / "bare").mkdir()
    assert roost("new", "step", "x", "--directory", "bare").stderr == ""


def test_steps_in_python(roost: Run, tmp_path: Path) -> None:
    """A module lies beside the service, has the next number among SQL files, and is used as the command says."""
    roost("init", "shop")
    done = roost("new", "backfill", "entry", "text", "'empty'", "--python", in_="shop")
    assert done.stdout == "wrote shop/notes/fill_entry_text.py\n"
    first, second = done.stderr.splitlines()
    module = tmp_path / "shop/shop/notes/__init__.py"
    imported = first.removeprefix("next: ")
    method = second.removeprefix("and in NotesMigrations: ").replace("(self): ", "(self):\n        ")
    text = (
        module.read_text().replace("from pathlib", f"{imported}\nfrom pathlib").replace("\n\n\nplugin =", f"\n\n    {method}\n\n\nplugin =")
    )
    module.write_text(text)
    roost("new", "step", "after it", in_="shop")
    planned = json.loads(roost("plan", "--json", in_="shop", expect=3).stdout)
    assert [step["step"] for step in planned["steps"]] == ["0001_create_entry", "0002_fill_entry_text", "0003_after_it"]
    roost("up", in_="shop")
    roost("new", "step", "by version", "--python", "--version", "2.0.0", "--directory", ".", in_="shop")
    assert 'version="2.0.0"' in (tmp_path / "shop/by_version.py").read_text()


def test_a_plugin_passes_its_tests(roost: Run, run: Run, tmp_path: Path) -> None:
    """In a project and outside of one; nothing is written over."""
    roost("init", "shop")
    done = roost("new", "plugin", "@org/plugin-tag-cloud", "--into", "shop", in_="shop")
    assert "wrote tests/test_tag_cloud.py" in lines(done)
    assert "wrote tests/conftest.py" not in lines(done)
    assert done.stderr.startswith("next: from shop.tag_cloud import plugin as tag_cloud")
    roost("new", "plugin", "tags", "--directory", "alone")
    assert roost("new", "plugin", "tags", "--directory", "alone", expect=2).stderr.startswith(
        "error: There already: alone/tags/__init__.py"
    )
    for place, number in (("shop", 6), ("alone", 2)):
        command = (
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:asyncio",
            f"--basetemp={tmp_path / 'temp'}",
            "tests",
        )
        assert f"{number} passed" in run(*command, in_=place, PYTHONPATH=".").stdout


def test_a_folder_needs_no_runtime(roost: Run, tmp_path: Path) -> None:
    """With --directory nothing is loaded; the folder is made, and goes on by its own numbers; files without numbers are refused."""
    for word in ("one", "two"):
        roost("new", "step", word, "--directory", "db/sql")
    assert sorted(path.name for path in (tmp_path / "db/sql").iterdir()) == ["0001_one.sql", "0002_two.sql"]
    (tmp_path / "db/sql/unnumbered.sql").write_text("SELECT 1")
    refused = roost("new", "step", "three", "--directory", "db/sql", expect=2)
    assert refused.stderr.startswith("error: No number for a new file in db/sql beside unnumbered.sql")


BAD_WORDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("step", "x", "--plugin", "nobody"), "No plugin 'nobody' of the runtime has a folder of SQL migrations"),
    (("step", "x", "--runtime", "nowhere:runtime"), "there is no module nowhere"),
    (("from-diff", "x"), "Plugin notes declares no schema"),
    (("from-diff", "x", "--schema", "nowhere.sql"), "There is no nowhere.sql"),
    (("from-diff", "x", "--directory", "db"), "A folder alone has no database"),
    (("--renumber", "--keep", "nobody"), "no file here is that step"),
)


def test_bad_words_are_one_error(roost: Run, tmp_path: Path) -> None:
    """Whatever is said wrongly: exit code 2, a sentence and a hint, and no file is written."""
    roost("init", "shop")
    roost("up", in_="shop")
    before = sorted(tmp_path.rglob("*"))
    for words, told in BAD_WORDS:
        done = roost("new", *words, in_="shop", expect=2)
        first, second = done.stderr.splitlines()
        assert first.startswith("error: ")
        assert told in first
        assert second.startswith("hint: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_two_branches_with_one_number(roost: Run, git: Run, tmp_path: Path) -> None:
    """The merge conflicts in roost.sum; `check` names both files and the way on; `new --renumber` goes it, and both are applied once."""
    roost("init", ".", "--name", "shop")
    git("init")
    git("add", ".")
    git("commit", "-m", "start")
    git("switch", "-c", "other")
    roost("new", "table", "label")
    git("add", ".")
    git("commit", "-m", "label")
    git("switch", "main")
    roost("new", "table", "tag")
    roost("up")
    git("add", ".")
    git("commit", "-m", "tag")
    assert "CONFLICT" in git("merge", "other", expect=1).stdout

    checked = roost("check", expect=4)
    error, hint = checked.stderr.splitlines()[-2:]
    assert "roost.sum:1: a merge conflict is left in it: only this side has 0002_create_tag.sql; " in error
    assert "only the other side has 0002_create_label.sql; 0002_create_label.sql, 0002_create_tag.sql have the same number" in error
    assert hint.endswith("with: roost new --renumber")
    assert roost("up", expect=4).stderr.splitlines()[0] == error
    assert roost("new", "step", "x", expect=4).stderr.splitlines()[0] == error

    refused = roost("new", "--renumber", "--keep", "0002_create_label", expect=2)
    assert "0002_create_tag is applied and keeps the number" in refused.stderr
    refused = roost("new", "--renumber", "--directory", "shop/notes/migrations", expect=2)
    assert "without a database nobody knows" in refused.stderr
    mended = roost("new", "--renumber")
    assert lines(mended) == [
        "renamed shop/notes/migrations/0002_create_label.sql to 0003_create_label.sql",
        "wrote shop/notes/migrations/roost.sum",
    ]
    roost("check")
    up = json.loads(roost("up", "--json").stdout)
    assert [step["step"] for step in up["steps"]] == ["0003_create_label"]
    git("add", ".")
    git("commit", "-m", "merged")
    assert lines(roost("new", "--renumber"))[0] == "nothing to renumber: no two steps have the same number"
    assert git("status", "--porcelain").stdout == ""


def test_a_runtime_without_a_database(roost: Run, tmp_path: Path) -> None:
    """Steps are written all the same; for new numbers somebody has to say who keeps the old one; a difference can't be told."""
    roost("init", ".", "--name", "shop")
    app = tmp_path / "shop/app.py"
    app.write_text(app.read_text().partition("runtime =")[0] + "runtime = Runtime(plugins=[notes])\n")
    folder = tmp_path / "shop/notes/migrations"
    roost("new", "step", "one", DATABASE_URL="")
    (folder / "0002_two.sql").write_text("SELECT 2")
    write_manifest(folder)
    assert "without a database nobody knows" in roost("new", "--renumber", DATABASE_URL="", expect=2).stderr
    roost("new", "--renumber", "--keep", "0002_two", DATABASE_URL="")
    assert sorted(path.name for path in folder.glob("*.sql")) == ["0001_create_entry.sql", "0002_two.sql", "0003_one.sql"]
    refused = roost("new", "from-diff", "x", "--schema", "pyproject.toml", DATABASE_URL="", expect=2)
    assert "database" in refused.stderr.splitlines()[0]


def test_who_keeps_the_number_without_a_database(roost: Run, tmp_path: Path) -> None:
    """The one that --keep names; the other's two halves move together, and no manifest appears where there was none."""
    for name in ("0001_a.sql", "0001_b.up.sql", "0001_b.down.sql"):
        (tmp_path / name).write_text("SELECT 1")
    document = json.loads(roost("new", "--renumber", "--directory", ".", "--keep", "0001_a.sql", "--json").stdout)
    assert [(move["old"], move["new"]) for move in document["renamed"]] == [
        ("0001_b.down.sql", "0002_b.down.sql"),
        ("0001_b.up.sql", "0002_b.up.sql"),
    ]
    assert document["manifest"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001_a.sql", "0002_b.down.sql", "0002_b.up.sql"]


def test_the_difference_is_told_and_judged(roost: Run, database_url: str, tmp_path: Path) -> None:
    """It is compared always: before, after, when the declaration changes, and when somebody changes the database by hand."""
    (tmp_path / "shop.py").write_text(DECLARED)
    before = roost("diff", "shop:runtime", expect=3)
    assert 'CREATE TABLE "shop"."customer"' in before.stdout
    roost("up", "shop:runtime")
    assert lines(roost("diff", "shop:runtime")) == ["no difference: the database is what the plugins declare"]
    later = roost("diff", "shop:later", expect=3)
    assert "-- loses data: customer.name; " in later.stdout
    assert "\n-- safe; takes AccessExclusiveLock\nALTER TABLE" in later.stdout
    document = json.loads(roost("diff", "shop:later", "--json", expect=3).stdout)
    assert (document["schema_version"], document["command"], document["differs"]) == (1, "diff", True)
    (shop,) = document["plugins"]
    assert (shop["plugin"], shop["is_blocked"], shop["losses"]) == ("shop", True, ["customer.name"])
    assert {change["risk"] for change in shop["changes"]} == {"safe", "data-losing"}
    by_hand = "ALTER TABLE shop.customer ALTER name DROP NOT NULL; CREATE TABLE shop.by_hand (id int)"
    asyncio.run(execute(database_url, by_hand))
    drifted = roost("diff", "shop:runtime", expect=3)
    assert "SET NOT NULL" in drifted.stdout
    assert "left alone: table by_hand in schema shop, which no plugin declares" in drifted.stderr
    assert lines(roost("diff", "shop:none")) == ["no plugin declares a schema"]
    assert roost("diff", "shop:wrong", expect=4).stderr.startswith("error: ")
    assert roost("diff", "shop:runtime", "--plugin", "nobody", expect=2).stderr.startswith("error: No plugin 'nobody'")
    assert roost("diff", "shop:runtime", DATABASE_URL="postgresql://127.0.0.1:1/none", expect=6).stderr.startswith("error: ")


def test_a_difference_becomes_a_step(roost: Run, tmp_path: Path) -> None:
    """What the database lacks of a file of SQL is written as the plugin's next step, which brings it about and takes it back."""
    roost("init", ".", "--name", "shop")
    tables = tmp_path / "tables.sql"
    create = (tmp_path / "shop/notes/migrations/0001_create_entry.sql").read_text().partition("-- migrate:down")[0]
    tables.write_text(
        create.replace("text text NOT NULL,", "text text NOT NULL,\n    kind text,") + "CREATE INDEX entry_kind ON entry (kind);\n"
    )
    pending = roost("new", "from-diff", "kinds", "--schema", "tables.sql", expect=2)
    assert "are pending, and would be repeated: 0001_create_entry" in pending.stderr
    roost("up")
    done = roost("new", "from-diff", "kinds", "--schema", "tables.sql")
    assert lines(done) == ["wrote shop/notes/migrations/0002_kinds.sql", "wrote shop/notes/migrations/roost.sum"]
    text = (tmp_path / "shop/notes/migrations/0002_kinds.sql").read_text()
    assert 'ADD COLUMN "kind"' in text
    assert text.partition("-- migrate:down\n")[2] == 'DROP INDEX "notes"."entry_kind";\nALTER TABLE "notes"."entry" DROP COLUMN "kind";\n'
    roost("up")
    again = roost("new", "from-diff", "kinds", "--schema", "tables.sql")
    assert lines(again) == ["no difference: nothing is written"]
    roost("down", "--steps", "1", "--yes")
    roost("up")
