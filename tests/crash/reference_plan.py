"""The plan that every fault is tried on: five plugins, twelve steps, four ways back, SQL and Python, requirements across plugins."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Collection

import asyncpg

from roost import (
    MigrationConfig,
    MigrationContext,
    MigrationOrchestrator,
    MigrationReport,
    MigrationStep,
    Plugin,
    PluginMigrationService,
    Runtime,
)
from roost.errors import NoRollbackMethod, StepFailed, UnknownRollbackTarget
from tests.plugins.build import make_plugin

SECONDS_TO_NOTICE = 20.0
"""A server notices within two seconds that its clients are gone; a machine that is busy with others has ten times as long."""

CONFIG = MigrationConfig(max_retries=3, retry_delay=0.01, retry_max_delay=0.05, run_lock_timeout=30.0)


def effect(step: str) -> str:
    """Return a statement whose effect can be counted: nothing in the database keeps it from happening twice."""
    return f"INSERT INTO public.effects VALUES ('{step}')"


async def fill(ctx: MigrationContext) -> None:
    await ctx.execute("INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, $1::int) AS n", 20)
    await ctx.execute(effect("notes:fill"))


async def label(ctx: MigrationContext) -> None:
    rows = await ctx.fetch("SELECT id FROM notes ORDER BY id")
    await ctx.executemany("UPDATE notes SET label = $2 WHERE id = $1", [(row["id"], f"label {row['id']}") for row in rows])
    await ctx.execute(effect("notes:label"))


async def count(ctx: MigrationContext) -> None:
    found = await ctx.fetchval("SELECT count(*) FROM public.notes")
    await ctx.execute("INSERT INTO totals VALUES ($1, $2)", "notes", found)
    await ctx.execute(effect("totals:count"))


def plugins() -> list[Plugin]:
    """Return the plugins, made anew, as a process that starts would have them."""

    def step(
        plugin: str, name: str, sql: str, *, down: str | None = None, version: str = "1.0.0", requires: tuple[str, ...] = ()
    ) -> MigrationStep:
        return MigrationStep(name, name, up=f"{sql}; {effect(f'{plugin}:{name}')}", down=down, version=version, requires=requires)

    return [
        make_plugin(
            "base",
            MigrationStep("effects", "Counts effects", up=f"CREATE TABLE effects (step text); {effect('base:effects')}", version="1.0.0"),
        ),
        make_plugin(
            "notes",
            step("notes", "make", "CREATE TABLE notes (id int PRIMARY KEY, body text NOT NULL)", down="DROP TABLE notes"),
            MigrationStep("fill", "Fill", up=fill, down="DELETE FROM notes", version="1.0.0"),
            step("notes", "column", "ALTER TABLE notes ADD label text", down="ALTER TABLE notes DROP label", version="1.1.0"),
            MigrationStep("label", "Label", up=label, version="1.2.0"),
            dependencies=["base"],
        ),
        make_plugin(
            "tags",
            step("tags", "kind", "CREATE TYPE kind AS ENUM ('a', 'b')"),
            step("tags", "value", "ALTER TYPE kind ADD VALUE 'c'"),
            step(
                "tags",
                "make",
                "CREATE TABLE tags (note int REFERENCES public.notes, kind kind DEFAULT 'c')",
                down="DROP TABLE tags",
                requires=("notes:make",),
            ),
            schema="tags",
            dependencies=["notes"],
        ),
        make_plugin(
            "totals",
            step("totals", "make", "CREATE TABLE totals (name text PRIMARY KEY, value bigint CHECK (value >= 0))"),
            MigrationStep("count", "Count", up=count, version="1.0.0", requires=("notes:fill",)),
            dependencies=["notes"],
        ),
        make_plugin(
            "views",
            step("views", "labels", "CREATE VIEW labels AS SELECT id, label FROM notes"),
            step("views", "double", "CREATE FUNCTION double(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2'"),
            dependencies=["notes"],
        ),
    ]


STEPS = [f"{plugin.name}:{step.id}" for plugin in plugins() for step in plugin.services[0].steps]
"""All steps of the plan."""

VERSIONS = {plugin.name: max(step.version for step in plugin.services[0].steps) for plugin in plugins()}
"""Where each plugin ends."""


async def migrate(url: str) -> MigrationReport:
    """Bring a database to where the plan wants it, as a process that starts would."""
    return await MigrationOrchestrator(Runtime(plugins=plugins(), database=url, config=CONFIG)).run_all_migrations()


async def roll_back(url: str) -> MigrationReport | None:
    """Undo the last step of one plugin, if it is applied; nothing depends on that."""
    runtime = Runtime(plugins=plugins(), database=url, config=CONFIG)
    for service in runtime.get_services_by_type("migration"):
        if isinstance(service, PluginMigrationService) and service.plugin_name == "tags":
            with contextlib.suppress(UnknownRollbackTarget, NoRollbackMethod):
                return await service.rollback(steps=1)
    return None


async def unsettle(url: str) -> None:
    """Forget that anything was found satisfied, so that the next run has to find out again."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("UPDATE roost.plugin SET settled = NULL")
    finally:
        await connection.close()


ROLLED_BACK = "tags:make"
"""What `roll_back` undoes."""


class NotWhole(Exception):  # noqa: N818 -- named by what it found, as roost's own errors
    """A run returned although the database was not where its plan wants it, or refused a sound step."""


