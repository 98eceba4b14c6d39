from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest

from roost.errors import SchemaUnsupported
from roost.schema import DeclaredPlugin, Identity, PluginChanges, SchemaObject, Script, plan_schema_changes

S = "memory"


def thing(kind: str, name: str, definition: str = "", *, parent: str = "", schema: str = S) -> SchemaObject:
    return SchemaObject(kind=kind, schema=schema, parent=parent, name=name, definition=definition)


def table(name: str, *columns: str, schema: str = S) -> list[SchemaObject]:
    """A table, and columns written as ``"name definition"``."""
    parts = [column.partition(" ") for column in columns]
    return [
        thing("table", name, "TABLE", schema=schema),
        *(thing("column", one, definition or "text", parent=name, schema=schema) for one, _, definition in parts),
    ]


def plugin(name: str = "memory", schema: str = S, *, renames: tuple[tuple[str, str], ...] = (), sql: str = "") -> DeclaredPlugin:
    return DeclaredPlugin(plugin=name, schema=schema, scripts=(Script(text=sql),), renames=renames)


def plan(
    *statements: str,
    real: Sequence[SchemaObject],
    declared: Sequence[SchemaObject],
    owned: Collection[Identity] | None = None,
    allow: Collection[str] = (),
    renames: tuple[tuple[str, str], ...] = (),
) -> PluginChanges:
    """The plan of one plugin; it owns all that is real, where nothing else is said."""
    return plan_schema_changes(
        statements,
        plugins=[plugin(renames=renames)],
        real=real,
        declared={"memory": declared},
        owned={"memory": {one.identity for one in real} if owned is None else owned},
        allow_data_loss=allow,
    )["memory"]


def sql_of(changes: PluginChanges) -> list[str]:
    return [change.sql for change in changes.changes]


class TestLosses:
    def test_a_dropped_column_is_blocked_until_it_is_named(self) -> None:
        """What loses a column's values is blocked, and goes when just that column is named; the table's name is not enough."""
        drop = 'ALTER TABLE "memory"."agents" DROP COLUMN "username"'
        real, declared = table("agents", "id", "username"), table("agents", "id")
        blocked = plan(drop, real=real, declared=declared)
        assert [change.loses for change in blocked.blocked] == [("agents.username",)]
        assert blocked.blocked == blocked.changes
        assert not blocked.changes[0].is_reversible
        assert plan(drop, real=real, declared=declared, allow={"agents"}).blocked
        assert not plan(drop, real=real, declared=declared, allow={"agents.username"}).blocked
        assert not plan(drop, real=real, declared=declared, allow={"memory.agents.username"}).blocked

    def test_each_dropped_table_is_named(self) -> None:
        """Four dropped tables are four losses, and what goes beside them is none."""
        names = ["a", "b", "c", "d"]
        real = [one for name in names for one in table(name)] + [thing("index", "i", parent="e"), *table("e", "x")]
        drops = [f'DROP TABLE "memory"."{name}"' for name in names]
        changes = plan('DROP INDEX "memory"."i"', *drops, real=real, declared=table("e", "x"))
        assert [change.loses for change in changes.blocked] == [("a",), ("b",), ("c",), ("d",)]
        assert not plan(*drops, real=real, declared=table("e", "x"), allow=names).blocked

    @pytest.mark.parametrize(
        ("statement", "gone"),
        [
            ('DROP INDEX "memory"."i"', thing("index", "i", parent="t")),
            ('ALTER TABLE "memory"."t" DROP CONSTRAINT "k"', thing("constraint", "k", parent="t")),
            ('DROP VIEW "memory"."v"', thing("view", "v")),
            ('DROP MATERIALIZED VIEW "memory"."v"', thing("materialized view", "v")),
            ('DROP FUNCTION "memory"."f"(a integer, text[])', thing("function", "f(integer, text[])")),
            ('DROP TRIGGER "g" ON "memory"."t"', thing("trigger", "g", parent="t")),
            ('DROP POLICY "y" ON "memory"."t"', thing("policy", "y", parent="t")),
            ('DROP TYPE "memory"."e"', thing("type", "e", "ENUM ('a')")),
            ('ALTER TABLE "memory"."t" ALTER COLUMN "c" DROP DEFAULT', thing("column", "d", parent="t")),
        ],
    )
    def test_what_holds_no_data_goes_by_itself(self, statement: str, gone: SchemaObject) -> None:
        """Nothing that holds no data of its own is a loss."""
        changes = plan(statement, real=[*table("t", "c"), gone], declared=table("t", "c"))
        assert sql_of(changes) == [f"{statement};"]
        assert not changes.blocked
        assert not changes.left_alone

    def test_a_sequence_of_its_own_is_a_loss(self) -> None:
        """How far a sequence has counted is data."""
        changes = plan('DROP SEQUENCE "memory"."q"', real=[thing("sequence", "q")], declared=[])
        assert changes.blocked[0].loses == ("q",)

    def test_what_is_left_in_another_schema_has_its_name_in_front(self) -> None:
        """A plugin that moved to another schema loses the old tables under their whole names."""
        real = table("agents", schema="old")
        changes = plan('DROP TABLE "old"."agents"', real=real, declared=[])
        assert changes.blocked[0].loses == ("old.agents",)
        assert not plan('DROP TABLE "old"."agents"', real=real, declared=[], allow={"old.agents"}).blocked

    def test_an_attribute_of_a_composite_type_is_a_loss(self) -> None:
        """Columns of the type lose the attribute's values."""
        real, declared = [thing("type", "c", "COMPOSITE (a integer, b text)")], [thing("type", "c", "COMPOSITE (a integer)")]
        changes = plan('ALTER TYPE "memory"."c" DROP ATTRIBUTE "b" CASCADE', real=real, declared=declared)
        assert changes.blocked[0].loses == ("c.b",)


