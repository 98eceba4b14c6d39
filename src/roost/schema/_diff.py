"""The difference of two databases as statements. The one room that knows pgmig, which reads both and writes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any, TypeVar

import anyio

from roost.errors import DatabaseUnreachable, SchemaExtraMissing, SchemaUnsupported
from roost.postgres import DatabaseURL, MigrationSession, ParsedStatement, client_address, is_connection_lost, parse_sql
from roost.schema._at_once import at_once
from roost.schema._catalogue import reading_catalogue
from roost.schema._details import Detail, detail_statements, details_in
from roost.schema._extensions import extensions_in
from roost.schema._foreign_keys import ForeignKey, foreign_keys_in, with_foreign_keys_aside
from roost.schema._generated_columns import GeneratedColumn, generated_columns, with_generated_anew
from roost.schema._names_in_turn import with_names_in_turn
from roost.schema._needs_first import Made, needs, with_needs_first
from roost.schema._not_null_names import NotNullNames, not_null_names, with_not_null_names
from roost.schema._serials import ColumnName, Detour, IntegerColumn, SequenceName, detours, integer_columns, sequences_in
from roost.schema._statement_order import (
    FunctionName,
    column_places,
    needed_functions,
    with_columns_in_order,
    with_defaults_aside,
    with_early_functions,
    with_names_free,
)

T = TypeVar("T")

APPLICATION_NAME = "roost schema difference"
FAREWELL_SECONDS = 2.0

_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"

_OTHERS = frozenset(
    {
        *("grant_stmt", "grant_role_stmt", "alter_default_privileges_stmt", "alter_owner_stmt"),
        *("create_event_trig_stmt", "alter_event_trig_stmt", "alter_extension_stmt", "alter_extension_contents_stmt"),
    }
)
"""Privileges, and what belongs to the whole database: no declaration is about them."""
_OTHER_KINDS = frozenset({"OBJECT_EXTENSION", "OBJECT_EVENT_TRIGGER"})

_is_ours: ContextVar[bool] = ContextVar("roost_schema_difference", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """What one of the two databases has beside the schemas that are compared."""

    schemas: frozenset[str]
    connections: frozenset[tuple[str, str]]
    extensions: frozenset[tuple[str, str]]
    details: tuple[Detail, ...]
    integers: Mapping[ColumnName, IntegerColumn]
    sequences: frozenset[SequenceName]
    foreign_keys: tuple[ForeignKey, ...]
    not_null: NotNullNames
    generated: Mapping[ColumnName, GeneratedColumn]
    functions: frozenset[FunctionName]
    needs: Mapping[Made, frozenset[Made]]
    places: Mapping[ColumnName, tuple[bool, int]]


async def difference(source: DatabaseURL, target: DatabaseURL, *, schemas: Collection[str]) -> tuple[str, ...]:
    """Write the statements that make the schemas of one database like those of another.

    A schema that depends on one of them, or is depended on, can't be left out of the comparison. So there may be statements about objects
    of other schemas too: who takes them is to look at what each is about. There are none about privileges, and none that drop extensions.
    Functions may stand before what their bodies name, so run them with ``check_function_bodies = off``.

    Args:
        source: The database that is to change; nothing is written to it.
        target: The scratch database, which is as it should be; it is changed meanwhile.
        schemas: The PostgreSQL schemas that are to be compared.

    Returns:
        The statements in the order in which they are to be run, without semicolons.

    Raises:
        SchemaUnsupported: The schemas hold what can't be compared.
        SchemaExtraMissing: pgmig is not installed.
        DatabaseError: A database can't be reached.
        Exception: What else a server answered, as the driver raises it.
    """
    real, declared = await at_once(_look(source, schemas), _look(target, schemas))
    kept = _connected(schemas, real, declared)
    extensions = sorted({name for side in (real, declared) for name, _ in side.extensions})
    async with _on_detours(target, detours(real.integers, declared.integers, present=real.sequences, wanted=declared.sequences)) as back:
        script = await _compared(source, target, ignored=sorted((real.schemas | declared.schemas) - kept), extensions=extensions)
    statements = parse_sql(script)
    back_again = parse_sql(";\n".join(back))
    if statements is None or back_again is None:
        raise SchemaUnsupported(findings=("the statements that make up the difference can't be read",))
    about = with_columns_in_order([statement for statement in statements if _is_about_schemas(statement)], declared.places)
    about = with_generated_anew(about, real.generated, declared.generated)
    about = with_names_in_turn(with_names_free(with_defaults_aside(about)))
    about = with_not_null_names(about, real.not_null, declared.not_null)
    about = with_foreign_keys_aside(about, real.foreign_keys, declared.foreign_keys)
    about = with_needs_first(with_early_functions(about, declared.functions), declared.needs)
    about += back_again
    return (*(statement.text for statement in about), *detail_statements(real.details, declared.details, about))


async def _compared(source: DatabaseURL, target: DatabaseURL, *, ignored: Sequence[str], extensions: Sequence[str]) -> str:
    try:
        pgmig = import_module("pgmig")
    except ImportError as error:
        raise SchemaExtraMissing(package="pgmig") from error
    addresses = {"source": await client_address(source), "target": await client_address(target)}
    try:
        with _leaving_alone():
            script: str = await _obedient(
                pgmig.agenerate(**addresses, ignore_schemas=ignored, ignore_extension_version=extensions, driver=pgmig.DbDriver.ASYNCPG)
            )
    except pgmig.PgmigUnsupportedError as error:
        raise SchemaUnsupported(findings=_findings(str(error))) from error
    except pgmig.PgmigDbConnectionError as error:
        raise _unreachable(error, source, target) from None
    return script


async def _obedient(work: Coroutine[Any, Any, T]) -> T:
    """Await something that says farewell to the server when it is cancelled, and make it leave where nobody answers."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        for _ in range(2):  # the second one breaks off the farewell
            task.cancel()
            with anyio.move_on_after(FAREWELL_SECONDS, shield=True):
                await asyncio.wait([task])
        raise


