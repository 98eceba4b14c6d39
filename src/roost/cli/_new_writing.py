"""Writes steps into their place, and says what was written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from roost.cli._new_place import shown
from roost.errors import BadUsage

if TYPE_CHECKING:
    from roost.cli._new_place import Place
    from roost.cli._output import Output
    from roost.scaffold import Draft


class NewStepsDocument(TypedDict):
    """Steps that were written, by `roost new step` and its like.

    Attributes:
        plugin: The plugin that has them; null where none is known.
        files: What was written.
        manifest: The manifest that was written for them; null where there is none.
    """

    plugin: str | None
    files: list[str]
    manifest: str | None


def write_steps(output: Output, place: Place, drafts: Sequence[Draft], *, python: bool, version: str | None, to_fill: bool = False) -> None:
    """Write steps, and tell their files; for a Python module also how it is put to use, for an SQL file `to_fill` what is left to do.

    Raises:
        BadUsage: A version is given for SQL files, which have that of the plugin.
        RoostError: As `add_to_folder` and `write_files` raise it.
    """
    from roost.migrations import SqlMigrationService  # noqa: PLC0415 -- `roost --help` needs no migrations
    from roost.scaffold import add_to_folder, next_prefixes, python_module, write_files  # noqa: PLC0415 -- as above

    service, now = place.service, datetime.now(UTC)
    goes_between = isinstance(service, SqlMigrationService) and type(service).load_steps is not SqlMigrationService.load_steps
    taken = [step.id for step in service.load_steps()] if service is not None and goes_between else []
    manifest = None
    if not python:
        if version is not None:
            raise BadUsage(reason="--version is for steps in Python", remedy="SQL files have the version of their plugin")
        written = add_to_folder(place.directory, drafts, now=now, taken=taken)
        paths, manifest = written.paths, written.manifest
    elif isinstance(service, SqlMigrationService):
        names = taken or [step.id for step in service.load_steps()]
        prefixes = next_prefixes(names, len(drafts), now=now, directory=str(service.directory))
        paths = write_files(place.directory, python_module(drafts, version=version, prefixes=prefixes))
    else:
        paths = write_files(place.directory, python_module(drafts, version=version))
    document = NewStepsDocument(
        plugin=None if service is None else service.plugin_name,
        files=[str(path) for path in paths],
        manifest=None if manifest is None else str(manifest),
    )
    output.result(document, "\n".join(f"wrote {shown(path)}" for path in (*paths, *([manifest] if manifest is not None else []))))
    if to_fill and manifest is not None:
        output.note("next: write what it does, then have roost.sum know that text: roost check --write")
    if python:
        module = paths[0].stem
        output.note(f"next: from {f'{place.package}.' if place.package else ''}{module} import steps as {module}")
        if isinstance(service, SqlMigrationService):
            use = f"def load_steps(self): return sorted([*super().load_steps(), *{module}], key=lambda step: step.id)"
        else:
            use = f"steps = [..., *{module}]"
        output.note(f"and in {'the migration service' if service is None else type(service).__name__}: {use}")
