"""Notes what statements make. Pure: values in, notes out.

Each function reads one kind of statement, and tells whether all that it makes can be looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.migrations import _parse_tree as parts
from roost.postgres import names_of

if TYPE_CHECKING:
    from roost.migrations._claim_reading import ClaimReading
    from roost.postgres import Tree


def table(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE TABLE``."""
    relation = tree["relation"]
    if parts.is_temporary(relation):
        reading.make_relation("table", relation)
        return True
    schema, name = reading.relation(relation)
    if tree.get("if_not_exists") and reading.objects.find("table", schema, name) is not None:
        return True
    parent = tree["inh_relations"][0]["range_var"]["relname"] if "partbound" in tree else ""
    reading.make_relation("table", relation, parent=parent)
    for element in tree.get("table_elts", ()):
        if "column_def" in element:
            reading.make_column(schema, name, element["column_def"])
        elif "constraint" in element:
            reading.make_constraint(schema, name, element["constraint"])
    return True


def foreign_table(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE FOREIGN TABLE``."""
    return table(reading, tree["base_stmt"])


def table_as(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE TABLE … AS`` and ``CREATE MATERIALIZED VIEW``, whose columns are not written."""
    is_view = tree.get("objtype") == "OBJECT_MATVIEW"
    kept = bool(tree.get("if_not_exists"))
    reading.make_relation("materialized view" if is_view else "table", tree["into"]["rel"], is_kept=kept)
    return True


def select_into(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``SELECT … INTO``; any other SELECT is no matter of objects."""
    if "into_clause" not in tree:
        return False
    reading.make_relation("table", tree["into_clause"]["rel"])
    return True


def view(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE VIEW``."""
    reading.make_relation("view", tree["view"])
    return True


def sequence(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE SEQUENCE``."""
    reading.make_relation("sequence", tree["sequence"], is_kept=bool(tree.get("if_not_exists")))
    return True


def index(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE INDEX``; one without a name is named by the server."""
    if reading.passes_by(tree["relation"]):
        return True
    schema, on_table = reading.relation(tree["relation"])
    if "idxname" not in tree:
        return False
    kept = bool(tree.get("if_not_exists"))
    reading.make("index", schema, tree["idxname"], parent=on_table, columns=parts.columns_of_index(tree), is_kept=kept)
    return True


def enum(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE TYPE … AS ENUM``."""
    schema, name = reading.located(names_of(tree["type_name"]))
    reading.make("type", schema, name)
    for value in names_of(tree.get("vals", ())):
        reading.make("value", schema, value, parent=name)
    return True


def composite(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE TYPE … AS (…)``."""
    reading.make("type", *reading.relation(tree["typevar"]))
    return True


def range_type(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE TYPE … AS RANGE``."""
    reading.make("type", *reading.located(names_of(tree["type_name"])))
    return True


def base_type(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE TYPE`` of one's own making; operators, aggregates and the like can't be looked for."""
    if tree.get("kind") != "OBJECT_TYPE":
        return False
    reading.make("type", *reading.located(names_of(tree["defnames"])))
    return True


def domain(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE DOMAIN``."""
    schema, name = reading.located(names_of(tree["domainname"]))
    reading.make("type", schema, name)
    for node in tree.get("constraints", ()):
        reading.make_constraint(schema, name, node["constraint"])
    return True


def function(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE FUNCTION`` and ``CREATE PROCEDURE``."""
    schema, name = reading.located(names_of(tree["funcname"]))
    reading.make("function", schema, name, parent=parts.parameters(tree.get("parameters", ())))
    return True


def trigger(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE TRIGGER``."""
    if not reading.passes_by(tree["relation"]):
        schema, on_table = reading.relation(tree["relation"])
        reading.make("trigger", schema, tree["trigname"], parent=on_table)
    return True


def extension(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``CREATE EXTENSION``."""
    reading.make("extension", "", tree["extname"])
    return True
