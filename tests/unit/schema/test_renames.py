from __future__ import annotations

import pytest

from roost.schema import DeclaredPlugin, Rename, SchemaObject, effective_renames, undo_statements
from roost.schema._chosen_names import chosen_name
from roost.schema._renames import under_old_names
from roost.schema._renaming import redo_changes

S = "memory"


def table(name: str, *columns: str) -> list[SchemaObject]:
    """A table, and columns written as ``"name definition"``."""
    parts = [column.partition(" ") for column in columns]
    return [
        SchemaObject(kind="table", schema=S, parent="", name=name, definition="TABLE"),
        *(SchemaObject(kind="column", schema=S, parent=name, name=one, definition=definition or "text") for one, _, definition in parts),
    ]


def sequence(name: str, owner: str) -> SchemaObject:
    return SchemaObject(kind="sequence", schema=S, parent="", name=name, definition=f"SEQUENCE AS integer OWNED BY {owner}")


def plugin(*renames: tuple[str, str]) -> DeclaredPlugin:
    return DeclaredPlugin(plugin="memory", schema=S, scripts=(), renames=renames)


COLUMN = Rename(kind="column", schema=S, table="t", new_table="t", old="a", new="b")


@pytest.mark.parametrize("hint", [("t.a", "t.b"), ("memory.t.a", "memory.t.b"), ("t.a", "memory.t.b")])
def test_a_hint_for_a_column_is_effective_once(hint: tuple[str, str]) -> None:
    """A hint works while the old name is in the database and not declared, and is harmless afterwards and before."""
    old, new = table("t", "id", "a"), table("t", "id", "b")
    assert effective_renames(plugin(hint), real=old, declared=new) == (COLUMN,)
    assert effective_renames(plugin(hint), real=new, declared=new) == ()
    assert effective_renames(plugin(hint), real=old, declared=old) == ()
    assert effective_renames(plugin(hint), real=[], declared=new) == ()
    assert effective_renames(plugin(hint), real=table("t", "a", "b"), declared=new) == ()
    assert effective_renames(plugin(hint), real=old, declared=table("t", "a", "b")) == ()


def test_a_name_with_a_dot_in_it_is_a_name() -> None:
    """Names are those of objects, and not what stands between dots."""
    found = effective_renames(plugin(("t.a.b", "t.c")), real=table("t", "a.b"), declared=table("t", "c"))
    assert [(one.old, one.new) for one in found] == [("a.b", "c")]


@pytest.mark.parametrize("column", [("people.a", "humans.b"), ("humans.a", "humans.b")])
def test_a_table_and_its_column_are_renamed_together(column: tuple[str, str]) -> None:
    """A column of a renamed table may be named by the table's old or new name; the table comes first, and last when it is undone."""
    found = effective_renames(plugin(column, ("people", "humans")), real=table("people", "a"), declared=table("humans", "b"))
    assert [(one.kind, one.table, one.new_table, one.old, one.new) for one in found] == [
        ("table", "people", "humans", "", ""),
        ("column", "people", "humans", "a", "b"),
    ]
    assert undo_statements(found) == (
        'ALTER TABLE "memory"."humans" RENAME COLUMN "b" TO "a";',
        'ALTER TABLE "memory"."humans" RENAME TO "people";',
    )
    assert [change.sql for change in redo_changes(found, declared=table("humans", "b"))] == [
        'ALTER TABLE "memory"."people" RENAME TO "humans";',
        'ALTER TABLE "memory"."humans" RENAME COLUMN "a" TO "b";',
    ]


def test_a_table_does_not_take_a_name_that_is_taken() -> None:
    """A hint for a table does nothing where a view is declared under the old name, or anything is there under the new one."""
    view = SchemaObject(kind="view", schema=S, parent="", name="people", definition="SELECT 1")
    hint = plugin(("people", "humans"))
    assert effective_renames(hint, real=table("people"), declared=[*table("humans"), view]) == ()
    assert effective_renames(hint, real=[*table("people"), sequence("humans", "memory.people.id")], declared=table("humans")) == ()


def test_two_hints_do_not_meet_in_one_name() -> None:
    """Of two hints to one new name the first is taken."""
    found = effective_renames(plugin(("a", "c"), ("b", "c")), real=[*table("a"), *table("b")], declared=table("c"))
    assert [(one.table, one.new_table) for one in found] == [("a", "c")]
    found = effective_renames(plugin(("t.a", "t.c"), ("t.b", "t.c")), real=table("t", "a", "b"), declared=table("t", "c"))
    assert [(one.old, one.new) for one in found] == [("a", "c")]


def test_declared_objects_have_old_names_before_the_renames() -> None:
    """After the undoing a declared object is called as the database calls it, and so are those of its table."""
    index = SchemaObject(kind="index", schema=S, parent="humans", name="i", definition="CREATE INDEX …")
    renames = effective_renames(
        plugin(("people", "humans"), ("people.a", "humans.b")), real=table("people", "a"), declared=table("humans", "b")
    )
    before = under_old_names([*table("humans", "b"), index, *table("b")], renames)
    assert [thing.identity[2:] for thing in before] == [("", "people"), ("people", "a"), ("people", "i"), ("", "b")]


def test_what_the_server_named_after_a_column_follows_it() -> None:
    """Sequences, and NOT NULL constraints where the server has names for them, are renamed with the column or table."""
    real = [*table("t", "id integer NOT NULL DEFAULT nextval('memory.t_id_seq'::regclass)"), sequence("t_id_seq", "memory.t.id")]
    declared = [
        *table("u", "id integer NOT NULL", "n bigint NOT NULL GENERATED ALWAYS AS IDENTITY AS bigint"),
        sequence("u_id_seq", "memory.u.id"),
    ]
    renames = effective_renames(plugin(("t", "u")), real=real, declared=declared)
    assert undo_statements(renames)[0] == 'ALTER SEQUENCE "memory"."u_id_seq" RENAME TO "t_id_seq";'
    sql = [change.sql for change in redo_changes(renames, declared=declared)]
    assert sql[:3] == [
        'ALTER TABLE "memory"."t" RENAME TO "u";',
        'ALTER SEQUENCE "memory"."t_id_seq" RENAME TO "u_id_seq";',
        'ALTER SEQUENCE IF EXISTS "memory"."t_n_seq" RENAME TO "u_n_seq";',
    ]
    assert 'ALTER TABLE "memory"."u" RENAME CONSTRAINT "t_id_not_null" TO "u_id_not_null";' in sql[3]
    assert 'RENAME CONSTRAINT "t_n_not_null" TO "u_n_not_null";' in sql[3]
    assert len(sql) == 4


@pytest.mark.parametrize(
    ("table_name", "column", "label", "expected"),
    [
        ("t", "id", "seq", "t_id_seq"),
        ("a" * 40, "b" * 40, "seq", "a" * 29 + "_" + "b" * 29 + "_seq"),
        ("a" * 60, "id", "not_null", "a" * 51 + "_id_not_null"),
        ("ä" * 31, "id", "seq", "ä" * 28 + "_id_seq"),
    ],
)
def test_names_are_cut_as_the_server_cuts_them(table_name: str, column: str, label: str, expected: str) -> None:
    """The longer one of table and column is cut until both fit into 63 bytes, and no letter is cut in two."""
    assert chosen_name(table_name, column, label) == expected
