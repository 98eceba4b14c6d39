"""``roost new from-diff``: write the difference between the database and a declared schema as steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._new_place import Where, place_of
from roost.cli._new_writing import NewStepsDocument, write_steps
from roost.cli._options import NOTHING_SPECIAL, Common
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import BadUsage, NoDatabase

if TYPE_CHECKING:
    from roost.cli._new_place import Place
    from roost.migrations import SchemaCheck

ANYWHERE = Where()


def from_diff(
    name: Annotated[str, Parameter(help="What the step does, in a few words.")],
    *,
    schema: Annotated[
        str | None,
        Parameter(help="What the tables shall be: a file or folder of SQL, or module:attribute. Else what the plugin declares."),
    ] = None,
    where: Where = ANYWHERE,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Write what the database lacks of a declared schema as SQL files, for a plugin that keeps its migrations in files.

    The database is to have all steps of the plugin that there are.
    """

    async def body(output: Output) -> int:
        from roost.scaffold import from_changes  # noqa: PLC0415 -- `roost --help` needs no generators

        async with place_of(where, database_url=common.database_url) as place:
            check = await _compared(place, schema)
            if not check.changes:
                output.result(NewStepsDocument(plugin=check.plugin, files=[], manifest=None), "no difference: nothing is written")
                return ExitCode.FINE
            write_steps(output, place, from_changes(name, check.changes), python=False, version=None)
        return ExitCode.FINE

    return perform("new", body, json=common.json, traceback=common.traceback, log_format=common.log_format)


async def _compared(place: Place, schema: str | None) -> SchemaCheck:
    from roost.cli._declared import compared, schema_source  # noqa: PLC0415 -- `roost --help` needs no migrations
    from roost.migrations import MigrationOrchestrator, applied_steps  # noqa: PLC0415 -- as above

    if place.runtime is None or place.service is None:
        raise BadUsage(reason="A folder alone has no database", remedy="say the plugin with --plugin, beside the folder if need be")
    if not place.has_database:
        raise NoDatabase(services=(place.service.service_name,))
    plugin = place.service.plugin_name
    orchestrator = MigrationOrchestrator(place.runtime)
    declared = {one.name: one.schema for one in place.runtime.plugins if one.schema is not None}
    if schema is None and plugin not in declared:
        raise BadUsage(
            reason=f"Plugin {plugin} declares no schema",
            remedy="name what the tables shall be by --schema: a file of SQL, or module:attribute",
        )
    applied = await applied_steps(place.runtime, plugin)
    missing = [step.id for step in place.service.load_steps() if step.id not in (applied or ())]
    if missing:
        raise BadUsage(
            reason=f"Steps of plugin {plugin} are pending, and would be repeated: {', '.join(missing)}",
            remedy="apply them to this database first: roost up",
        )
    wanted = declared[plugin] if schema is None else schema_source(schema, schema=place.service.schema)
    (check,) = await compared(place.runtime, orchestrator, {plugin: wanted})
    return check
