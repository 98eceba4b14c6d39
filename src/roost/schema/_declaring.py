"""Brings declarations about in a scratch database, whatever order they are written in, and tells what came of each plugin's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from roost.errors import InvalidSchema, SchemaExtraMissing
from roost.postgres import MigrationSession, has_parser, is_connection_lost, parse_sql, quote_identifier, sqlstate_of, without_foreign_keys
from roost.schema._catalogue import SchemaObject, objects_in
from roost.schema._declarable import why_not_declared
from roost.schema._declaration import DeclaredPlugin, Script
from roost.schema._scratch import Scratch

Identity = tuple[str, str, str, str]

_COMES_LATER = frozenset({"42P01", "42703", "42704", "42883", "3F000", "42830"})
"""A table, column, type, function or schema is not there, or no key that a foreign key could refer to: another statement may make it."""

_BEHIND_STATEMENT = "\n;"
"""Text may end in a comment."""

_BEGIN, _SAVE, _KEEP, _BACK = "BEGIN", "SAVEPOINT roost", "RELEASE SAVEPOINT roost", "ROLLBACK TO SAVEPOINT roost"

_SCHEMAS = """
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname
"""
_VIEWS_OF_MATERIALIZED = """
SELECT DISTINCT v.relname, m.relname
FROM pg_class v
JOIN pg_namespace n ON n.oid = v.relnamespace
JOIN pg_rewrite r ON r.ev_class = v.oid
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class m ON m.oid = d.refobjid
WHERE v.relkind = 'v' AND m.relkind = 'm' AND n.nspname !~ '^pg_'
ORDER BY 1, 2
"""


@dataclass(slots=True, kw_only=True)
class Declared:
    """What came of declarations.

    Attributes:
        objects: What each plugin's declaration makes, sorted; plugins that failed are not among them.
        failed: Why the declarations of the other plugins can't be brought about.
    """

    objects: dict[str, tuple[SchemaObject, ...]] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A statement, and where it is from."""

    text: str
    script: Script
    start: int

    def line(self, offset: int = 0) -> int:
        return self.script.text.count("\n", 0, self.start + offset) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trouble:
    """A statement that failed, and why."""

    piece: _Piece
    error: Exception


async def declare(scratch: Scratch, plugins: Sequence[DeclaredPlugin]) -> Declared:
    """Bring the declarations of plugins about in a scratch database.

    A statement may stand before what it needs, tables may refer to each other in circles, and a plugin may refer to one that comes later.
    A plugin whose declaration fails leaves nothing behind, and the others go on.

    Args:
        scratch: The scratch database.
        plugins: The declarations, each behind those of the plugins that it needs.

    Returns:
        What each plugin's declaration makes, or why it can't.

    Raises:
        SchemaExtraMissing: PostgreSQL's grammar is not installed.
        Exception: The connection broke.
    """
    if not has_parser():
        raise SchemaExtraMissing(package="postgast")
    declared = Declared()
    owners: dict[Identity, str] = {}
    before = await _everything(scratch.session)
    waiting, is_progress = list(plugins), True
    while waiting and is_progress:
        again: list[DeclaredPlugin] = []
        for plugin in waiting:
            try:
                after = await _declare_one(scratch, plugin, before)
            except InvalidSchema as error:
                declared.failed[plugin.plugin] = error
                if error.__cause__ is not None and sqlstate_of(error.__cause__) in _COMES_LATER:
                    again.append(plugin)
                continue
            declared.failed.pop(plugin.plugin, None)
            owners.update(dict.fromkeys(after.keys() - before.keys(), plugin.plugin))
            before = after
        # Another plugin may have made meanwhile what was missing.
        is_progress = len(again) < len(waiting)
        waiting = again
    for plugin in plugins:
        if plugin.plugin not in declared.failed:
            schema = "schema", plugin.schema, "", plugin.schema
            own = [one for identity, one in before.items() if owners.get(identity) == plugin.plugin or identity == schema]
            declared.objects[plugin.plugin] = tuple(sorted(own))
    return declared


async def _everything(session: MigrationSession) -> dict[Identity, SchemaObject]:
    schemas = [row[0] or "" for row in await session.rows(_SCHEMAS)]
    return {one.identity: one for one in await objects_in(session, schemas)}


async def _declare_one(scratch: Scratch, plugin: DeclaredPlugin, before: dict[Identity, SchemaObject]) -> dict[Identity, SchemaObject]:
    """Bring one plugin's declaration about; return all objects that are there then."""
    session = scratch.session
    pieces = await _pieces(session, plugin)
    schema = quote_identifier(plugin.schema)
    # The server's own schema comes first where it is not named.
    places = [quote_identifier(one.schema) for one in scratch.extensions if one.schema != "pg_catalog"]
    path = ", ".join(dict.fromkeys([schema, *places, "pg_temp"]))
    await session.execute(f"{_BEGIN}; CREATE SCHEMA IF NOT EXISTS {schema}; SET LOCAL search_path = {path}; {_SAVE}")
    try:
        await _run(scratch, plugin, pieces)
        # Definitions name the schemas of what they use.
        await session.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        after = await _everything(session)
        _check_reach(plugin, before, after)
        await _check_views(session, plugin)
        await session.execute("COMMIT")
    except Exception as error:
        if is_connection_lost(error):
            raise
        await session.rollback()
        raise
    except BaseException:
        session.terminate()
        raise
    return after


