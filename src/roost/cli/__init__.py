"""The command line: one file a command. Needs the extra ``cli``; this door does not."""

from roost.cli._main import main

__all__ = ["main"]
