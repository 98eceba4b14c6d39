"""Reads SQL from files: what is no text that PostgreSQL can take is refused with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from roost.errors import InvalidSqlFile
from roost.postgres._sql_text import PSQL_ONLY, psql_command


def read_sql_files(folder: Path, *, ending: str = ".sql", chosen: Callable[[str], bool] | None = None) -> dict[Path, bytes]:
    """Read the bytes of the files in a folder whose names end in ``.sql``, in the order of these.

    Args:
        folder: The folder.
        ending: Another ending.
        chosen: Tells by its name whether a file is read; None takes all.

    Raises:
        InvalidSqlFile: The folder can't be listed, or a file can't be read.
    """
    try:
        # A link that leads nowhere is a file that got lost, and not one to be passed over.
        named = [path for path in folder.iterdir() if path.name.endswith(ending) and (chosen is None or chosen(path.name))]
        paths = sorted(path for path in named if path.is_file() or not path.exists())
    except OSError as error:
        raise InvalidSqlFile(path=str(folder), reason=f"it can't be listed: {error.strerror}") from error
    return {path: read_sql_file(path) for path in paths}


def read_sql_file(path: Path) -> bytes:
    """Read the bytes of a file.

    Raises:
        InvalidSqlFile: It can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidSqlFile(path=str(path), reason=f"it can't be read: {error.strerror}") from error


def decode_sql(path: Path, data: bytes) -> str:
    """Return the text of a file, without the byte order mark that some editors leave.

    Raises:
        InvalidSqlFile: It is not UTF-8, or holds what can't be sent to PostgreSQL.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidSqlFile(path=str(path), line=line, reason="it is not UTF-8; save it as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidSqlFile(path=str(path), line=line, reason="it holds a NUL byte, which PostgreSQL can't take")
    command = psql_command(text)
    if command is not None:
        raise InvalidSqlFile(path=str(path), line=command[1], reason=f"it holds {command[0]}; {PSQL_ONLY}")
    return text