@asynccontextmanager
async def _on_detours(target: DatabaseURL, taken: Sequence[Detour]) -> AsyncIterator[list[str]]:
    """Have the scratch database look as the comparison wants it meanwhile; yields the statements that are to follow the others."""
    back: list[str] = []
    if not taken:
        yield back
        return
    session = await MigrationSession.open(target, application_name=APPLICATION_NAME)
    try:
        for detour in taken:
            try:
                await session.execute("; ".join(detour.away))
            except Exception as error:
                # Such as a view that reads the column: the comparison says then what it can't do.
                if is_connection_lost(error):
                    raise
            else:
                back += detour.back
        yield back
        if back:
            await session.execute("; ".join(back))
    finally:
        session.terminate()


async def _look(url: DatabaseURL, compared: Collection[str]) -> _Side:
    session = await MigrationSession.open(url, application_name=APPLICATION_NAME)
    try:
        async with reading_catalogue(session):
            return _Side(
                schemas=frozenset(row[0] or "" for row in await session.rows(_SCHEMAS)),
                connections=frozenset((one or "", other or "") for one, other in await session.rows(_connections())),
                extensions=frozenset((one.name, one.schema) for one in await extensions_in(session)),
                details=await details_in(session, compared),
                integers=await integer_columns(session, compared),
                sequences=await sequences_in(session, compared),
                foreign_keys=await foreign_keys_in(session, compared),
                not_null=await not_null_names(session, compared),
                generated=await generated_columns(session, compared),
                functions=await needed_functions(session),
                needs=await needs(session),
                places=await column_places(session),
            )
    finally:
        session.terminate()


def _connected(schemas: Collection[str], real: _Side, declared: _Side) -> frozenset[str]:
    """Return the schemas with all that are connected with them, be it over others, and with those of new extensions."""
    kept = {*schemas, *(schema for _, schema in declared.extensions - real.extensions)}
    edges = real.connections | declared.connections
    is_growing = True
    while is_growing:
        reached = {name for edge in edges if kept.intersection(edge) for name in edge}
        is_growing = not reached <= kept
        kept |= reached
    return frozenset(kept)


def _is_about_schemas(statement: ParsedStatement) -> bool:
    tree = statement.tree
    if statement.kind in _OTHERS:
        return False
    return not (
        (statement.kind == "drop_stmt" and tree.get("remove_type") in _OTHER_KINDS)
        or (statement.kind == "comment_stmt" and tree.get("objtype") in _OTHER_KINDS)
    )


@contextmanager
def _leaving_alone() -> Iterator[None]:
    """Have pgmig pass over what it can't compare.

    It looks for that in the whole database, and refuses one with an aggregate in a schema that nobody asks for, or where an index is being
    built. Declarations hold nothing of the kind, and whether a schema is as declared is looked up in the catalogue when it was changed. A
    pgmig that works in another way refuses such databases still.
    """
    _teach()
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)


@cache
def _teach() -> None:
    try:
        guards = [
            import_module("pgmig._introspect.unsupported").UnsupportedGuard,
            import_module("pgmig._introspect.invalid_indexes").InvalidIndexesGuard,
            import_module("pgmig._introspect.matview_dependencies").MatviewDependenciesGuard,
        ]
        for guard in guards:
            guard.process_rows = classmethod(_forgiving(guard.process_rows.__func__))
    except (ImportError, AttributeError):
        return


def _forgiving(process: Any) -> Any:  # noqa: ANN401 -- a method of pgmig's
    def process_rows(guard: Any, rows: Any) -> Any:  # noqa: ANN401 -- as above
        findings = process(guard, rows)
        return [] if _is_ours.get() else findings

    return process_rows


def _findings(message: str) -> tuple[str, ...]:
    found = tuple(line.removeprefix("  - ") for line in message.splitlines() if line.startswith("  - "))
    return found or (message,)


def _unreachable(error: Any, source: DatabaseURL, target: DatabaseURL) -> DatabaseUnreachable:  # noqa: ANN401 -- pgmig's
    of_source = getattr(error, "source_error", None)
    url, reason = (source, of_source) if of_source is not None else (target, getattr(error, "target_error", None))
    words = str(getattr(reason, "driver_error", None) or error)
    return DatabaseUnreachable(location=url.location, attempts=1, reason=url.redact(words))


@cache
def _connections() -> str:
    text = files("roost.schema").joinpath("sql/connections.sql").read_text("utf-8")
    return text[text.index("\nWITH\n") + 1 :]