class TestTypes:
    def retyped(self, old: str, new: str) -> PluginChanges:
        statement = f'ALTER TABLE "memory"."t" ALTER COLUMN "c" TYPE {new} USING "c"::{new}'
        return plan(statement, real=table("t", f"c {old} NOT NULL"), declared=table("t", f"c {new} NOT NULL"))

    def test_a_wider_type_is_allowed(self) -> None:
        """A type that keeps each value needs no leave, and says whether the table is written anew."""
        wider, longer = self.retyped("integer", "numeric(10,2)"), self.retyped("character varying(10)", "text")
        assert not wider.blocked
        assert not longer.blocked
        assert [wider.changes[0].risk, longer.changes[0].risk] == ["rewriting", "safe"]

    def test_a_narrower_type_is_a_loss(self) -> None:
        """A type that does not keep each value is blocked by the column's name."""
        for old, new in [("text", "integer"), ("uuid", "integer"), ("character varying(10)", "character varying(5)")]:
            assert [change.loses for change in self.retyped(old, new).blocked] == [("t.c",)]

    def test_a_column_that_nobody_knows_may_lose(self) -> None:
        """Where the old or the new type is not known, it is a loss."""
        changes = plan('ALTER TABLE "memory"."t" ALTER COLUMN "c" TYPE bigint', real=table("t"), declared=table("t", "c bigint"))
        assert changes.blocked[0].loses == ("t.c",)

    def test_a_computed_column_loses_nothing(self) -> None:
        """A column that is computed from others may get any type or expression: it is computed anew."""
        before, after = "c integer GENERATED ALWAYS AS (a) STORED", "c smallint GENERATED ALWAYS AS (a) STORED"
        retyped = plan('ALTER TABLE "memory"."t" ALTER COLUMN "c" TYPE smallint', real=table("t", before), declared=table("t", after))
        rebuilt = plan(
            'ALTER TABLE "memory"."t" DROP COLUMN "c"',
            'ALTER TABLE "memory"."t" ADD COLUMN "c" integer GENERATED ALWAYS AS (a * 2) STORED',
            real=table("t", before),
            declared=table("t", "c integer GENERATED ALWAYS AS (a * 2) STORED"),
        )
        assert not retyped.blocked
        assert not rebuilt.blocked
        assert [change.risk for change in rebuilt.changes] == ["rewriting", "rewriting"]
        assert plan('ALTER TABLE "memory"."t" DROP COLUMN "c"', real=table("t", before), declared=table("t")).blocked


