"""Functions of declared schemas, which name each other and what is made after them."""

from __future__ import annotations

import pytest

from roost import DatabaseMigrationService, MigrationOrchestrator, Plugin
from tests.plugins.build import make_runtime, names

CALLING = {
    "texts": ("CREATE FUNCTION a() RETURNS int LANGUAGE sql AS 'SELECT z()'", "CREATE FUNCTION z() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    "read when made": ("CREATE FUNCTION a() RETURNS int RETURN z()", "CREATE FUNCTION z() RETURNS int RETURN 1"),
    "an argument": ("CREATE FUNCTION a(x int DEFAULT z()) RETURNS int RETURN x", "CREATE FUNCTION z() RETURNS int RETURN 1"),
    "a view": ("CREATE FUNCTION a() RETURNS bigint RETURN (SELECT count(*) FROM v)", "CREATE VIEW v AS SELECT 1 AS x"),
    "a view in a text": ("CREATE FUNCTION a() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM v'", "CREATE VIEW v AS SELECT 1 AS x"),
    "a row": ("CREATE FUNCTION a(v) RETURNS int IMMUTABLE RETURN $1.x", "CREATE TABLE v (x int)", "CREATE TABLE t (y v CHECK (a(y) > 0))"),
    "a check": (
        "CREATE FUNCTION a() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT z()'",
        "CREATE FUNCTION z() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE t (y int DEFAULT a() CHECK (y >= a()))",
    ),
    "a table": (
        "CREATE FUNCTION a() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM u'",
        "CREATE TABLE u (x int)",
        "CREATE TABLE t (y int DEFAULT a())",
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("schema", CALLING.values(), ids=CALLING)
async def test_functions_that_name_what_comes_later(database_url: str, schema: tuple[str, ...]) -> None:
    """Whatever the order of the declaration, and of the names: they are made, be their bodies texts or read at once."""
    runtimes = [make_runtime(database_url, Plugin("p", schema=";\n".join(schema)), services=[DatabaseMigrationService]) for _ in range(2)]
    first, second = [await MigrationOrchestrator(runtime).run_all_migrations() for runtime in runtimes]
    assert names(first.steps) == ["declared-schema"]
    assert second.steps == ()
