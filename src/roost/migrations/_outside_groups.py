"""Composes what is sent for a step outside a transaction: its intent, its notes, and looks at what its statements left. Pure text.

A look runs under the step's own search path, as the statement itself finds its names, and tells what it sees by a message of level INFO:
so it travels with what is sent anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.migrations import _groups as groups
from roost.migrations._fingerprint import fingerprint_of, normal_form_of
from roost.postgres import (
    AddsEnumValue,
    BuildsIndex,
    DetachesPartition,
    DropsIndex,
    RebuildsIndexes,
    dollar_quote,
    quote_identifier,
    quote_literal,
    quote_nullable,
)

if TYPE_CHECKING:
    from roost.migrations._groups import Limits, Turn
    from roost.migrations._plan import PlannedStep
    from roost.migrations._rollback import UndoneStep
    from roost.postgres import Effect, ObjectName

UNVERIFIED = "RST06"
"""SQLSTATE of a statement that ended without an error and without its effect."""

LONGEST_NAME = 63
LEFTOVER_NAME = "_cc(new|old)[0-9]*$"
"""How PostgreSQL names the indexes that ``REINDEX … CONCURRENTLY`` builds and gives up; it cuts the index's own name to make room."""


def set_out(turn: Turn, limits: Limits, *, step: str, sets: Sequence[str], look: str) -> str:
    """Return what brings the session to where a statement of the step runs, and looks at what that one finds."""
    own = groups.settings(turn, limits, step=step, local=False)
    return "; ".join([own, *sets, tell(look)])


def resume(turn: Turn, planned: PlannedStep, *, ended: int) -> str:
    """Return the transaction that takes a step up again whose intent is written down.

    Args:
        turn: Whose step it is.
        planned: The step as it is declared now.
        ended: How many of its statements were seen to end.
    """
    step = planned.step
    return (
        f"{turn.begin}; SELECT roost.resume_step({turn.run}, {turn.key}, {quote_literal(turn.plugin)}, {quote_literal(step.id)}, "
        f"{quote_literal(planned.version)}, {quote_literal(fingerprint_of(step))}, {quote_nullable(normal_form_of(step))}, "
        f"'{planned.chain}', {step.breaking}, {groups.requires(planned)}, {groups.stored_down(planned)}, {ended}); COMMIT"
    )


def undo(turn: Turn, undone: UndoneStep, *, ended: int) -> str:
    """Return the transaction that begins a way back, or takes it up again; arguments as of `resume`."""
    return (
        f"{turn.begin}; SELECT roost.begin_undoing({turn.run}, {turn.key}, {quote_literal(turn.plugin)}, {quote_literal(undone.row.step)}, "
        f"{quote_literal(str(undone.down))}, {ended}); COMMIT"
    )


def finish_undoing(turn: Turn, undone: UndoneStep, *, attempts: int, took: float, verify: str) -> str:
    """Return the transaction that ends a way back, once what it did is verified (`verify`)."""
    row = undone.row
    finish = (
        f"SELECT roost.finish_undoing({turn.run}, {turn.key}, {quote_literal(turn.plugin)}, {quote_literal(row.step)}, "
        f"{quote_nullable(undone.version_after)}, {quote_nullable(undone.chain_after)})"
    )
    done = groups.record(turn, step=row.step, version=row.version, direction="down", attempts=attempts, took=took, checksum=row.fingerprint)
    return f"{turn.resets}; {turn.begin}; {verify}{finish}; {done}COMMIT"


def forget_undoing(turn: Turn, undone: UndoneStep) -> str:
    """Return the transaction that takes back a way back which surely had no effect: the step is applied as before."""
    return (
        f"{turn.resets}; {turn.begin}; {turn.fence}; UPDATE roost.applied SET state = 'done', statements_done = 0 "
        f"WHERE plugin = {quote_literal(turn.plugin)} AND step = {quote_literal(undone.row.step)} AND state = 'undoing'; COMMIT"
    )


def note(turn: Turn, *, step: str, ended: int, verify: str) -> str:
    """Return the transaction that notes how many statements have ended, once the last of them is verified (`verify`)."""
    return f"{turn.resets}; {turn.begin}; {verify}{_noted(turn, step, ended)}; COMMIT"


def in_transaction(turn: Turn, limits: Limits, *, step: str, sets: Sequence[str], sql: str, ended: int) -> str:
    """Return the transaction in which a statement runs that bears one, with the note that it has ended."""
    own = groups.settings(turn, limits, step=step, local=True)
    return "; ".join([f"{turn.resets}; {turn.begin}; {_noted(turn, step, ended)}", own, *sets, groups.execute(sql), "COMMIT"])


def _noted(turn: Turn, step: str, ended: int) -> str:
    return f"SELECT roost.note_statements({turn.run}, {turn.key}, {quote_literal(turn.plugin)}, {quote_literal(step)}, {ended})"