class TestEnums:
    OLD = thing("type", "status", "ENUM ('new', 'archived', 'old')")
    REMADE = (
        'ALTER TYPE "memory"."status" RENAME TO "status__pgmig_tmp"',
        "CREATE TYPE \"memory\".\"status\" AS ENUM ('old', 'new')",
        'ALTER TABLE "memory"."t" ALTER COLUMN "s" DROP DEFAULT',
        'ALTER TABLE "memory"."t" ALTER COLUMN "s" TYPE memory.status USING "s"::text::memory.status',
        'ALTER TABLE "memory"."t" ALTER COLUMN "s" SET DEFAULT \'new\'::memory.status',
        'DROP TYPE "memory"."status__pgmig_tmp"',
    )

    def remade(self, labels: str, *, allow: Collection[str] = ()) -> PluginChanges:
        declared = [*table("t", "s memory.status"), thing("type", "status", f"ENUM ({labels})")]
        return plan(*self.REMADE, real=[*table("t", "s memory.status"), self.OLD], declared=declared, allow=allow)

    def test_values_that_go_are_losses(self) -> None:
        """A value that goes is named behind its type; it is allowed by that name or by the type's."""
        assert [change.loses for change in self.remade("'old', 'new'").blocked] == [("status.archived",)]
        assert not self.remade("'old', 'new'", allow={"status.archived"}).blocked
        assert not self.remade("'old', 'new'", allow={"memory.status"}).blocked
        assert self.remade("'old', 'new'", allow={"status.new"}).blocked

    def test_another_order_loses_nothing(self) -> None:
        """A type that is made anew with all its values is no loss, and all statements stay in their order."""
        changes = self.remade("'old', 'archived', 'new'")
        assert not changes.blocked
        assert sql_of(changes) == [f"{sql};" for sql in self.REMADE]

    def test_a_renamed_value_needs_a_hint(self) -> None:
        """That one value goes and one comes is not taken for a rename, unless a hint says so."""
        rename = "ALTER TYPE \"memory\".\"status\" RENAME VALUE 'archived' TO 'gone'"
        declared = [thing("type", "status", "ENUM ('new', 'gone', 'old')")]
        assert plan(rename, real=[self.OLD], declared=declared).blocked[0].loses == ("status.archived",)
        assert not plan(rename, real=[self.OLD], declared=declared, renames=(("status.archived", "status.gone"),)).blocked

    @pytest.mark.parametrize(
        ("use", "is_first"),
        [
            ('ALTER TABLE "memory"."t" ALTER COLUMN "s" SET DEFAULT \'it\'\'s\'::memory.status', True),
            ("CREATE VIEW \"memory\".\"v\" AS SELECT 1 FROM memory.t WHERE s = 'it''s'", True),
            ('ALTER TABLE "memory"."t" ALTER COLUMN "s" SET DEFAULT \'new\'::memory.status', False),
        ],
    )
    def test_new_values_that_are_used_come_first(self, use: str, is_first: bool) -> None:  # noqa: FBT001 -- a column of the table
        """New values are committed before what uses them, all of one type in their order; where nothing does, they stay in place."""
        adds = ('ALTER TYPE "memory"."status" ADD VALUE \'its\'', "ALTER TYPE \"memory\".\"status\" ADD VALUE 'it''s'")
        declared = [
            *table("t", "s memory.status"),
            thing("type", "status", "ENUM ('new', 'archived', 'old', 'its', 'it''s')"),
            thing("view", "v"),
        ]
        changes = plan(*adds, use, real=[*table("t", "s memory.status"), self.OLD], declared=declared)
        added = [f"{sql};" for sql in adds]
        assert [change.sql for change in changes.first] == (added if is_first else [])
        assert sql_of(changes) == ([] if is_first else added) + [f"{use};"]


