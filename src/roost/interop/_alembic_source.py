"""Stands for the revisions of a directory of Alembic's by the bytes of its files: a start with nothing to do need not import them."""

from __future__ import annotations

from configparser import ConfigParser, Error
from hashlib import sha256
from pathlib import Path

_SECTION = "alembic"
_ELSEWHERE = ("version_locations", "sourceless")
"""Options by which revisions are not, or not only, the Python files below the folder."""


def source_of(path: str | Path) -> str | None:
    """Return a hash of all files from which revisions are read, by name and content.

    Args:
        path: A file such as ``alembic.ini``, or the folder with ``versions`` in it.

    Returns:
        The hash; None where only alembic knows which files these are, or they can't be read.
    """
    try:
        given = Path(path)
        folder = given if given.is_dir() else _folder_of(given)
        if folder is None or not (folder / "versions").is_dir():
            return None
        found = sha256()
        files = sorted(folder.rglob("*.py"), key=lambda file: file.relative_to(folder).parts)
        for file in [*([given] if given != folder else []), *files]:
            name = file.relative_to(folder).as_posix() if file != given else ""
            found.update(f"{name}\0{sha256(file.read_bytes()).hexdigest()}\n".encode())
        return found.hexdigest()
    except (OSError, Error, UnicodeError):
        return None


def _folder_of(ini: Path) -> Path | None:
    config = ConfigParser({"here": str(ini.parent.resolve()).replace("%", "%%")})
    config.read_string(ini.read_text(encoding="utf-8"))
    if any(config.has_option(_SECTION, option) for option in _ELSEWHERE):
        return None
    location = config.get(_SECTION, "script_location", fallback=":")
    # With a colon it is a package's folder.
    return None if ":" in location else ini.parent / location
