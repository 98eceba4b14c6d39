"""Runs the command that words name."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError, UnusedCliTokensError

from roost.cli._commands import command_called, make_app, page_of_commands
from roost.cli._exit_codes import ExitCode
from roost.cli._streams import PatientStream

_ASKING: tuple[list[str], ...] = ([], ["--help"], ["-h"])


def run(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name.

    Returns:
        The exit code.
    """
    words = list(arguments)
    app = page_of_commands() if words in _ASKING else make_app()
    try:
        result = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        _tell(error, is_json=_wants_json(words))
        return ExitCode.USAGE
    except OSError as error:  # a command tells its own: it is a page of help that can't be written
        told = f"error: the page can't be written: {error.strerror or error}\nhint: see where standard output goes\n"
        PatientStream(sys.stderr, needed=False).write(told)
        return ExitCode.FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return result if isinstance(result, int) else ExitCode.FINE


def _tell(error: CycloptsError, *, is_json: bool) -> None:
    from roost.cli._output import Output  # noqa: PLC0415 -- the page of all commands needs none
    from roost.errors import BadUsage  # noqa: PLC0415 -- as above

    chain = tuple(error.command_chain or ())
    command = command_called(chain[0]) if chain else "roost"
    too_many = error.unused_tokens if isinstance(error, UnusedCliTokensError) else None
    reason = f"Too many words: {' '.join(too_many)}" if too_many else str(error)
    usage = BadUsage(reason=reason, remedy=f"see {' '.join(('roost', *chain, '--help'))}")
    Output(command, json=is_json).error(usage, exit_code=ExitCode.USAGE)


def _wants_json(words: Sequence[str]) -> bool:
    """Tell whether words that can't be understood ask for a document."""
    return "--json" in (words[: words.index("--")] if "--" in words else words)