class TestRenames:
    def test_what_looks_like_a_rename_is_offered(self) -> None:
        """A column that goes beside one that comes, and a table beside one, are offered as renames, by the likest; and are blocked."""
        real = [*table("t", "id integer", "old_name text", "n integer"), *table("people", "id", "name"), *table("z", "q")]
        declared = [*table("t", "id integer", "new_name text"), *table("humans", "id", "name"), *table("y", "r")]
        changes = plan(
            'CREATE TABLE "memory"."humans" ("id" text, "name" text)',
            'CREATE TABLE "memory"."y" ("r" text)',
            'ALTER TABLE "memory"."t" DROP COLUMN "n"',
            'ALTER TABLE "memory"."t" ADD COLUMN "new_name" text',
            'ALTER TABLE "memory"."t" DROP COLUMN "old_name"',
            'DROP TABLE "memory"."people"',
            'DROP TABLE "memory"."z"',
            real=real,
            declared=declared,
        )
        assert changes.rename_candidates == (("t.old_name", "t.new_name"), ("people", "humans"))
        assert len(changes.blocked) == 4

    def test_a_type_that_does_not_fit_is_no_rename(self) -> None:
        """A column is offered only for one that could keep its values."""
        changes = plan(
            'ALTER TABLE "memory"."t" ADD COLUMN "b" integer',
            'ALTER TABLE "memory"."t" DROP COLUMN "a"',
            real=table("t", "a text"),
            declared=table("t", "b integer"),
        )
        assert changes.rename_candidates == ()

    def test_a_hint_renames_last(self) -> None:
        """With a hint the comparison is one under old names, and the renames end the plugin's changes."""
        changes = plan(
            'ALTER TABLE "memory"."t" ALTER COLUMN "a" TYPE bigint USING "a"::bigint',
            real=table("t", "a integer"),
            declared=table("t", "b bigint"),
            renames=(("t.a", "t.b"),),
        )
        assert not changes.blocked
        assert sql_of(changes) == [
            'ALTER TABLE "memory"."t" ALTER COLUMN "a" TYPE bigint USING "a"::bigint;',
            'ALTER TABLE "memory"."t" RENAME COLUMN "a" TO "b";',
        ]
        assert (changes.changes[-1].verb, changes.changes[-1].object) == ("rename", ("column", S, "t", "b"))

    def test_functions_may_have_the_new_names_in_them(self) -> None:
        """A function that is made before the renames is not held against the old names; one that is all there is to do is checked."""
        function = "CREATE OR REPLACE FUNCTION memory.f()\n RETURNS text\n LANGUAGE sql\nAS $function$select b from memory.t$function$\n"
        declared = [*table("t", "b"), thing("function", "f()")]
        changes = plan(function, real=table("t", "a"), declared=declared, renames=(("t.a", "t.b"),))
        assert sql_of(changes)[0] == "SELECT pg_catalog.set_config('check_function_bodies', 'off', true);"
        assert len(changes.changes) == 3
        assert len(plan(function, real=table("t", "b"), declared=declared, renames=(("t.a", "t.b"),)).changes) == 1

    def test_functions_may_name_what_is_made_after_them(self) -> None:
        """A function that is made beside others is not held against what is there by then; those that go need no such trust."""
        functions = [f"CREATE OR REPLACE FUNCTION memory.{name}()\n RETURNS int\n LANGUAGE sql\nAS 'select 1'" for name in "fg"]
        real = [*table("t", "a"), thing("function", "f()"), thing("function", "g()")]
        assert sql_of(plan(*functions, real=[], declared=real))[0] == "SELECT pg_catalog.set_config('check_function_bodies', 'off', true);"
        dropped = plan("DROP FUNCTION memory.f()", "DROP FUNCTION memory.g()", real=real, declared=table("t", "a"))
        assert len(dropped.changes) == 2

    def test_nothing_of_another_plugins_is_renamed(self) -> None:
        """A hint for a table that another plugin owns is refused."""
        plans = plan_schema_changes(
            [],
            plugins=[plugin(renames=(("t", "u"),))],
            real=table("t"),
            declared={"memory": table("u")},
            owned={"other": {("table", S, "", "t")}},
        )
        assert plans["memory"].refused == ("t is to be renamed, and belongs to plugin other",)


