"""Section D7: foreign keys that join tables with rows, and change."""

from __future__ import annotations

import pytest

from tests.plugins.declared import apply, ask, check, columns, fill, foreign_keys, indexes, refused, rows_of, violates

AGENTS = "CREATE TABLE agents (id int PRIMARY KEY);"
PARENTS = "CREATE TABLE parents (id int PRIMARY KEY, name text);"

APART = """
CREATE TABLE worlds (id int PRIMARY KEY);
CREATE TABLE agents (id int PRIMARY KEY, world_id int NOT NULL);
CREATE TABLE rooms (id int PRIMARY KEY, world_id int NOT NULL, agent_id int);
CREATE TABLE memories (id int PRIMARY KEY, world_id int NOT NULL, agent_id int, room_id int);
"""
TOGETHER = """
CREATE TABLE memories (
    id int PRIMARY KEY, world_id int NOT NULL, agent_id int, room_id int REFERENCES rooms ON DELETE CASCADE,
    FOREIGN KEY (world_id, agent_id) REFERENCES agents (world_id, id) ON DELETE CASCADE
);
CREATE TABLE rooms (
    id int PRIMARY KEY, world_id int NOT NULL REFERENCES worlds ON DELETE CASCADE, agent_id int,
    FOREIGN KEY (world_id, agent_id) REFERENCES agents (world_id, id) ON DELETE CASCADE
);
CREATE TABLE agents (id int PRIMARY KEY, world_id int NOT NULL REFERENCES worlds ON DELETE CASCADE, UNIQUE (world_id, id));
CREATE TABLE worlds (id int PRIMARY KEY);
"""


@pytest.mark.asyncio
async def test_FK_01_orphans_are_in_the_way(database_url: str) -> None:
    """FK-01: a key is refused while there are orphans, which changes nothing; once they are gone it holds."""
    await apply(database_url, AGENTS + "CREATE TABLE memories (id int PRIMARY KEY, agent_id int);")
    await fill(
        database_url,
        "INSERT INTO agents VALUES (1), (2); INSERT INTO memories VALUES (1, 1), (2, 2), (3, 98), (4, 99), (5, NULL)",
    )
    keyed = AGENTS + "CREATE TABLE memories (id int PRIMARY KEY, agent_id int REFERENCES agents ON DELETE CASCADE);"
    await violates(database_url, keyed, "23503")
    assert await rows_of(database_url, "memories", "id", "agent_id") == [(1, 1), (2, 2), (3, 98), (4, 99), (5, None)]
    assert await foreign_keys(database_url) == {}
    await fill(database_url, "DELETE FROM memories WHERE agent_id > 2")
    await apply(database_url, keyed)
    await refused(database_url, "23503", "INSERT INTO memories VALUES (6, 98)")
    await fill(database_url, "DELETE FROM agents WHERE id = 1")
    assert await rows_of(database_url, "memories", "id", "agent_id") == [(2, 2), (5, None)]


@pytest.mark.asyncio
async def test_FK_02_a_key_does_something_else(database_url: str) -> None:
    """FK-02: CASCADE becomes SET NULL, and the column nullable: deleting a parent leaves its child with NULL."""
    await apply(
        database_url,
        PARENTS + "CREATE TABLE children (id int PRIMARY KEY, name text, parent_id int NOT NULL REFERENCES parents ON DELETE CASCADE);",
    )
    await fill(
        database_url,
        """
        INSERT INTO parents VALUES (1, 'Parent 1'), (2, 'Parent 2');
        INSERT INTO children VALUES (1, 'Child 1-1', 1), (2, 'Child 1-2', 1), (3, 'Child 2-1', 2)
        """,
    )
    softer = PARENTS + "CREATE TABLE children (id int PRIMARY KEY, name text, parent_id int REFERENCES parents ON DELETE SET NULL);"
    assert not (await check(database_url, softer)).has_data_loss
    await apply(database_url, softer)
    await fill(database_url, "DELETE FROM parents WHERE name = 'Parent 2'")
    assert await rows_of(database_url, "children", "name", "parent_id") == [("Child 1-1", 1), ("Child 1-2", 1), ("Child 2-1", None)]
    assert [required for name, _, required, _ in await columns(database_url, "children") if name == "parent_id"] == [False]


@pytest.mark.asyncio
async def test_FK_03_keys_of_two_columns(database_url: str) -> None:
    """FK-03: keys of one column and of two come with the UNIQUE that they reference; deleting the world empties the rest."""
    await apply(database_url, APART)
    await fill(
        database_url,
        """
        INSERT INTO worlds VALUES (1); INSERT INTO agents VALUES (1, 1), (2, 1); INSERT INTO rooms VALUES (1, 1, 1), (2, 1, NULL);
        INSERT INTO memories VALUES (1, 1, 1, 1), (2, 1, 2, NULL), (3, 1, 2, 2)
        """,
    )
    await apply(database_url, TOGETHER)
    assert len(await foreign_keys(database_url)) == 5
    assert "agents_world_id_id_key" in await indexes(database_url)
    await refused(database_url, "23503", "INSERT INTO rooms VALUES (3, 1, 9)")
    await fill(database_url, "DELETE FROM worlds")
    counts = "SELECT (SELECT count(*) FROM agents), (SELECT count(*) FROM rooms), (SELECT count(*) FROM memories)"
    assert await ask(database_url, counts) == [(0, 0, 0)]


@pytest.mark.asyncio
async def test_FK_04_keys_in_a_circle(database_url: str) -> None:
    """FK-04: departments get a manager among the employees who reference them: a bad one is refused, and one who goes leaves NULL."""
    employees = "CREATE TABLE employees (id int PRIMARY KEY, name text, department_id int REFERENCES departments);"
    await apply(database_url, employees + "CREATE TABLE departments (id int PRIMARY KEY, name text);")
    await fill(
        database_url,
        "INSERT INTO departments VALUES (1, 'Research'); INSERT INTO employees VALUES (1, 'Alice', NULL), (2, 'Bob', 1)",
    )
    managed = "CREATE TABLE departments (id int PRIMARY KEY, name text, manager_id int REFERENCES employees ON DELETE SET NULL);"
    await apply(database_url, employees + managed)
    await fill(database_url, "UPDATE departments SET manager_id = 1")
    await refused(database_url, "23503", "UPDATE departments SET manager_id = 99")
    await fill(database_url, "DELETE FROM employees WHERE name = 'Alice'")
    assert await rows_of(database_url, "departments", "id", "manager_id") == [(1, None)]