async def _pieces(session: MigrationSession, plugin: DeclaredPlugin) -> list[_Piece]:
    pieces: list[_Piece] = []
    for script in plugin.scripts:
        statements = parse_sql(script.text)
        if statements is None:
            raise await _syntax_error(session, plugin, script)
        for statement in statements:
            piece = _Piece(text=statement.text, script=script, start=statement.start)
            reason = why_not_declared(statement, schema=plugin.schema)
            if reason is None:
                continue
            if reason:
                raise _invalid(plugin, piece, reason)
            pieces.append(piece)
    return pieces


async def _syntax_error(session: MigrationSession, plugin: DeclaredPlugin, script: Script) -> InvalidSchema:
    """Return what is wrong with a text that the grammar does not take, as the server tells it."""
    piece = _Piece(text=script.text, script=script, start=0)
    try:
        # The server reads a message to its end before it runs any of it; where it has nothing to say against it, a failed transaction
        # keeps it from running the text.
        await session.execute("BEGIN")
        await _failing(session)
        await session.execute(script.text)
    except Exception as error:
        if is_connection_lost(error):
            raise
        if sqlstate_of(error) == "42601":
            invalid = _invalid(plugin, piece, str(error), line=piece.line(_position(error)))
            invalid.__cause__ = error
            return invalid
    finally:
        await session.rollback()
    return _invalid(plugin, piece, "PostgreSQL's grammar can't read it: it is newer than PostgreSQL 18, or nests too deep")


async def _failing(session: MigrationSession) -> None:
    try:
        await session.execute("SELECT 1/0")
    except Exception as error:
        if is_connection_lost(error):
            raise


async def _run(scratch: Scratch, plugin: DeclaredPlugin, pieces: Sequence[_Piece]) -> None:
    session = scratch.session
    if not await _failure(session, "".join(piece.text + _BEHIND_STATEMENT for piece in pieces)):
        return
    waiting, is_progress, is_split = list(pieces), True, False
    troubles: list[_Trouble] = []
    while waiting:
        if not is_progress:
            if is_split:
                raise _invalid_by(scratch, plugin, troubles[0])
            waiting, is_split = _split(waiting), True
        troubles = []
        for piece in waiting:
            error = await _failure(session, piece.text + _BEHIND_STATEMENT)
            if error is not None:
                trouble = _Trouble(piece=piece, error=error)
                if sqlstate_of(error) not in _COMES_LATER:
                    raise _invalid_by(scratch, plugin, trouble)
                troubles.append(trouble)
        again = [trouble.piece for trouble in troubles]
        is_progress = len(again) < len(waiting)
        waiting = again


def _split(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Take the foreign keys out of the tables, to be added after all tables."""
    first: list[_Piece] = []
    last: list[_Piece] = []
    for piece in pieces:
        parts = without_foreign_keys(piece.text)
        create, keys = parts if parts is not None else (piece.text, ())
        first.append(_Piece(text=create, script=piece.script, start=piece.start))
        last += [_Piece(text=key, script=piece.script, start=piece.start) for key in keys]
    return [*first, *last]


async def _failure(session: MigrationSession, text: str) -> Exception | None:
    """Run SQL under a savepoint; return the error if it fails, and then nothing of it is left."""
    try:
        await session.execute(f"{text}{_KEEP}; {_SAVE}" if text else "")
    except Exception as error:
        if is_connection_lost(error):
            raise
        await session.execute(_BACK)
        return error
    return None


def _check_reach(plugin: DeclaredPlugin, before: dict[Identity, SchemaObject], after: dict[Identity, SchemaObject]) -> None:
    touched = [one for one in after.values() if before.get(one.identity) != one] + [one for key, one in before.items() if key not in after]
    for one in sorted(touched):
        if one.schema != plugin.schema and one.kind != "schema":
            name = ".".join(filter(None, (one.schema, one.parent, one.name)))
            reason = f"it makes, changes or drops {one.kind} {name}, which is outside of its PostgreSQL schema {plugin.schema}"
            raise InvalidSchema(plugin=plugin.plugin, reason=reason)


async def _check_views(session: MigrationSession, plugin: DeclaredPlugin) -> None:
    for view, materialized in await session.rows(_VIEWS_OF_MATERIALIZED):
        reason = f"view {view} reads materialized view {materialized}, which can't be compared; make the view in a repeatable step"
        raise InvalidSchema(plugin=plugin.plugin, reason=reason)


def _invalid_by(scratch: Scratch, plugin: DeclaredPlugin, trouble: _Trouble) -> InvalidSchema:
    reason = str(trouble.error)
    if scratch.lacking:
        missing = "; ".join(f"{name}: {why}" for name, why in scratch.lacking.items())
        reason += f" (the scratch database lacks extensions that the real one has: {missing})"
    position = _position(trouble.error)
    is_whole = trouble.piece.script.text.startswith(trouble.piece.text, trouble.piece.start)
    invalid = _invalid(plugin, trouble.piece, reason, line=trouble.piece.line(min(position, len(trouble.piece.text)) if is_whole else 0))
    invalid.__cause__ = trouble.error
    return invalid


def _invalid(plugin: DeclaredPlugin, piece: _Piece, reason: str, *, line: int | None = None) -> InvalidSchema:
    return InvalidSchema(plugin=plugin.plugin, file=piece.script.file, line=piece.line() if line is None else line, reason=reason)


def _position(error: Exception) -> int:
    position = getattr(error, "position", None)
    return int(position) - 1 if position is not None and str(position).isdecimal() else 0