class TestForeign:
    def test_what_nobody_owns_or_declares_is_left_alone(self) -> None:
        """Objects made by hand, in the schema or on a table of the plugin, are named and not touched."""
        real = [
            *table("t", "a", "hand"),
            *table("manual", "x"),
            thing("index", "by_hand", parent="t"),
            thing("view", "v"),
            thing("function", "f()"),
        ]
        changes = plan(
            'DROP VIEW "memory"."v"',
            'DROP FUNCTION "memory"."f"()',
            'ALTER TABLE "memory"."t" DROP COLUMN "hand"',
            'DROP INDEX "memory"."by_hand"',
            'DROP TABLE "memory"."manual"',
            'DROP SCHEMA "memory"',
            real=real,
            declared=table("t", "a"),
            owned={one.identity for one in table("t", "a")},
        )
        assert changes.changes == ()
        assert changes.left_alone == (
            ("view", S, "", "v"),
            ("function", S, "", "f()"),
            ("column", S, "t", "hand"),
            ("index", S, "t", "by_hand"),
            ("table", S, "", "manual"),
            ("schema", S, "", S),
        )

    @pytest.mark.parametrize(
        ("rename", "declared", "made"),
        [
            (
                'ALTER INDEX "memory"."mine" RENAME TO "i"',
                thing("index", "i", "CREATE INDEX i ON memory.t USING btree (a)", parent="t"),
                "CREATE INDEX i ON memory.t USING btree (a);",
            ),
            (
                'ALTER TABLE "memory"."t" RENAME CONSTRAINT "mine" TO "k"',
                thing("constraint", "k", "UNIQUE (a)", parent="t"),
                'ALTER TABLE "memory"."t" ADD CONSTRAINT "k" UNIQUE (a);',
            ),
        ],
    )
    def test_what_is_declared_is_made_beside_what_is_there(self, rename: str, declared: SchemaObject, made: str) -> None:
        """An index or constraint made by hand keeps its name: the declared one is made beside it. One of the plugin's is renamed."""
        mine = thing(declared.kind, "mine", parent="t")
        real = [*table("t", "a"), mine]
        changes = plan(rename, real=real, declared=[*table("t", "a"), declared], owned={one.identity for one in table("t", "a")})
        assert sql_of(changes) == [made]
        assert changes.left_alone == (mine.identity,)
        assert sql_of(plan(rename, real=real, declared=[*table("t", "a"), declared])) == [f"{rename};"]

    def test_names_that_the_catalogue_does_not_list(self) -> None:
        """A NOT NULL constraint of the plugin's table is renamed, and so is an index that steps aside; those of others' tables are not."""
        rename = 'ALTER TABLE "memory"."t" RENAME CONSTRAINT "t_a_not_null" TO "p_a_not_null"'
        assert sql_of(plan(rename, real=table("t", "a"), declared=table("t", "a"))) == [f"{rename};"]
        assert sql_of(plan(rename, real=table("t", "a"), declared=table("u", "a"), owned=())) == []
        indexes = [thing("index", name, f"CREATE INDEX {name} ON memory.t USING btree (a)", parent="t") for name in ("i", "j")]
        things = [*table("t", "a"), *indexes]
        circle = [f'ALTER INDEX "memory"."{old}" RENAME TO "{new}"' for old, new in (("i", "aside"), ("j", "i"), ("aside", "j"))]
        assert sql_of(plan(*circle, real=things, declared=things)) == [f"{one};" for one in circle]

    def test_a_primary_key_by_hand_is_refused(self) -> None:
        """A table has no two primary keys: one made by hand under another name is for people to rename."""
        changes = plan(
            'ALTER TABLE "memory"."t" RENAME CONSTRAINT "mine" TO "t_pkey"',
            real=[*table("t", "a"), thing("constraint", "mine", "PRIMARY KEY (a)", parent="t")],
            declared=[*table("t", "a"), thing("constraint", "t_pkey", "PRIMARY KEY (a)", parent="t")],
            owned=(),
        )
        assert len(changes.refused) == 1
        assert "t.t_pkey" in changes.refused[0]
        assert "mine" in changes.refused[0]
        assert changes.changes == ()

    def test_an_index_over_a_new_name_is_made_after_the_rename(self) -> None:
        """What is made from its declaration has the new names in it, and so comes last."""
        changes = plan(
            'ALTER INDEX "memory"."mine" RENAME TO "i"',
            real=[*table("t", "a"), thing("index", "mine", parent="t")],
            declared=[*table("t", "b"), thing("index", "i", "CREATE INDEX i ON memory.t USING btree (b)", parent="t")],
            owned={one.identity for one in table("t", "a")},
            renames=(("t.a", "t.b"),),
        )
        assert sql_of(changes) == ['ALTER TABLE "memory"."t" RENAME COLUMN "a" TO "b";', "CREATE INDEX i ON memory.t USING btree (b);"]

    def test_a_table_with_a_partition_by_hand_stays(self) -> None:
        """A table that goes would take a partition along that is nobody's or another's."""
        real = [*table("p"), thing("table", "p1", "TABLE PARTITION OF memory.p DEFAULT")]
        changes = plan('DROP TABLE "memory"."p"', real=real, declared=[], owned={("table", S, "", "p")}, allow={"p"})
        assert changes.changes == ()
        assert "p1" in changes.refused[0]
        assert sql_of(plan('DROP TABLE "memory"."p"', real=real, declared=[], allow={"p"})) == ['DROP TABLE "memory"."p";']

    def test_privileges_are_left_as_they_are(self) -> None:
        """What a repeatable step granted or revoked is not undone."""
        changes = plan(
            'REVOKE SELECT ON TABLE "memory"."t" FROM PUBLIC',
            'GRANT EXECUTE ON FUNCTION "memory"."f"() TO PUBLIC',
            real=table("t"),
            declared=table("t"),
        )
        assert (changes.changes, changes.left_alone) == ((), ())


