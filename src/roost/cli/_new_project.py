"""Writes a package of files with a folder of migrations in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.scaffold import NewPlugin


def write_package(base: Path, made: NewPlugin) -> tuple[Path, ...]:
    """Write files, and the manifest of the migrations among them; errors as of `write_files` and `write_manifest`.

    Returns:
        The paths of all of them.
    """
    from roost.migrations import MANIFEST_NAME, write_manifest  # noqa: PLC0415 -- `roost --help` needs no migrations
    from roost.scaffold import write_files  # noqa: PLC0415 -- as above

    paths = write_files(base, made.files)
    migrations = base / made.migrations
    write_manifest(migrations)
    return (*paths, migrations / MANIFEST_NAME)