def tell(query: str) -> str:
    """Wrap a query of one value so that the value is told, and nothing is returned."""
    return f"DO {dollar_quote(f'BEGIN RAISE INFO {_TOLD} USING DETAIL = ({query}); END')}"


_TOLD = "'roost: seen'"


def look_at(effect: Effect) -> str:
    """Return the query for what the catalogue shows of a statement's object, as `Seen.read` reads it."""
    match effect:
        case BuildsIndex(name=str(name), table=table):
            both = f"{_index(name)}, 'table', tab::oid::bigint"
            return _look("index", both, builders="tab", source=f"(SELECT {_relation(table)} AS tab) AS t")
        case DropsIndex(index=index):
            return _look("is_there", f"{_relation(index)} IS NOT NULL")
        case RebuildsIndexes(scope=scope, of=of):
            names = "SELECT pg_catalog.json_agg(name) AS names, pg_catalog.array_agg(tab) AS tabs"
            found = f"({names} FROM ({_leftovers(scope, of)}) AS f) AS l"
            return _look("leftovers", "names", builders="ANY (tabs)", source=found)
        case DetachesPartition(parent=parent, partition=partition):
            return _look("partition", _partition(parent, partition))
        case AddsEnumValue(type=kind, value=value):
            type_id = f"pg_catalog.to_regtype({quote_literal(str(kind))})"
            label = f"SELECT FROM pg_catalog.pg_enum WHERE enumtypid = {type_id} AND enumlabel = {quote_literal(value)}"
            return _look("is_there", f"EXISTS ({label})")
        case _:
            return "SELECT pg_catalog.json_build_object('pid', pg_catalog.pg_backend_pid())"


def _look(what: str, value: str, *, builders: str | None = None, source: str | None = None) -> str:
    pairs = f"'pid', pg_catalog.pg_backend_pid(), '{what}', {value}"
    if builders is not None:
        pairs = f"{pairs}, 'builders', {_builders(builders)}"
    return f"SELECT pg_catalog.json_build_object({pairs}){f' FROM {source}' if source else ''}"


def _relation(name: ObjectName) -> str:
    return f"pg_catalog.to_regclass({quote_literal(str(name))})"


def _index(name: str) -> str:
    """Return the expression for what stands under an index's name, beside the table `tab`."""
    return (
        "(SELECT pg_catalog.json_build_object('kind', c.relkind, 'name', pg_catalog.format('%I.%I', n.nspname, c.relname), "
        "'is_ours', coalesce(i.indrelid = tab, false), 'is_valid', coalesce(i.indisvalid, false), "
        "'definition', coalesce(pg_catalog.pg_get_indexdef(i.indexrelid), '')) "
        "FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid "
        f"WHERE c.relname = {quote_literal(name)} AND c.relnamespace = (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = tab))"
    )


def _builders(table: str) -> str:
    """Return the expression for who builds indexes on a table: each holds this lock until its build has ended, or is given up.

    It is seen by every role, as the progress of others is not. Maintenance that the server began by itself makes way for us.
    """
    return (
        "(SELECT pg_catalog.json_agg(DISTINCT k.pid) FROM pg_catalog.pg_locks AS k "
        "JOIN pg_catalog.pg_stat_activity AS a ON a.pid = k.pid "
        "WHERE k.locktype = 'relation' AND k.mode = 'ShareUpdateExclusiveLock' AND k.granted "
        "AND k.pid <> pg_catalog.pg_backend_pid() AND a.usesysid IS NOT NULL "
        "AND k.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) "
        f"AND k.relation = {table})"
    )


def _partition(parent: ObjectName, partition: ObjectName) -> str:
    row = f"FROM pg_catalog.pg_inherits WHERE inhparent = {_relation(parent)} AND inhrelid = {_relation(partition)}"
    state = f"(SELECT CASE WHEN inhdetachpending THEN 'pending' ELSE 'attached' END {row})"
    missing = f"{_relation(parent)} IS NULL OR {_relation(partition)} IS NULL"
    return f"CASE WHEN {missing} THEN 'unknown' ELSE coalesce({state}, 'apart') END"


def _leftovers(scope: str, of: ObjectName | None) -> str:
    """Return the query for invalid indexes that carry the name of one of the concerned indexes of the same table, and a leftover's mark."""
    stem = f"pg_catalog.regexp_replace(c.relname::text, '{LEFTOVER_NAME}', '')"
    # Of a name that was cut only the beginning is left; a sign of several bytes is cut off whole.
    is_cut = f"pg_catalog.octet_length(c.relname::text) > {LONGEST_NAME - 4} AND pg_catalog.starts_with(oc.relname::text, {stem})"
    return (
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, i.indrelid AS tab FROM pg_catalog.pg_index AS i "
        "JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
        f"WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relname ~ '{LEFTOVER_NAME}' AND EXISTS ("
        "SELECT FROM pg_catalog.pg_index AS o JOIN pg_catalog.pg_class AS oc ON oc.oid = o.indexrelid "
        f"WHERE o.indrelid = i.indrelid AND o.indexrelid <> i.indexrelid AND {_concerns(scope, of)} "
        f"AND (oc.relname::text = {stem} OR ({is_cut})))"
    )


