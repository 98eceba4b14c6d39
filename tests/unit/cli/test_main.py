from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from roost.cli import _main as entry
from roost.cli import main
from roost.cli._commands import GROUPS

COMMANDS = {name: command for commands in GROUPS.values() for name, command in commands.items()}
NAMES = list(COMMANDS)
HEAVY = ("asyncpg", "uvicorn", "pgmig", "postgast", "sqlalchemy", "alembic", "jinja2", "prometheus_client", "opentelemetry")
ENTRY = ("roost.cli._exit_codes", "roost.cli._main", "roost.cli._streams")

WITHOUT_EXTRA = """
import sys
sys.modules["cyclopts"] = sys.modules["rich"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in ("cyclopts", "rich") else find(name, *rest)
from roost.cli import main
sys.exit(main(["up"]))
"""


def test_missing_extra_is_named() -> None:
    """Without cyclopts and rich the entry point can be imported and says what to install."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRA], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "error: the command line needs cyclopts and rich, which is not installed\nhint: pip install 'roost[cli]'\n",
    )


def test_only_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the packages that are not there are named."""
    monkeypatch.setattr(entry, "NEEDED", ("sys", "no_such_package"))
    assert main(["up"]) == 2
    assert capsys.readouterr().err.startswith("error: the command line needs no_such_package, which")


@pytest.mark.parametrize(
    ("arguments", "error", "asked"),
    [
        (["nope"], 'Unknown command "nope"', "roost --help"),
        (["up", "--nope"], "Unknown option", "roost up --help"),
        (["upgrade", "app:runtime", "head", "x"], "Too many words: head x", "roost upgrade --help"),
        (["down", "--steps", "0"], "Must be >= 1", "roost down --help"),
        (["history", "--limit", "x"], "unable to convert", "roost history --help"),
    ],
)
def test_usage_error_points_to_help(arguments: list[str], error: str, asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Words that can't be parsed exit with 2, one message and the help that answers."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert second == f"hint: see {asked}"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`roost`, `roost --help` and `roost -h` list each command and the exit codes, and exit 0."""
    pages = []
    for words in ([], ["--help"], ["-h"]):
        assert main(words) == 0
        pages.append(capsys.readouterr().out)
    assert pages[0] == pages[1] == pages[2]
    for word in (*NAMES, "Exit codes"):
        assert word in pages[0]


def test_every_command_is_where_the_table_says() -> None:
    """Each leads to a function of its own name, with a docstring that its `--help` shows; no name stands for two."""
    every_name = []
    for name, command in COMMANDS.items():
        module, _, function = command.target.partition(":")
        found = getattr(importlib.import_module(f"roost.cli.{module}"), function)
        assert found.__doc__ or found.help
        assert function in (name, f"{name}_command", f"{name}_"), name
        every_name += [name, *command.aliases]
    assert len(every_name) == len(set(every_name))


def test_the_page_of_commands_imports_none_of_them() -> None:
    """`roost --help` imports no command, no error, no event loop, and nothing that draws more than the page."""
    assert _imported(["--help"], "roost.errors", "asyncio", "rich.markdown", "rich.progress", *HEAVY) == []
    assert [name for name in _modules(["--help"]) if name.startswith("roost.cli.")] == ["roost.cli._app", "roost.cli._commands", *ENTRY]


@pytest.mark.parametrize("name", NAMES)
def test_a_command_imports_what_it_needs(name: str) -> None:
    """`roost COMMAND --help` imports no other command, and nothing that only doing the work needs."""
    module = COMMANDS[name].target.partition(":")[0]
    others = [f"roost.cli.{other.target.partition(':')[0]}" for other in COMMANDS.values() if other.target.partition(":")[0] != module]
    assert _imported([name, "--help"], "roost.migrations", "roost.postgres", "roost.runtime", "rich.progress", *HEAVY, *others) == []


def _imported(words: list[str], *unwanted: str) -> list[str]:
    return sorted(set(unwanted) & set(_modules(words)))


def _modules(words: list[str]) -> list[str]:
    code = f"import sys; from roost.cli import main; main({words!r}); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()
