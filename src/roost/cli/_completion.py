"""``roost completion``: what a shell completes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import IN_WORDS, Printing
from roost.cli._output import Output
from roost.cli._perform import perform

if TYPE_CHECKING:
    from cyclopts import App


def completion_of(app: App) -> Callable[..., int]:
    """Return the command that prints what a shell needs to complete the commands of an application."""

    def completion(
        shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="The shell: bash, zsh or fish.")],
        *,
        printing: Printing = IN_WORDS,
    ) -> int:
        """Print a script by which a shell completes commands and options of roost.

        For bash: roost completion bash > ~/.local/share/bash-completion/completions/roost
        """

        async def body(output: Output) -> int:
            script = app.generate_completion(shell=shell).rstrip("\n")
            output.result({"shell": shell, "script": script}, script)
            return ExitCode.FINE

        return perform("completion", body, json=printing.json, traceback=printing.traceback, log_format=printing.log_format)

    return completion
