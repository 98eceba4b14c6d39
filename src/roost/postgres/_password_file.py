"""Reads the user's password file (https://www.postgresql.org/docs/current/libpq-pgpass.html).

The driver reads it too, but leaves the backslashes in what is escaped, fails at malformed lines, and tells of a file that it passes
over by a warning at most.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import replace
from pathlib import Path

from roost.postgres._url import DatabaseURL
from roost.postgres._user_directory import user_file

_FIELD = re.compile(r"((?:[^\\:]|\\.)*)(?::|$)")
_ESCAPED = re.compile(r"\\(.)")
_FIELDS = 4
"""Host, port, database and role stand before the password."""


def with_found_password(url: DatabaseURL) -> DatabaseURL:
    """Fill in a password that is to be had without asking: PGPASSWORD, else the first line of the password file that fits.

    Args:
        url: A URL that names its role; one that has a password stays as it is.

    Returns:
        The URL with a password, empty where there is none, so that the driver looks for no other.
    """
    params = tuple(pair for pair in url.params if pair[0] != "passfile")
    if url.password:
        return replace(url, params=params)
    return replace(url, params=params, password=os.environ.get("PGPASSWORD") or _in_file(url) or "")


def password_file_trouble(url: DatabaseURL) -> str:
    """Tell why a connection without a password found none; empty where it had one in the URL or in the environment."""
    if url.password or url.password_callable is not None or os.environ.get("PGPASSWORD"):
        return ""
    path, is_named = _path(url)
    trouble = _trouble(path)
    if trouble is not None:
        return trouble
    if not os.path.exists(path):  # noqa: PTH110 -- Path.exists raises where a directory is closed
        return f"there is no password file {path}" if is_named else "no password was given, and there is no password file"
    return f"no password was given but by the password file {path}, if a line of it fits"


def _path(url: DatabaseURL) -> tuple[Path, bool]:
    named = dict(url.params).get("passfile") or os.environ.get("PGPASSFILE")
    return (Path(named), True) if named else (user_file("pgpass"), False)


def _trouble(path: Path) -> str | None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if not stat.S_ISREG(mode):
        return f"the password file {path} is no plain file"
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"the password file {path} is not read, as others may read it too: chmod 600 {path}"
    if not os.access(path, os.R_OK):
        return f"the password file {path} can't be read"
    return None


def _in_file(url: DatabaseURL) -> str | None:
    path, _ = _path(url)
    if _trouble(path) is not None:
        return None
    try:
        lines = path.read_text("utf-8", errors="replace").split("\n")  # a file is read with its line ends as "\n"
    except OSError:
        return None
    wanted = _targets(url)
    for line in lines:
        fields, rest = _split(line)
        if len(fields) == _FIELDS and any(_fits(fields, target) for target in wanted):
            return _ESCAPED.sub(r"\1", rest)
    return None


def _split(line: str) -> tuple[list[str], str]:
    """Return the fields before the password as they are written, and the password."""
    fields: list[str] = []
    position = 0
    while len(fields) < _FIELDS and not line.startswith("#"):
        match = _FIELD.match(line, position)
        if match is None or not match[0].endswith(":"):
            return [], ""
        fields.append(match[1])
        position = match.end()
    return fields, line[position:]


def _fits(fields: list[str], target: tuple[str, ...]) -> bool:
    return all(field == "*" or _ESCAPED.sub(r"\1", field) == value for field, value in zip(fields, target, strict=True))


def _targets(url: DatabaseURL) -> list[tuple[str, ...]]:
    """Return host, port, database and role of each address, with the defaults that the driver would take."""
    user = url.user or ""
    database = url.database or os.environ.get("PGDATABASE") or user
    port = os.environ.get("PGPORT") or "5432"
    hosts = url.hosts or tuple((host, None) for host in (os.environ.get("PGHOST") or "localhost").split(","))
    # A socket goes by the name of the host that it is on, as the driver has it, or by its directory.
    names = [(name, own) for host, own in hosts for name in ((host, "localhost") if host.startswith("/") else (host,))]
    return [(name, str(own or port), database, user) for name, own in names]
