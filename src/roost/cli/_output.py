"""Where a command speaks: results on standard output, all else on standard error."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias, TypedDict, cast

from rich.console import Console
from rich.text import Text

from roost.cli._json_log import LogLines, log
from roost.cli._streams import PatientStream
from roost.errors import RoostError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.console import RenderableType

    from roost.cli._options import LogFormat

Document: TypeAlias = "Mapping[str, object] | DataclassInstance"
"""What ``--json`` prints: its members are those of the mapping, or the dataclass's fields."""

SCHEMA_VERSION = 1
_PIPE_WIDTH = 200  # a pipe has no width; wrapping a table at 80 columns would only hurt what reads it


class ErrorDocument(TypedDict):
    """An error.

    Attributes:
        type: The name of its class, by which it is found in the documentation.
        message: What happened, where and why.
        hint: The next thing to do; empty where there is nothing to add.
    """

    type: str
    message: str
    hint: str


class FailureDocument(TypedDict):
    """What ended a command instead of a result.

    Attributes:
        exit_code: The command's exit code.
        error: The error.
    """

    exit_code: int
    error: ErrorDocument


class Output:
    """The two consoles of a command.

    Args:
        command: The command's name, which a JSON document tells.
        json: Whether the result is one JSON document.
        log_format: How the second console writes: for people, or into the log that is standard error then.
    """

    def __init__(self, command: str, *, json: bool = False, log_format: LogFormat = "text") -> None:
        """Open consoles on the streams as they are now."""
        self.command = command
        self.json = json
        self.is_logging = log_format == "json"
        self._results = cast("TextIO", PatientStream(sys.stdout, needed=True))
        self.console = _console(self._results)
        self.progress = _console(LogLines() if self.is_logging else cast("TextIO", PatientStream(sys.stderr, needed=False)))

    def result(self, document: Document, *renderables: RenderableType) -> None:
        """Print the result: the document with ``--json``, else what is meant for people."""
        if self.json:
            self._results.write(to_json(self._whole(document)) + "\n")
            self._results.flush()
            return
        for renderable in renderables:
            self.console.print(renderable, soft_wrap=isinstance(renderable, (str, Text)))

    def line(self, document: Document) -> None:
        """Print a document on one line, as one of many."""
        self._results.write(json.dumps(self._whole(document), default=_plain, ensure_ascii=False) + "\n")
        self._results.flush()

    def _whole(self, document: Document) -> dict[str, Any]:
        members = document if isinstance(document, Mapping) else _fields(document)
        return {"schema_version": SCHEMA_VERSION, "command": self.command, **members}

    def note(self, text: str) -> None:
        """Print a line that is no part of the result."""
        self.progress.print(text, soft_wrap=True)

    def error(self, error: BaseException, *, exit_code: int) -> None:
        """Print what ended the command: what happened and the next thing to do."""
        self.tell(error)
        if self.json:
            with suppress(OSError):  # it may be this that can't be written, and the exit code is told all the same
                self.result(FailureDocument(exit_code=exit_code, error=error_document(error)))

    def tell(self, error: BaseException) -> None:
        """Say what happened and the next thing to do, beside the result."""
        message, hint = told(error)
        if self.is_logging:
            log.error("%s", message, extra={"roost_error": type(error).__name__, "roost_hint": hint})
            return
        self.progress.print(f"error: {message}", style="red", soft_wrap=True)
        if hint:
            self.note(f"hint: {hint}")


def told(error: BaseException) -> tuple[str, str]:
    """Return an error's message and hint; one that is not roost's gets the hint that shows its origin."""
    if isinstance(error, RoostError):
        return error.message, error.hint
    text = str(error)
    kind = type(error).__name__
    return (f"{kind}: {text}" if text else kind), "see where it came from with --traceback"


def error_document(error: BaseException) -> ErrorDocument:
    """Return an error as plain data."""
    message, hint = told(error)
    return ErrorDocument(type=type(error).__name__, message=message, hint=hint)


def to_json(document: Document) -> str:
    """Render a document; times in ISO 8601."""
    return json.dumps(document, default=_plain, ensure_ascii=False, indent=2)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, BaseException):  # some are dataclasses
        return error_document(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    return str(value)


def _fields(value: DataclassInstance) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _console(stream: TextIO) -> Console:
    # Names and messages come from plugins: nothing in them is markup.
    return Console(
        file=stream,
        markup=False,
        highlight=False,
        emoji=False,
        width=None if stream.isatty() else _PIPE_WIDTH,
    )
