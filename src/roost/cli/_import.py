"""``roost import``: take the history of another migration tool over."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform

# As roost.interop has it, which `roost --help` does without.
Tool: TypeAlias = Literal["alembic", "dbmate", "django", "elizaos", "flyway", "golang-migrate", "goose", "rails"]


def import_(
    runtime: RuntimeName = None,
    *,
    tool: Annotated[Tool, Parameter(name="--from", help="The tool that has migrated the database so far.")],
    plugin: Annotated[str | None, Parameter(help="The plugin that has the migrations now; needed where several have some.")] = None,
    table: Annotated[str | None, Parameter(help="The tool's table, where it has another name than usual: name or schema.name.")] = None,
    app: Annotated[
        str | None, Parameter(help="What Django or ElizaOS calls the app or the plugin, where that is not the plugin's name.")
    ] = None,
    unchecked: Annotated[bool, Parameter(negative=(), help="Do not look whether the database has what the steps make.")] = False,
    dry_run: Annotated[bool, Parameter(negative=(), help="Write nothing; show what would be written.")] = False,
    yes: Annotated[bool, Parameter(negative=(), help="Do not ask.")] = False,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Write down which steps another migration tool has run already. None is run, and the tool's own table is only read.

    What the SQL of the steps makes is looked for first. It asks before it writes, and can be repeated.
    """

    async def body(output: Output) -> int:
        from functools import partial  # noqa: PLC0415 -- `roost --help` needs none of it

        from roost.cli._claims import claim_text, write_down  # noqa: PLC0415 -- as above
        from roost.cli._documents import claim_document  # noqa: PLC0415 -- as above
        from roost.cli._services import plugin_to_import  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above
        from roost.interop import import_history  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            chosen = plugin_to_import(plugin, place.orchestrator.get_migration_services())
            write = partial(import_history, place.runtime, chosen, tool=tool, table=table, app=app, check=not unchecked)
            found = await write(dry_run=True)
            if found.steps:
                await write_down(output, place.runtime, command="import", write=write, text=claim_text, dry_run=dry_run, yes=yes)
            else:
                told = f"nothing to import: the ledger has all that {tool} has run for plugin {chosen}"
                output.result(claim_document(found, dry_run=dry_run), told)
        return ExitCode.FINE

    return perform("import", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
