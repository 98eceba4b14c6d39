"""``roost completion``: what a shell completes."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from cyclopts import Parameter

from roost.cli._commands import make_app
from roost.cli._exit_codes import ExitCode
from roost.cli._options import IN_WORDS, Printing
from roost.cli._output import Output
from roost.cli._perform import perform


class CompletionDocument(TypedDict):
    """What a shell needs to complete commands.

    Attributes:
        shell: The shell.
        script: What it is to read.
    """

    shell: str
    script: str


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="The shell: bash, zsh or fish.")],
    *,
    printing: Printing = IN_WORDS,
) -> int:
    """Print a script by which a shell completes commands and options of roost.

    For bash write eval "$(roost completion bash)" into ~/.bashrc.
    """

    async def body(output: Output) -> int:
        script = make_app().generate_completion(shell=shell).rstrip("\n")
        # Where nothing of roost's fits, such as for what `roost lint` takes, bash completes names of files by itself.
        script = script.replace("complete -F _roost roost", "complete -o default -F _roost roost")
        output.result(CompletionDocument(shell=shell, script=script), script)
        return ExitCode.FINE

    return perform("completion", body, json=printing.json, traceback=printing.traceback, log_format=printing.log_format)
