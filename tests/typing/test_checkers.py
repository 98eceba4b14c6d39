from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.readme_block import README, block

HERE = Path(__file__).parent
SHOWN = {"notes.py": "plugin", "app.py": "at-startup"}
"""The files of a project whose author has copied what README shows, and the block of each."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a checker reports: the file, relative to the project, the line, and the name of the rule."""

    file: str
    line: int
    rule: str


@dataclass(frozen=True, slots=True)
class Project:
    """A project that depends on roost: files as README shows them, and these tests with a wrong type in each assertion."""

    root: Path
    wrong: frozenset[tuple[str, int]]


def with_wrong_types(text: str) -> tuple[str, list[int]]:
    """Return a file in which each `assert_type` claims another type, on the same line, and the numbers of these lines."""
    lines, changed = text.splitlines(), list[int]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "assert_type":
            claimed = node.args[1]
            assert claimed.lineno == claimed.end_lineno == node.lineno, f"line {node.lineno}: write the assertion on one line"
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = f"{line[: claimed.col_offset]}Wrong{line[claimed.end_col_offset :]}"
            changed.append(node.lineno)
    return "\n".join([*lines, "", "class Wrong: ...", ""]), changed


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    for name, shown in SHOWN.items():
        (root / name).write_text(block(README.read_text("utf-8"), shown), "utf-8")
    (root / "tests" / "typing").mkdir(parents=True)
    wrong = set[tuple[str, int]]()
    for source in (path for path in HERE.glob("*.py") if not path.name.startswith("test_")):
        name = f"tests/typing/{source.name}"
        text, lines = with_wrong_types(source.read_text("utf-8"))
        (root / name).write_text(text, "utf-8")
        wrong.update((name, line) for line in lines)
    return Project(root, frozenset(wrong))


def output_of(command: list[str], directory: Path) -> str:
    """Run a checker in a project; its exit code only says whether it has found anything."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=directory, env={**os.environ, "PATH": path}, check=False, text=True, capture_output=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def of_mypy(root: Path) -> Iterator[Finding]:
    strict = ["--strict", "--explicit-package-bases", "--python-version", "3.11", "--config-file=", "--cache-dir=.cache"]
    for line in output_of([sys.executable, "-m", "mypy", *strict, "--output=json", "."], root).splitlines():
        found = json.loads(line)
        if found["severity"] == "error":
            yield Finding(Path(found["file"]).as_posix(), found["line"], found["code"])


def of_pyright(root: Path) -> Iterator[Finding]:
    strict = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "enableTypeIgnoreComments": False}
    (root / "pyrightconfig.json").write_text(json.dumps(strict), "utf-8")
    report = output_of([sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson"], root)
    for found in json.loads(report)["generalDiagnostics"]:
        file = Path(found["file"]).resolve().relative_to(root.resolve()).as_posix()
        yield Finding(file, found["range"]["start"]["line"] + 1, found["rule"])


CHECKERS = {"mypy": (of_mypy, "assert-type"), "pyright": (of_pyright, "reportAssertTypeFailure")}


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_wrong_assertion_is_reported_and_what_readme_shows_is_not(project: Project, checker: str) -> None:
    """Each assertion of these files, with another type in its place, is reported, so none stands where a checker doesn't look.

    In the same project, under the strictest rules, the files that README shows have no error.
    """
    run, rule = CHECKERS[checker]
    found = list(run(project.root))
    assert {(one.file, one.line) for one in found if one.rule == rule} == project.wrong
    assert len(project.wrong) > 100
    assert [one for one in found if one.file in SHOWN] == []


def test_every_public_name_is_of_a_known_type(tmp_path: Path) -> None:
    """Whatever a door of roost lists, pyright knows the type of it and of all its members, as far as they are roost's own."""
    report = output_of([sys.executable, "-m", "basedpyright", "--verifytypes", "roost", "--ignoreexternal", "--outputjson"], tmp_path)
    found = json.loads(report)["typeCompleteness"]
    assert [one["name"] for one in found["symbols"] if not one["isTypeKnown"]] == []
    assert found["exportedSymbolCounts"]["withKnownType"] > 500