async def not_whole(url: str) -> list[str]:
    """Return the steps that are not applied."""
    connection = await asyncpg.connect(url)
    try:
        done = {row[0] for row in await connection.fetch("SELECT plugin || ':' || step FROM roost.applied WHERE state = 'done'")}
    finally:
        await connection.close()
    return sorted(set(STEPS) - done)


async def migrate_whole(url: str, *, look_at: str, may_report_twice: bool = False) -> MigrationReport:
    """Bring a database to where the plan wants it, and see that it really is there as soon as the run says so.

    Args:
        url: The database, as the run reaches it.
        look_at: The same database on a line without faults.
        may_report_twice: Whether the server may lose, with itself, what it committed without waiting for the disk: it is then done again.

    Raises:
        NotWhole: It is not, or a step was refused that nothing is wrong with.
    """
    try:
        report = await migrate(url)
    except StepFailed as error:
        raise NotWhole(str(error)) from error
    missing = await not_whole(look_at)
    if missing:
        raise NotWhole(f"it returned without {missing}")
    reported = Counter(f"{step.plugin}:{step.step}" for step in report.steps)
    if reported and max(reported.values()) > 1 and not may_report_twice:
        raise NotWhole(f"it reports a step twice: {reported}")
    return report


CATALOGUE = """
SELECT format('%s.%s %s %s', n.nspname, c.relname, c.relkind, coalesce(pg_get_viewdef(c.oid), ''))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_(toast|temp)|^(pg_catalog|information_schema)$'
UNION ALL
SELECT format('%s.%s %s %s %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
              pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v') AND n.nspname !~ '^pg_|^information_schema$'
UNION ALL
SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid <> 0
UNION ALL
SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_|^information_schema$' AND p.prokind = 'f'
UNION ALL
SELECT format('%s.%s', enumtypid::regtype, enumlabel) FROM pg_enum
UNION ALL
SELECT format('note %s %s %s', id, body, label) FROM notes
ORDER BY 1
"""
"""What the database is, as far as a plan can make it, and the data that the plan writes."""

RESIDUE = """
SELECT 'advisory lock of ' || pid FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL
SELECT state || ': ' || query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND (NOT $1 OR state <> 'idle')
UNION ALL
SELECT 'invalid index ' || indexrelid::regclass FROM pg_index WHERE NOT indisvalid
UNION ALL
SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
"""


async def catalogue(url: str) -> list[str]:
    """Return what the database is, in words that can be compared."""
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(CATALOGUE)]
    finally:
        await connection.close()


async def _residue(connection: asyncpg.Connection, *, is_pooled: bool) -> list[str]:
    """Return what is left behind after the seconds in which a server may notice that its clients are gone."""
    due = asyncio.get_running_loop().time() + SECONDS_TO_NOTICE
    while True:
        left = [row[0] for row in await connection.fetch(RESIDUE, is_pooled)]
        if not left or asyncio.get_running_loop().time() > due:
            return left


async def left_behind(url: str, *, is_pooled: bool = False) -> list[str]:
    """Return what a run that has ended left behind on the server; a pooler may keep idle connections."""
    connection = await asyncpg.connect(url)
    try:
        return await _residue(connection, is_pooled=is_pooled)
    finally:
        await connection.close()


async def violations(url: str, *, expected: list[str], is_pooled: bool = False, again: Collection[str] = ()) -> list[str]:
    """Return what is broken: effects that are missing or happened twice, the ledger, the catalogue, and what was left behind.

    Args:
        url: The database, after a fault and a recovery.
        expected: The catalogue after a run without faults.
        is_pooled: Whether a pooler may keep idle connections.
        again: Steps that were rolled back on the way, and so may have taken effect more than once.
    """
    connection = await asyncpg.connect(url)
    try:
        effects = sorted(row[0] for row in await connection.fetch("SELECT step FROM effects"))
        done = sorted(row[0] for row in await connection.fetch("SELECT plugin || ':' || step FROM roost.applied WHERE state = 'done'"))
        odd = [tuple(row) for row in await connection.fetch("SELECT plugin, step, state FROM roost.applied WHERE state <> 'done'")]
        told = sorted(
            row[0] for row in await connection.fetch("SELECT plugin || ':' || step FROM roost.history WHERE success AND direction = 'up'")
        )
        heads = {row[0]: row[1] for row in await connection.fetch("SELECT name, version FROM roost.plugin")}
        settled = await connection.fetchval("SELECT count(*) FROM roost.plugin WHERE settled IS NOT NULL")
        left = await _residue(connection, is_pooled=is_pooled)
    finally:
        await connection.close()
    found = []
    for what, seen in (("effects", effects), ("applied steps", done), ("successes in the history", told)):
        once = [one for one in seen if one not in again] + [one for one in again if one in seen]
        if sorted(once) != sorted(STEPS) or (seen is done and seen != sorted(STEPS)):
            found.append(f"{what}: missing {sorted(set(STEPS) - set(seen))}, twice {sorted({one for one in seen if seen.count(one) > 1})}")
    if heads != VERSIONS:
        found.append(f"versions: {heads}")
    if odd:
        found.append(f"steps in doubt: {odd}")
    if settled != len(plugins()):
        found.append(f"settled: {settled} of {len(plugins())}")
    if left:
        found.append(f"left behind: {left}")
    seen_catalogue = await catalogue(url)
    if seen_catalogue != expected:
        found.append(f"catalogue: {sorted(set(seen_catalogue) ^ set(expected))}")
    return found
