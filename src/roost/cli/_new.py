"""``roost new``: write steps, plugins, and new numbers after a merge. Its commands are put together here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, TypedDict

from cyclopts import App, Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._new_from_diff import from_diff
from roost.cli._new_place import Where, place_of, shown
from roost.cli._new_plugin import plugin
from roost.cli._new_steps import add_column, backfill, enum_value, foreign_key, index, step, table
from roost.cli._options import NOTHING_SPECIAL, Common
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import BadUsage

ANYWHERE = Where()


class RenamedFile(TypedDict):
    """A file with a new number.

    Attributes:
        old: Its name before.
        new: Its name now.
    """

    old: str
    new: str


class RenumberedDocument(TypedDict):
    """What got a new number, by `roost new --renumber`.

    Attributes:
        directory: Where the files are.
        renamed: The files.
        manifest: The manifest that was written for them; null where there is none.
    """

    directory: str
    renamed: list[RenamedFile]
    manifest: str | None


def renumber(
    words: Annotated[tuple[str, ...], Parameter(negative=(), show=False)] = (),
    /,
    *,
    renumber: Annotated[bool, Parameter(negative=(), help="Give new numbers to steps that have the number of another.")] = False,
    keep: Annotated[
        tuple[str, ...], Parameter(negative=(), help="With --renumber: the step, or its file, that keeps its number. May be repeated.")
    ] = (),
    where: Where = ANYWHERE,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Write a step of a plugin's migrations, a plugin, or new numbers for steps that two branches gave the same one.

    With `--renumber`, an applied step keeps its number: the database is asked. Of others the one that `--keep` names does, or the first.
    """

    async def body(output: Output) -> int:
        from roost.migrations import applied_steps  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.scaffold import renumber_folder  # noqa: PLC0415 -- as above

        if words or not renumber:
            raise _unknown(words[0] if words else None)
        async with place_of(where, database_url=common.database_url) as place:
            applied = None
            if place.runtime is not None and place.service is not None and place.has_database:
                applied = await applied_steps(place.runtime, place.service.plugin_name)
        done = renumber_folder(place.directory, applied=applied, keep=keep, now=datetime.now(UTC))
        lines = [f"renamed {shown(place.directory / move.old)} to {move.new}" for move in done.moves]
        lines = lines or ["nothing to renumber: no two steps have the same number"]
        if done.manifest is not None:
            lines.append(f"wrote {shown(done.manifest)}")
        document = RenumberedDocument(
            directory=str(place.directory),
            renamed=[RenamedFile(old=move.old, new=move.new) for move in done.moves],
            manifest=None if done.manifest is None else str(done.manifest),
        )
        output.result(document, "\n".join(lines))
        return ExitCode.FINE

    return perform("new", body, json=common.json, traceback=common.traceback, log_format=common.log_format)


def _unknown(what: str | None) -> BadUsage:
    from roost.runtime import closest  # noqa: PLC0415 -- `roost --help` needs no runtime

    names = [name for name in new.resolved_commands() if not name.startswith("-")]
    meant = closest(what or "", names)
    remedy = f"did you mean {' or '.join(meant)}?" if meant else f"there are: {', '.join(sorted(names))}; and --renumber"
    return BadUsage(reason="Nothing is said that is to be written" if what is None else f"There is no generator {what!r}", remedy=remedy)


new = App(name="new", help="Write a step, a plugin, or new numbers after a merge.")
new.default(renumber)
new.command(step)
new.command(table)
new.command(add_column)
new.command(index, name=["index", "index-concurrently"])
new.command(backfill)
new.command(enum_value)
new.command(foreign_key, name=["foreign-key", "foreign-key-not-valid"])
new.command(from_diff)
new.command(plugin)