def shared(
    *statements: str,
    declared: Mapping[str, Sequence[SchemaObject]],
    owned: Mapping[str, Collection[Identity]] | None = None,
    real: Sequence[SchemaObject] = (),
) -> dict[str, PluginChanges]:
    """The plans of two plugins that share a schema."""
    return plan_schema_changes(statements, plugins=[plugin("one"), plugin("two")], real=real, declared=declared, owned=owned or {})


class TestSharing:
    def test_a_statement_goes_to_who_declares_or_owns(self) -> None:
        """In a shared schema each plugin gets what it declares or owned, and what belongs to its tables."""
        index = thing("index", "bi", parent="b")
        plans = shared(
            'DROP INDEX "memory"."bi"',
            'CREATE TABLE "memory"."a" ("x" text)',
            'ALTER TABLE "memory"."b" ADD COLUMN "y" text',
            real=[*table("b", "x"), index],
            declared={"one": table("a", "x"), "two": table("b", "x", "y")},
            owned={"two": {one.identity for one in [*table("b", "x"), index]}},
        )
        assert sql_of(plans["one"]) == ['CREATE TABLE "memory"."a" ("x" text);']
        assert sql_of(plans["two"]) == ['DROP INDEX "memory"."bi";', 'ALTER TABLE "memory"."b" ADD COLUMN "y" text;']
        assert list(plans) == ["one", "two"]

    def test_a_plugin_that_could_not_be_declared_loses_nothing(self) -> None:
        """What a plugin owns whose declaration failed looks as if it had gone, and is not touched or named."""
        real = table("b", "x")
        plans = shared('DROP TABLE "memory"."b"', real=real, declared={"one": []}, owned={"two": {one.identity for one in real}})
        assert list(plans) == ["one"]
        assert (plans["one"].changes, plans["one"].left_alone) == ((), ())

    def test_a_plugin_that_is_not_in_the_run_loses_nothing(self) -> None:
        """No plugin touches another's: what one declares that another owns, which has no say, is refused."""
        real = table("b", "x")
        plans = shared(
            'ALTER TABLE "memory"."b" ADD COLUMN "y" text',
            real=real,
            declared={"one": table("b", "x", "y"), "two": []},
            owned={"gone": {one.identity for one in real}},
        )
        assert plans["one"].changes == ()
        assert "gone" in plans["one"].refused[0]
        assert plans["two"].refused == ()

    def test_a_partition_of_anothers_table_is_refused(self) -> None:
        """To attach a partition changes the table too, which has to be the plugin's."""
        plans = shared(
            'ALTER TABLE "memory"."p" ATTACH PARTITION "memory"."c" DEFAULT',
            real=[*table("p"), *table("c")],
            declared={"one": table("c"), "two": table("p")},
        )
        assert plans["one"].changes == plans["two"].changes == ()
        assert len(plans["one"].refused) == 1

    def test_a_table_moves_from_one_plugin_to_another(self) -> None:
        """What one plugin of the run owned and another one declares is the latter's now."""
        real = table("b", "x")
        plans = shared(
            'ALTER TABLE "memory"."b" ADD COLUMN "y" text',
            real=real,
            declared={"one": table("b", "x", "y"), "two": []},
            owned={"two": {one.identity for one in real}},
        )
        assert len(plans["one"].changes) == 1
        assert plans["two"].changes == ()

    def test_an_extension_goes_to_who_creates_it(self) -> None:
        """An extension is made with the changes of the plugin that declares it."""
        statement = 'CREATE EXTENSION IF NOT EXISTS "citext" SCHEMA "public" CASCADE'
        plans = plan_schema_changes(
            [statement],
            plugins=[plugin("one"), plugin("two", "other", sql="CREATE EXTENSION citext SCHEMA public; CREATE TABLE t (a public.citext)")],
            real=[],
            declared={"one": [], "two": []},
            owned={},
        )
        assert sql_of(plans["two"]) == [f"{statement};"]

    def test_other_schemas_are_not_touched(self) -> None:
        """A statement about a schema that no plugin has goes nowhere."""
        plans = shared('DROP TABLE "elsewhere"."b"', real=table("b", schema="elsewhere"), declared={"one": [], "two": []})
        assert not any(one.changes or one.left_alone for one in plans.values())


