"""Section H: what rows hold outlives every change of the tables that they are in."""

from __future__ import annotations

import json

import pytest

from tests.plugins.build import query
from tests.plugins.declared import APP, apply, ask, changes, fill, rows_of

SNAPSHOTS = "SELECT number - min(number) OVER () FROM roost.snapshot WHERE plugin = $1 ORDER BY number"


@pytest.mark.asyncio
async def test_DP_01_customers(database_url: str) -> None:
    """DP-01: a hundred customers stay as they are when four columns join; the new ones have their defaults."""
    customers = "CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL, email text UNIQUE NOT NULL, total numeric(10, 2){more})"
    await apply(database_url, customers.format(more=""))
    await fill(
        database_url,
        "INSERT INTO customers (name, email, total) SELECT 'Customer ' || n, n || '@x.org', n * 1.25 FROM generate_series(1, 100) AS n",
    )
    before = await rows_of(database_url, "customers", "id", "name", "email", "total")
    await apply(database_url, customers.format(more=", phone text, address text, is_active bool NOT NULL DEFAULT true, metadata jsonb"))
    assert len(before) == 100
    assert await rows_of(database_url, "customers", "id", "name", "email", "total") == before
    new = await ask(database_url, "SELECT DISTINCT phone, address, is_active, metadata FROM customers")
    assert new == [(None, None, True, None)]
    assert await changes(database_url) == 2


@pytest.mark.asyncio
async def test_DP_02_employees_of_departments(database_url: str) -> None:
    """DP-02: fifty employees of four departments still join when both tables get columns."""
    departments = "CREATE TABLE departments (id int PRIMARY KEY, name text NOT NULL{more});"
    employees = "CREATE TABLE employees (id int PRIMARY KEY, name text, department_id int NOT NULL REFERENCES departments{more});"
    await apply(database_url, departments.format(more="") + employees.format(more=""))
    await fill(
        database_url,
        """
        INSERT INTO departments SELECT n, 'Department ' || n FROM generate_series(1, 4) AS n;
        INSERT INTO employees SELECT n, 'Employee ' || n, n % 4 + 1 FROM generate_series(1, 50) AS n
        """,
    )
    joined = "SELECT e.id, e.name, d.name FROM employees AS e JOIN departments AS d ON d.id = department_id ORDER BY e.id"
    before = await ask(database_url, joined)
    wider = departments.format(more=", budget numeric(12, 2) DEFAULT 0") + employees.format(
        more=", email text, hired date DEFAULT '2024-01-01'"
    )
    await apply(database_url, wider)
    assert len(before) == 50
    assert await ask(database_url, joined) == before


@pytest.mark.asyncio
async def test_DP_03_orders_through_three_versions(database_url: str) -> None:
    """DP-03: five orders go through three versions of their table with their totals, and the history has three entries, 0, 1 and 2."""
    orders = "CREATE TABLE orders (id int PRIMARY KEY, total int NOT NULL{more})"
    await apply(database_url, orders.format(more=""))
    await fill(database_url, "INSERT INTO orders SELECT n, n * 100 FROM generate_series(1, 5) AS n")
    second = ", status text NOT NULL DEFAULT 'pending'"
    await apply(database_url, orders.format(more=second))
    await apply(database_url, orders.format(more=second + ", shipped_at timestamptz, CHECK (total > 0)"))
    assert await rows_of(database_url, "orders", "total", "status", "shipped_at") == [
        (total, "pending", None) for total in (100, 200, 300, 400, 500)
    ]
    assert await query(database_url, SNAPSHOTS, APP) == [0, 1, 2]
    assert await changes(database_url) == 3


@pytest.mark.asyncio
async def test_DP_04_documents_and_lists(database_url: str) -> None:
    """DP-04: documents, lists and NULLs are deeply equal afterwards."""
    profiles = "CREATE TABLE user_profiles (id int PRIMARY KEY, settings jsonb, tags text[]{more})"
    values = [
        ({"theme": "dark", "deep": {"list": [1, 2.5, None, {"é": "'\"\\"}]}}, ["a", "b,c", "d'e"]),
        ({}, []),
        (None, None),
    ]
    await apply(database_url, profiles.format(more=""))
    for number, (settings, tags) in enumerate(values):
        value = None if settings is None else json.dumps(settings)
        await query(database_url, "INSERT INTO app.user_profiles VALUES ($1, $2::text::jsonb, $3)", number, value, tags)
    await apply(database_url, profiles.format(more=", bio text, updated_at timestamptz DEFAULT now()"))
    found = await rows_of(database_url, "user_profiles", "settings", "tags", order="id")
    assert [(settings and json.loads(settings), tags) for settings, tags in found] == values


@pytest.mark.asyncio
async def test_DP_05_a_thousand_events(database_url: str) -> None:
    """DP-05: a thousand events are all there, each with what it held."""
    events = "CREATE TABLE events (id int PRIMARY KEY, name text NOT NULL, payload jsonb{more})"
    await apply(database_url, events.format(more=""))
    await fill(
        database_url,
        "INSERT INTO events SELECT n, 'event ' || n, jsonb_build_object('n', n) FROM generate_series(1, 1000) AS n",
    )
    await apply(
        database_url, events.format(more=", source text DEFAULT 'web', at timestamptz DEFAULT now(), seen bool NOT NULL DEFAULT false")
    )
    assert await ask(database_url, "SELECT count(*) FROM events WHERE source = 'web' AND NOT seen AND at IS NOT NULL") == [1000]
    sql = "SELECT id, name, (payload->>'n')::int FROM events WHERE id IN (1, 100, 500, 999, 1000) ORDER BY id"
    assert await ask(database_url, sql) == [(n, f"event {n}", n) for n in (1, 100, 500, 999, 1000)]