def _concerns(scope: str, of: ObjectName | None) -> str:
    """Return the condition that ``REINDEX`` concerns the index `o`."""
    if scope == "index" and of is not None:
        tree = f"SELECT relid FROM pg_catalog.pg_partition_tree({_relation(of)})"
        return f"(o.indexrelid = {_relation(of)} OR o.indexrelid IN ({tree}))"
    if scope == "table" and of is not None:
        tables = f"SELECT {_relation(of)}::oid UNION SELECT relid::oid FROM pg_catalog.pg_partition_tree({_relation(of)})"
        where = f"t.oid IN ({tables})"
    elif of is not None:
        where = f"t.relnamespace = pg_catalog.to_regnamespace({quote_literal(quote_identifier(of.name))})"
    else:
        where = "true"
    return f"EXISTS (SELECT FROM pg_catalog.pg_class AS t WHERE {where} AND o.indrelid IN (t.oid, t.reltoastrelid))"


def verify(effect: Effect, *, table: int | None) -> str:
    """Return the statement that refuses to go on unless a statement's effect is there, with its semicolon; nothing where none can tell.

    Args:
        effect: What the statement does.
        table: The oid of its table, as a look has shown it.
    """
    if not isinstance(effect, BuildsIndex) or effect.name is None or table is None:
        return ""
    name = quote_literal(effect.name)
    is_there = (
        "EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid "
        f"WHERE c.relname = {name} AND i.indrelid = {table} AND (i.indisvalid OR c.relkind = 'I'))"
    )
    refuse = f"RAISE EXCEPTION 'index % is not valid', {name} USING ERRCODE = '{UNVERIFIED}'"
    return f"DO {dollar_quote(f'BEGIN IF NOT {is_there} THEN {refuse}; END IF; END')}; "


def compare(turn: Turn, effect: BuildsIndex, limits: Limits) -> str:
    """Return what tells two definitions in PostgreSQL's own words: that of the index that is there, and that of the declared one.

    The declared one is built for that on an empty copy of the table, in a transaction that is rolled back.
    """
    name, table = quote_literal(effect.name or ""), quote_literal(effect.table.name)
    of_twin = (
        "SELECT c.oid FROM pg_catalog.pg_class AS c "
        f"WHERE c.relname = {name} AND c.relnamespace = pg_catalog.pg_my_temp_schema() AND c.relkind = 'i'"
    )
    place = "' ON ' || pg_catalog.format('%I.%I', n.nspname, t.relname) || ' USING '"
    copied = f"' ON ' || copy || '.' || pg_catalog.quote_ident({table}) || ' USING '"
    query = (
        "SELECT pg_catalog.json_build_object("
        f"'declared', pg_catalog.replace(pg_catalog.pg_get_indexdef(({of_twin})), {copied}, {place}), "
        f"'found', pg_catalog.replace(pg_catalog.pg_get_indexdef(c.oid), pg_catalog.replace({place}, ' ON ', ' ON ONLY '), {place})) "
        "FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace "
        f"JOIN pg_catalog.pg_class AS c ON c.relnamespace = t.relnamespace AND c.relname = {name}, "
        # Servers differ in how they write the schema of temporary tables.
        "(SELECT CASE WHEN pg_catalog.strpos(pg_catalog.pg_get_indexdef(("
        f"{of_twin})), ' ON pg_temp.') > 0 THEN 'pg_temp' ELSE pg_catalog.pg_my_temp_schema()::regnamespace::text END AS copy) AS s "
        "WHERE t.oid = ours"
    )
    body = f"DECLARE ours oid := {_relation(effect.table)}; BEGIN "
    copy = quote_identifier(effect.table.name)
    # The copy may have the table's own name, and stand before it: so the table is looked up first.
    make = (
        f"EXECUTE {dollar_quote(f'CREATE TEMP TABLE {copy} (LIKE ')} || ours::regclass || ')'; EXECUTE {dollar_quote(effect.twin)}; "
        f"RAISE INFO {_TOLD} USING DETAIL = ({query}); END"
    )
    own = f"SET LOCAL lock_timeout = {round(limits.lock_timeout * 1000)}"
    return f"{turn.begin}; {own}; DO {dollar_quote(body + make)}; ROLLBACK"


def drop(name: str) -> str:
    """Return the statement that removes an index which an interrupted build left; `name` is quoted."""
    return f"DROP INDEX CONCURRENTLY IF EXISTS {name}"


def finalize(effect: DetachesPartition) -> str:
    """Return the statement that ends a detachment which was begun."""
    return f"ALTER TABLE {effect.parent} DETACH PARTITION {effect.partition} FINALIZE"
