"""Writes the pages of `docs/errors`: for each public error what it means, its fields, and its output as a test really produced it.

`python -m tools.error_pages` writes them. After `--record`, tests are named, as pytest takes them: they are run, the outputs that the pages
show of them are written down anew, and an error that has no entry yet gets one from them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from roost import errors
from roost.cli._error_codes import exit_code_of
from roost.cli._output import Output as Screen
from roost.errors import RoostError
from tests.plugins.error_outputs import OUTPUTS, RECORD_INTO, ROOT, MadeError, is_same, public_errors, read_outputs
from tools.docstrings import described, described_attributes

Output: TypeAlias = dict[str, str]
"""What is kept of an error: the test that made it, its message, its hint."""

FOLDER = OUTPUTS.parent
FAMILIES: dict[str, tuple[type[RoostError], str]] = {
    "runtime": (errors.RuntimeFault, "Errors of plugins and services"),
    "database": (errors.DatabaseError, "Errors of the database"),
    "schemas": (errors.SchemaError, "Errors of declared schemas"),
    "migrations": (errors.MigrationError, "Errors of migrations"),
    "command-line": (errors.CommandError, "Errors of the command line"),
}
"""The pages: the name of each, its family, its title. An error is on the first page whose family it belongs to."""

_GENERATED = "<!-- Written by `python -m tools.error_pages`, from the docstrings of roost/errors.py and from outputs.json. -->"
_INTRODUCTION = """\
# Errors

Every error of roost is a `RoostError`, found in `roost.errors`. It holds what it is about in fields, says what, where and why in `message`,
and what to do next in `hint`. None shows a password. What a step itself raised is the `__cause__` of a `StepFailed`.

On the command line an error is printed on standard error as `error:` and `hint:`, and gives the command its exit code. To find its entry
here, search for its words, or for its name: `--json` prints that as `type`, and `--traceback` at the end of the traceback.

Each output below is one that a test of roost has really produced; places, ports, process numbers and times are replaced. An error that
was caused by another one, as a `StepFailed` by a lost connection, may have the exit code of its cause.

Families can be caught as a whole: {families}.

An error that holds several others is a `FailureGroup`, which is a flat `ExceptionGroup` as well: `except*` sees each error as it was
raised, `failures` says whose it is, and `reasons` tells each in a line.

```{{toctree}}
:maxdepth: 1

{toctree}
```
"""


class _Told(RoostError):  # noqa: N818 -- it stands for errors of any name
    """An error as the tests told it."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    @property
    def message(self) -> str:
        return self._output["message"]

    @property
    def hint(self) -> str:
        return self._output["hint"]


def main(words: list[str]) -> int:
    """Record what is asked for, and write the pages."""
    if words[:1] == ["--record"]:
        record(words[1:] or sorted({output["test"] for output in read_outputs().values()}))
    elif words:
        print(__doc__)
        return 2
    for path, text in pages().items():
        path.write_text(text, "utf-8")
    missing = [kind.__name__ for kind in public_errors() if kind.__name__ not in read_outputs()]
    if missing:
        print(f"no test's output is recorded for: {', '.join(missing)}")
    return 1 if missing else 0


def record(tests: list[str]) -> None:
    """Run tests and write down what they made: anew for an error whose test is among them, and for an error without an entry."""
    with tempfile.TemporaryDirectory() as directory:
        made_file = Path(directory) / "made"
        made_file.touch()
        environment = {**os.environ, RECORD_INTO: str(made_file)}
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-n0", *tests], cwd=ROOT, env=environment, check=False)
        lines = [json.loads(line) for line in made_file.read_text("utf-8").splitlines()]
    made = [(test, MadeError(name, message, hint)) for test, name, message, hint in lines]
    OUTPUTS.write_text(json.dumps(with_made(read_outputs(), made), ensure_ascii=False, indent=2) + "\n", "utf-8")


def with_made(outputs: Mapping[str, Output], made: Sequence[tuple[str, MadeError]]) -> dict[str, Output]:
    """Return outputs with those that tests have made: for errors without one, and where the error's own test makes another one now."""
    kept: dict[str, Output] = {}
    for name in sorted(kind.__name__ for kind in public_errors()):
        output = outputs.get(name)
        own = [(test, error) for test, error in made if error.name == name and (output is None or output["test"] == test)]
        if output is not None and (not own or any(is_same(MadeError(name, output["message"], output["hint"]), error) for _, error in own)):
            kept[name] = output
        elif own:
            test, error = own[0]
            kept[name] = {"test": test, "message": error.message, "hint": error.hint}
    return kept


def pages() -> dict[Path, str]:
    """Return every page with the text that it is to have."""
    outputs, by_page = read_outputs(), errors_by_page()
    texts = {FOLDER / "index.md": _index(by_page)}
    for page, kinds in by_page.items():
        family, title = FAMILIES[page]
        entries = [_entry(kind, family, outputs[kind.__name__]) for kind in kinds if kind.__name__ in outputs]
        beside = [_beside(errors.Blocker)] if page == "migrations" else []
        texts[FOLDER / f"{page}.md"] = "\n\n".join([_GENERATED, f"# {title}", described(family), *entries, *beside]) + "\n"
    return texts


def errors_by_page() -> dict[str, list[type[RoostError]]]:
    """Return the errors of each page, in the order in which `roost.errors` has them."""
    by_page: dict[str, list[type[RoostError]]] = {page: [] for page in FAMILIES}
    for kind in public_errors():
        page = next(page for page, (family, _) in FAMILIES.items() if issubclass(kind, family))
        by_page[page].append(kind)
    return by_page


def on_screen(output: Output) -> str:
    """Return what the command line prints of an error."""
    with contextlib.redirect_stderr(io.StringIO()) as screen:
        Screen("").tell(_Told(output))
    return screen.getvalue().rstrip("\n")


def _index(by_page: dict[str, list[type[RoostError]]]) -> str:
    families = ", ".join(f"`{family.__name__}`" for family, _ in FAMILIES.values())
    parts = [_GENERATED, _INTRODUCTION.format(families=families, toctree="\n".join(FAMILIES)).rstrip("\n")]
    for page, kinds in by_page.items():
        rows = [f"| [{kind.__name__}]({page}.md#{kind.__name__.lower()}) | {described(kind).splitlines()[0]} |" for kind in kinds]
        parts.append("\n".join([f"## {FAMILIES[page][1]}", "", "| Error | Means |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _entry(kind: type[RoostError], family: type[RoostError], output: Output) -> str:
    code = exit_code_of(_any(kind))
    above = [base.__name__ for base in kind.__bases__ if base is not family]
    also = f" It is a {' and a '.join(f'`{name}`' for name in above)}." if above else ""
    return "\n".join(
        [
            f"## {kind.__name__}",
            "",
            described(kind),
            "",
            "```text",
            on_screen(output),
            "```",
            "",
            f"Exit code {code.value}.{also}",
            "",
            *_fields(kind),
        ]
    ).rstrip()


def _any(kind: type[RoostError]) -> RoostError:
    """Return an error of a kind, whatever it is about."""
    if issubclass(kind, errors.FailureGroup):
        return kind(failures=(("", RuntimeError()),), reasons=("",))
    return kind.__new__(kind)


def _beside(kind: type) -> str:
    return "\n".join([f"## {kind.__name__}", "", f"No error, but what some of them hold. {described(kind)}", "", *_fields(kind)]).rstrip()


def _fields(kind: type) -> list[str]:
    told = described_attributes(kind)
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    return [f"- `{field.name}: {field.type}`" + (f": {told[field.name]}" if field.name in told else "") for field in fields]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
