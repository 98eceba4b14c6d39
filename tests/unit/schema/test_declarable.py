"""Which statements a declaration may hold."""

from __future__ import annotations

import pytest

from roost.postgres import parse_sql
from roost.schema._declarable import why_not_declared


def why(sql: str) -> str | None:
    """Return why a statement may not be declared by a plugin whose schema is `core`."""
    parsed = parse_sql(sql)
    assert parsed is not None
    (statement,) = parsed
    return why_not_declared(statement, schema="core")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (id int)",
        "CREATE TABLE core.t PARTITION OF core.p FOR VALUES IN (1)",
        "CREATE INDEX i ON core.t (id)",
        "CREATE TYPE core.kind AS ENUM ('a')",
        "CREATE MATERIALIZED VIEW v AS SELECT 1",
        "CREATE EXTENSION IF NOT EXISTS citext",
        "CREATE FUNCTION core.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE core.t ADD CHECK (id > 0)",
        "DROP TABLE IF EXISTS core.t",
        "DROP FUNCTION IF EXISTS f(int)",
        "DROP TRIGGER IF EXISTS g ON core.t",
        "COMMENT ON TABLE t IS 'x'",
    ],
)
def test_what_says_what_is_there_may_be_declared(sql: str) -> None:
    """Without a schema, or with the plugin's own."""
    assert why(sql) == ""


def test_the_plugins_own_schema_is_there_anyway() -> None:
    """A script may create it, and that is passed over."""
    assert why("CREATE SCHEMA IF NOT EXISTS core") is None
    assert why("CREATE SCHEMA core") is None


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("INSERT INTO t VALUES (1)", "migration step"),
        ("UPDATE t SET id = 1", "migration step"),
        ("SELECT pg_catalog.set_config('search_path', '', false)", "migration step"),
        ("DO 'BEGIN END'", "migration step"),
        ("COPY t FROM '/tmp/x'", "migration step"),
        ("CREATE TABLE t AS SELECT 1", "migration step"),
        ("SET search_path = x", "leave it out"),
        ("BEGIN", "leave it out"),
        ("COMMIT", "leave it out"),
        ("GRANT SELECT ON t TO PUBLIC", "repeatable step"),
        ("REVOKE ALL ON t FROM PUBLIC", "repeatable step"),
        ("ALTER TABLE t OWNER TO somebody", "repeatable step"),
        ("ALTER TYPE t OWNER TO somebody", "repeatable step"),
        ("CREATE AGGREGATE a(int) (sfunc = int4pl, stype = int)", "can't be compared"),
        ("CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING", "can't be compared"),
        ("CREATE STATISTICS s ON a, b FROM t", "can't be compared"),
        ("CREATE TABLE t () INHERITS (p)", "can't be compared"),
        ("CREATE TABLE t OF kind", "can't be compared"),
        ('CREATE DOMAIN d AS text COLLATE "C"', "can't be compared"),
        ('CREATE TYPE c AS (a text COLLATE "C")', "can't be compared"),
        ("CREATE TYPE r AS RANGE (subtype = text, multirange_type_name = mr)", "can't be compared"),
        ("CREATE ROLE x", "can't be compared"),
        ("CREATE TEMP TABLE t (id int)", "temporary"),
        ("DROP SCHEMA core", "can't be compared"),
        ("CREATE SCHEMA other", "which is core"),
        ("CREATE SCHEMA core CREATE TABLE t (id int)", "which is core"),
    ],
)
def test_what_belongs_elsewhere_is_refused_with_where(sql: str, said: str) -> None:
    """Data, privileges, settings, transactions, and kinds of objects that no comparison knows."""
    assert said in (why(sql) or "")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE other.t (id int)",
        "CREATE VIEW other.v AS SELECT 1",
        "CREATE MATERIALIZED VIEW other.v AS SELECT 1",
        "CREATE INDEX ON other.t (id)",
        "CREATE SEQUENCE other.s",
        "CREATE TYPE other.kind AS ENUM ()",
        "CREATE TYPE other.pair AS (a int)",
        "CREATE DOMAIN other.d AS int",
        "CREATE FUNCTION other.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TRIGGER g BEFORE INSERT ON other.t EXECUTE FUNCTION f()",
        "CREATE POLICY p ON other.t",
        "ALTER TABLE other.t ADD c int",
        "ALTER TABLE other.t RENAME TO u",
        "ALTER TYPE other.kind ADD VALUE 'x'",
        "DROP TABLE core.t, other.t",
        "DROP TYPE other.kind",
        "DROP TRIGGER g ON other.t",
        "DROP FUNCTION other.f()",
    ],
)
def test_another_schema_is_not_touched(sql: str) -> None:
    """The reason names both schemas."""
    reason = why(sql) or ""
    assert "other" in reason
    assert "core" in reason
