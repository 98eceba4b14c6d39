"""Runs what README and the documentation show, page by page, in the order in which a reader meets it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.plugins.build import BOUND

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]
RUN_BY_CI = ("uv ", "git clone", "make ", "pip install", ".ci/run", "python -m examples.", "curl ")
"""Commands that other checks run: a clone's own commands by .ci/run, the example's by its acceptance test."""

_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE_NAME = re.compile(r"# (\S+\.py)\n")
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a page, and the lines shown below it."""

    line: str
    shown: tuple[str, ...]


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Return a page's blocks of code and of commands, each with its language."""
    return [(match[1], match[2]) for match in _BLOCK.finditer(page.read_text("utf-8"))]


def commands_of(block: str) -> list[Command]:
    """Split a console block into commands with what is shown below each."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [Command(lines[0], tuple(lines[1:])) for lines in (part.splitlines() for part in parts)]


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """Tell whether output is as shown, where an ellipsis stands for anything and white space at line ends for nothing."""
    pattern = r"\n".join(re.escape(line.rstrip()).replace(_ELLIPSIS, ".*") for line in shown)
    text = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines())
    return re.fullmatch(pattern, text, flags=re.DOTALL) is not None


PAGES_WITH_CODE = [page for page in PAGES if page.exists() and blocks_of(page)]


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_does_what_it_says(page: Path, tmp_path: Path, database_url: str) -> None:
    """Each block of code runs, or is a file that a command runs or that can be imported; each command prints what stands below it."""
    environment = {
        **{key: value for key, value in os.environ.items() if key not in ("ROOST_DATABASE_URL", "ROOST_ENV")},
        "DATABASE_URL": database_url,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "140",
        "PYTHONDONTWRITEBYTECODE": "1",  # a page replaces its files within one second
        # Who reads a page has told git who they are; a new machine, and its settings, tell nothing.
        **{
            f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "me"), ("EMAIL", "me@example.org"))
        },
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "PYTEST_DEBUG_TEMPROOT": str(tmp_path),  # what a page's tests leave is removed with what this one leaves
    }
    unused: set[str] = set()
    for language, block in blocks_of(page):
        if language == "python":
            named = _FILE_NAME.match(block)
            (tmp_path / (named[1] if named else "unnamed.py")).write_text(block, "utf-8")
            if named is None:
                run([sys.executable, "-W", "error", "unnamed.py"], tmp_path, environment)
            elif "/" not in named[1]:  # what lies in a folder is for a tool that looks there
                unused.add(named[1].removesuffix(".py"))
            continue
        unused = {module for module in unused if not re.search(rf"\b{module}\b", block)}
        for command in commands_of(block):
            if not command.line.startswith(RUN_BY_CI):
                printed = run(["bash", "-c", command.line], tmp_path, environment)
                shown = "\n".join(command.shown)
                assert matches(command.shown, printed), f"{command.line}\nprinted:\n{printed}\nbut the page shows:\n{shown}"
    for module in sorted(unused):
        run([sys.executable, "-W", "error", "-c", f"import {module}"], tmp_path, environment)


def run(command: list[str], directory: Path, environment: dict[str, str]) -> str:
    """Run a command and return what it printed on both outputs."""
    done = subprocess.run(
        command, cwd=directory, env=environment, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BOUND
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}"
    return done.stdout


def test_the_check_sees_a_wrong_page() -> None:
    """A line that is not printed, one that is missing, and one too many are told from what matches."""
    assert matches(("a …", "c"), "a b\nc\n")
    assert not matches(("a …", "c"), "a b\n")
    assert not matches(("a",), "a\nb")
    assert not matches(("a.c",), "abc")


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link of README and the documentation names a file that exists."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*PAGES, *sorted((ROOT / "examples").rglob("*.md"))]
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
