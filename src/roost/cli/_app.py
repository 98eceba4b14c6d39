"""Puts the commands together."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from cyclopts import App, CycloptsError, Parameter

from roost.cli._baseline import baseline
from roost.cli._check import check
from roost.cli._demo import demo
from roost.cli._diff import diff
from roost.cli._down import down
from roost.cli._exit_codes import ExitCode
from roost.cli._grant import grant
from roost.cli._history import history
from roost.cli._init import init
from roost.cli._mark import mark
from roost.cli._new import new
from roost.cli._plan import plan
from roost.cli._rehearse import rehearse
from roost.cli._repair import repair
from roost.cli._run import run as run_command
from roost.cli._services_command import services
from roost.cli._status import status
from roost.cli._unlock import unlock
from roost.cli._unmark import unmark
from roost.cli._up import up
from roost.cli._wait import wait

COMMANDS = (
    init,
    new,
    up,
    down,
    status,
    history,
    plan,
    rehearse,
    check,
    diff,
    wait,
    unlock,
    repair,
    baseline,
    mark,
    unmark,
    grant,
    services,
    run_command,
    demo,
)


def make_app() -> App:
    """Return the application. Its commands import what they need when they are run."""
    app = App(
        name="roost",
        help="Migrate the database of a roost runtime, and see where it stands.\n\n"
        "Exit codes: 0 fine, 1 failed, 2 usage, 3 something is pending (plan, status, wait, diff), 4 steps or files are wrong, "
        "5 lock timeout, 6 database unreachable, 7 refused as destructive.",
        version=_version,
        default_parameter=Parameter(show_default=False),
    )
    for command in COMMANDS:
        app.command(command)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name.

    Returns:
        The exit code.
    """
    app = make_app()
    try:
        result = app(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        asked = " ".join(("roost", *(error.command_chain or ()), "--help"))
        sys.stderr.write(f"error: {error}\nhint: see {asked}\n")
        return ExitCode.USAGE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return result if isinstance(result, int) else ExitCode.FINE


def _version() -> str:
    try:
        return version("roost")
    except PackageNotFoundError:  # a checkout on the path that is not installed
        return "unknown"