class TestMeaning:
    def test_a_new_table_holds_nobody_off(self) -> None:
        """What is built on a table that is made in the same change takes no lock that anybody waits for; a foreign key does."""
        declared = [*table("new", "a"), *table("t", "id"), thing("index", "i", parent="new"), thing("constraint", "k", parent="new")]
        changes = plan(
            'CREATE TABLE "memory"."new" ("a" text)',
            "CREATE INDEX i ON memory.new USING btree (a)",
            'ALTER TABLE "memory"."new" ADD CONSTRAINT "k" FOREIGN KEY (a) REFERENCES memory.t(id)',
            "CREATE INDEX j ON memory.t USING btree (id)",
            real=table("t", "id"),
            declared=[*declared, thing("index", "j", parent="t")],
        )
        assert [(change.risk, change.lock) for change in changes.changes] == [
            ("safe", ""),
            ("safe", ""),
            ("safe", "ShareRowExclusiveLock"),
            ("blocking", "ShareLock"),
        ]

    def test_a_column_that_the_server_numbers_counts_on(self) -> None:
        """A serial column that becomes an identity hands its count over, and its old sequence goes."""
        sequence = thing("sequence", "t_id_seq", "SEQUENCE AS integer OWNED BY memory.t.id")
        changes = plan(
            'ALTER TABLE "memory"."t" ALTER COLUMN "id" DROP DEFAULT',
            'ALTER TABLE "memory"."t" ALTER COLUMN "id" ADD GENERATED BY DEFAULT AS IDENTITY',
            real=[*table("t", "id integer NOT NULL DEFAULT nextval('memory.t_id_seq'::regclass)"), sequence],
            declared=table("t", "id integer NOT NULL GENERATED BY DEFAULT AS IDENTITY AS integer"),
        )
        setval = (
            "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence('\"memory\".\"t\"', 'id'), last_value, is_called) "
            'FROM "memory"."t_id_seq_roost_counter";'
        )
        assert not changes.blocked
        assert sql_of(changes) == [
            'ALTER TABLE "memory"."t" ALTER COLUMN "id" DROP DEFAULT;',
            'ALTER SEQUENCE "memory"."t_id_seq" RENAME TO "t_id_seq_roost_counter";',
            'ALTER SEQUENCE "memory"."t_id_seq_roost_counter" OWNED BY NONE;',
            'ALTER TABLE "memory"."t" ALTER COLUMN "id" ADD GENERATED BY DEFAULT AS IDENTITY;',
            setval,
            'DROP SEQUENCE "memory"."t_id_seq_roost_counter";',
        ]

    def test_functions_of_one_name_are_told_apart(self) -> None:
        """An overload is found by what it takes, in whichever words a statement says it."""
        real = [thing("function", "f(integer)"), thing("function", "f(text, integer[])")]
        changes = plan('DROP FUNCTION "memory"."f"(a text, b integer[])', real=real, declared=real[:1])
        assert changes.changes[0].object == ("function", S, "", "f(text, integer[])")

    def test_nothing_to_do_is_nothing(self) -> None:
        """Each plugin has a plan, also an empty one, with its fingerprint."""
        one = plugin()
        plans = plan_schema_changes([], plugins=[one], real=[], declared={"memory": []}, owned={})
        assert plans == {"memory": PluginChanges(plugin="memory", schema=S, fingerprint=one.fingerprint)}

    def test_what_nobody_knows_is_refused(self) -> None:
        """A statement of no known form stops the whole plan."""
        with pytest.raises(SchemaUnsupported):
            plan('ALTER TABLE "memory"."t" INHERIT "memory"."u"', real=table("t"), declared=table("t"))
