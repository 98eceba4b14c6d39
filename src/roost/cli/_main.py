"""The entry point, which must work, and explain itself, where the extra ``cli`` is not installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

from roost.cli._exit_codes import ExitCode
from roost.cli._streams import supply_missing

NEEDED = ("cyclopts", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The words after ``roost``; by default those of this process.

    Returns:
        The exit code, see `ExitCode`.
    """
    supply_missing()
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(f"error: the command line needs {' and '.join(missing)}, which is not installed\nhint: pip install 'roost[cli]'\n")
        return ExitCode.USAGE
    from roost.cli._app import run  # noqa: PLC0415 -- it imports what was just looked for

    return run(sys.argv[1:] if arguments is None else list(arguments))
