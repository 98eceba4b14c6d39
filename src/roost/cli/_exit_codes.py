"""What a command's exit code says. Pure, and free of imports: the page of all commands needs it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of ``roost``; 128 + n after signal n, so 130 after Ctrl-C."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    PENDING = 3
    INVALID = 4
    LOCK_TIMEOUT = 5
    UNREACHABLE = 6
    REFUSED = 7
