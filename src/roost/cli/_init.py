"""``roost init``: write a project that runs, and passes its own tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypedDict

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._new_place import shown
from roost.cli._options import IN_WORDS, Printing
from roost.cli._output import Output
from roost.cli._perform import perform

HERE = Path()


class ProjectDocument(TypedDict):
    """A project that was written.

    Attributes:
        directory: Where it is.
        files: What was written.
    """

    directory: str
    files: list[str]


def init(
    directory: Annotated[Path, Parameter(help="Where to; by default the current directory.")] = HERE,
    *,
    name: Annotated[str | None, Parameter(help="The project's name; by default that of the directory.")] = None,
    printing: Printing = IN_WORDS,
) -> int:
    """Write a project: a runtime, a plugin with a service and migrations, tests, pyproject.toml. Nothing is ever written over."""

    async def body(output: Output) -> int:
        from roost.cli._new_project import write_package  # noqa: PLC0415 -- `roost --help` needs no generators
        from roost.scaffold import project_files  # noqa: PLC0415 -- as above

        paths = write_package(directory, project_files(directory.resolve().name if name is None else name))
        output.result(
            ProjectDocument(directory=str(directory), files=[str(path) for path in paths]),
            "\n".join(f"wrote {shown(path)}" for path in paths),
        )
        enter = "" if directory.resolve() == Path.cwd().resolve() else f"cd {directory}; "
        output.note(f"next: {enter}pytest, then with DATABASE_URL naming a database: roost up")
        return ExitCode.FINE

    return perform("init", body, json=printing.json, traceback=printing.traceback, log_format=printing.log_format)
