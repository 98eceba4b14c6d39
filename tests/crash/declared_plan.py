"""The declared schemas that faults are tried on: two plugins, one of which needs the other's tables, in a first and a second form."""

from __future__ import annotations

import re
from dataclasses import replace

import asyncpg

from roost import DatabaseMigrationService, MigrationConfig, MigrationOrchestrator, MigrationReport, Plugin, Runtime
from roost.errors import SchemaHalfway, StepFailed
from tests.crash.reference_plan import NotWhole, left_behind
from tests.plugins.declared import RECORD_DDL

CONFIG = MigrationConfig(
    max_retries=3,
    retry_delay=0.01,
    retry_max_delay=0.05,
    run_lock_timeout=30.0,
    lock_wait_budget=30.0,
    schema_timeout=15.0,
    allow_data_loss=frozenset({"notes.old"}),
)

FIRST = {
    "notes": """
        CREATE TYPE kind AS ENUM ('a', 'b');
        CREATE TABLE notes (id int PRIMARY KEY, body text, kind kind NOT NULL DEFAULT 'a', old text);
        CREATE TABLE tags (note int REFERENCES notes, name varchar(20));
    """,
    "log": "CREATE TABLE entries (at timestamptz NOT NULL, note int)",
}
SECOND = {
    "notes": """
        CREATE TYPE kind AS ENUM ('a', 'b', 'c');
        CREATE TABLE notes (
            id int PRIMARY KEY, body text NOT NULL, kind kind NOT NULL DEFAULT 'c', label text NOT NULL DEFAULT 'none',
            CONSTRAINT body_is_there CHECK (length(body) > 0)
        );
        CREATE TABLE tags (note int REFERENCES notes, name varchar(40), UNIQUE (note, name));
        CREATE INDEX by_kind ON notes (kind);
        CREATE VIEW labels AS SELECT id, label FROM notes;
    """,
    "log": """
        CREATE TABLE entries (at timestamptz NOT NULL, note int);
        CREATE TABLE readers (note int NOT NULL REFERENCES notes.notes, name text);
    """,
}
"""A value of the enum is used as soon as it is there, so that the change of `notes` takes two transactions."""

ROWS = """
INSERT INTO notes.notes SELECT n, 'note ' || n, 'b', 'old' FROM generate_series(1, 20) AS n;
INSERT INTO notes.tags SELECT n, 'tag ' || n FROM generate_series(1, 20) AS n;
INSERT INTO log.entries SELECT now(), n FROM generate_series(1, 20) AS n
"""


LARGE = {"plain": None, "beside others": 0}
"""The forms of a change: in the second one each table counts as large, so that indexes and keys are built while others write."""


def _runtime(url: str, schemas: dict[str, str], *, form: str) -> Runtime:
    plugins = [Plugin(name, schema=schema, dependencies=["notes"] if name == "log" else []) for name, schema in schemas.items()]
    config = replace(CONFIG, large_table_bytes=LARGE[form])
    return Runtime(services=[DatabaseMigrationService], plugins=plugins, database=url, config=config)


async def prepare(url: str) -> None:
    """Bring an empty database to the first form, with rows, and let the server note from then on what is defined."""
    await MigrationOrchestrator(_runtime(url, FIRST, form="plain")).run_all_migrations()
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(ROWS)
        await connection.execute(RECORD_DDL)
    finally:
        await connection.close()


async def migrate(url: str, *, form: str = "plain") -> MigrationReport:
    """Bring the second form about, as a process that starts would.

    Raises:
        NotWhole: A change was refused that nothing is wrong with.
    """
    try:
        return await MigrationOrchestrator(_runtime(url, SECOND, form=form)).run_all_migrations()
    except (StepFailed, SchemaHalfway) as error:
        raise NotWhole(str(error)) from error


STATE = """
SELECT format('%s.%s %s', n.nspname, c.relname, c.relkind) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('notes', 'log')
UNION ALL
SELECT format('%s.%s %s %s %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
              pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v') AND n.nspname IN ('notes', 'log')
UNION ALL
SELECT format('%s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated) FROM pg_constraint
WHERE conrelid IN (SELECT oid FROM pg_class WHERE relnamespace IN ('notes'::regnamespace, 'log'::regnamespace))
UNION ALL
SELECT format('%s %s', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index
WHERE indrelid IN (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('notes', 'log'))
UNION ALL
SELECT format('%s %s', enumtypid::regtype, enumlabel) FROM pg_enum
UNION ALL
SELECT format('defined: %s %s', tag, object) FROM noted.ddl WHERE object NOT LIKE 'roost%'
UNION ALL
SELECT format('note %s %s %s %s', id, body, kind, label) FROM notes.notes
UNION ALL
SELECT format('tag %s %s', note, name) FROM notes.tags
UNION ALL
SELECT format('entries %s', count(*)) FROM log.entries
UNION ALL
SELECT format('%s: snapshot %s', plugin, number) FROM roost.snapshot
UNION ALL
SELECT format('%s: %s %s', plugin, step, fingerprint) FROM roost.repeatable
UNION ALL
SELECT format('%s: settled', name) FROM roost.plugin WHERE settled IS NOT NULL
UNION ALL
SELECT format('%s: %s succeeded %s times', plugin, step, count(*)) FROM roost.history WHERE success GROUP BY plugin, step
ORDER BY 1
"""
"""What the database is, each statement that made it so, its rows, and what the ledger says; nothing in it differs from run to run."""


HISTORY = re.compile("^defined: |: snapshot |: declared-schema succeeded ")
"""How a change that takes several parts came about depends on where it was broken off."""


async def state(url: str, *, form: str = "plain") -> list[str]:
    """Return what the database is, and of the plain form also how it came to be so, in words that can be compared."""
    connection = await asyncpg.connect(url)
    try:
        found = [row[0] for row in await connection.fetch(STATE)]
    finally:
        await connection.close()
    return found if form == "plain" else [one for one in found if not HISTORY.search(one)]


async def violations(url: str, *, expected: list[str], form: str = "plain") -> list[str]:
    """Return what is broken after a fault and a recovery: what is not as after a run without faults, and what was left behind."""
    left = await left_behind(url)
    seen = await state(url, form=form)
    missing, strange = [one for one in expected if one not in seen], [one for one in seen if one not in expected]
    twice = sorted({one for one in seen if seen.count(one) > expected.count(one)} - set(strange))
    found = {"missing": missing, "strange": strange, "twice": twice, "left behind": left}
    return [f"{what}: {ones}" for what, ones in found.items() if ones]
