from __future__ import annotations

import subprocess
import sys

import pytest

from roost.cli import _main as entry
from roost.cli import main

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
    """`roost --help` lists each command and the exit codes, and exits 0."""
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for word in ("up", "down", "status", "history", "plan", "rehearse", "check", "diff", "init", "new", "demo", "Exit codes"):
        assert word in out


def test_help_imports_no_driver() -> None:
    """`roost --help` imports neither the driver nor a web server, and nothing of templates."""
    names = {"asyncpg", "uvicorn", "jinja2", "roost.scaffold", "roost.migrations"}
    code = f"import sys; from roost.cli import main; main(['new', '--help']); print(sorted({names} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
