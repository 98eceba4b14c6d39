"""Statements about large tables are taken apart where that means the same, and stay as they are where it is not proven to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from roost.schema import Identity, SchemaChange, SchemaObject
from roost.schema._classification import read_statement
from roost.schema._online import Split, beside_others
from roost.schema._temporary_names import is_temporary, temporary_name

T, LARGE = ("app", "t"), frozenset({("app", "t")})
COLUMNS = {"id": "integer NOT NULL", "a": "integer", "b": "text", "s": 'text COLLATE "C"'}


def thing(kind: str, name: str, definition: str, *, parent: str = "t") -> SchemaObject:
    return SchemaObject(kind=kind, schema="app", parent=parent, name=name, definition=definition)


def changes_of(*statements: str) -> list[SchemaChange]:
    readings = [read_statement(sql) for sql in statements]
    return [
        SchemaChange(
            sql=one.sql, object=_with_parent(one.object), verb=one.verb, lock=one.lock, risk=one.risk, why=one.why, is_reversible=True
        )
        for one in readings
    ]


def _with_parent(of: Identity) -> Identity:
    return ("index", of[1], "t", of[3]) if of[0] == "index" and not of[2] else of


def split(*statements: str, before: Sequence[str] = (), real: Sequence[SchemaObject] = ()) -> Split:
    there = [thing("column", name, definition) for name, definition in COLUMNS.items()]
    there += [thing("column", "id", "integer NOT NULL", parent="r"), *real]
    objects: Mapping[Identity, SchemaObject] = {one.identity: one for one in there}
    return beside_others(changes_of(*statements), before=changes_of(*before), large=LARGE, real=objects)


def sql_of(found: Split) -> list[list[str]]:
    """Return the statements of each part, the main transaction first."""
    return [[change.sql for change in part] for part in (found.changes, *(stage.changes for stage in found.apart))]


CHECK = "ALTER TABLE app.t ADD CONSTRAINT k CHECK (a > 0);"
KEY = "ALTER TABLE app.t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES app.r(id);"
UNIQUE = "ALTER TABLE app.t ADD CONSTRAINT k UNIQUE (a);"
PRIMARY = "ALTER TABLE app.t ADD CONSTRAINT k PRIMARY KEY (id);"
STRICT = "ALTER TABLE app.t ALTER COLUMN a SET NOT NULL;"
INDEX = "CREATE INDEX k ON app.t USING btree (a);"
UNIQUE_INDEX = "CREATE UNIQUE INDEX k ON app.t USING btree (a);"
ALL = [CHECK, KEY, UNIQUE, PRIMARY, STRICT, INDEX, UNIQUE_INDEX]


def test_a_rule_is_made_first_and_then_looked_at() -> None:
    """A check holds for new rows at once; that it holds for old ones is found out beside others, and counted before anything is done."""
    found = split(CHECK)
    assert sql_of(found) == [
        ["ALTER TABLE app.t ADD CONSTRAINT k CHECK (a > 0) NOT VALID;"],
        ['ALTER TABLE "app"."t" VALIDATE CONSTRAINT "k";'],
        [],
    ]
    assert len(found.counts) == 1
    (_, looking) = (found.changes[0], found.apart[0].changes[0])
    assert (looking.risk, looking.lock) == ("safe", "ShareUpdateExclusiveLock")


def test_not_null_goes_by_a_check_that_is_gone_afterwards() -> None:
    """The server takes a check that holds for a proof, so it need not read the table."""
    found = split(STRICT)
    name = temporary_name("not null", "app", "t", "a")
    assert sql_of(found) == [
        [f'ALTER TABLE "app"."t" ADD CONSTRAINT {name} CHECK ("a" IS NOT NULL) NOT VALID;'],
        [f'ALTER TABLE "app"."t" VALIDATE CONSTRAINT "{name}";'],
        ['ALTER TABLE "app"."t" ALTER COLUMN "a" SET NOT NULL;', f'ALTER TABLE "app"."t" DROP CONSTRAINT {name};'],
    ]
    assert found.made_meanwhile == {name}


@pytest.mark.parametrize(("definition", "looks"), [("CHECK ((a IS NOT NULL)) NOT VALID", True), ("CHECK ((a IS NOT NULL))", False)])
def test_a_check_that_is_left_is_taken_up(definition: str, looks: bool) -> None:  # noqa: FBT001 -- one of two cases
    """What an interrupted change has made is not made again, and where it was found to hold the table is not read again."""
    name = temporary_name("not null", "app", "t", "a")
    found = split(STRICT, real=[thing("constraint", name, definition)])
    assert sum("VALIDATE" in sql for part in sql_of(found) for sql in part) == looks
    assert not any(" ADD CONSTRAINT " in sql for part in sql_of(found) for sql in part)
    assert len(sql_of(found)) == (3 if looks else 1)
    assert bool(found.counts) is looks


def test_an_index_is_built_outside_a_transaction() -> None:
    """Its comment follows it; what is said of others stays."""
    found = split("COMMENT ON INDEX app.other IS 'x';", INDEX, "COMMENT ON INDEX app.k IS 'y';")
    assert sql_of(found) == [
        ["COMMENT ON INDEX app.other IS 'x';"],
        ["CREATE INDEX CONCURRENTLY k ON app.t USING btree (a);"],
        ["COMMENT ON INDEX app.k IS 'y';"],
    ]
    assert [stage.is_transaction for stage in found.apart] == [False, True]
    assert found.counts == ()


def test_a_key_takes_an_index_that_was_built_before() -> None:
    """What the constraint says of NULLs, other columns and when it is checked is kept; a primary key's columns are NOT NULL before."""
    found = split('ALTER TABLE app.t ADD CONSTRAINT "K" UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (id) DEFERRABLE INITIALLY DEFERRED;')
    (name,) = found.made_meanwhile
    assert sql_of(found) == [
        [],
        [f'CREATE UNIQUE INDEX CONCURRENTLY {name} ON "app"."t" ("a", "b") INCLUDE ("id") NULLS NOT DISTINCT;'],
        [f'ALTER TABLE "app"."t" ADD CONSTRAINT "K" UNIQUE USING INDEX {name} DEFERRABLE INITIALLY DEFERRED;'],
    ]
    primary = split("ALTER TABLE app.t ADD CONSTRAINT k PRIMARY KEY (id, a);")
    last = sql_of(primary)[-1]
    assert [sql.split()[-1].rstrip(";") for sql in last[:1]] == ["NULL"]
    assert last[-1].startswith('ALTER TABLE "app"."t" ADD CONSTRAINT "k" PRIMARY KEY USING INDEX roost_')
    assert len(primary.counts) == 2  # the NULLs of the one column that may have any, and the duplicates


def test_an_old_index_serves_until_the_new_one_is_there() -> None:
    """Under its name another is built, and the two change places in one transaction; so do those that go while others come."""
    old = [thing("index", "k", "CREATE INDEX k ON app.t USING btree (b)"), thing("constraint", "u", "UNIQUE (b)")]
    drops = ["DROP INDEX app.k;", "ALTER TABLE app.t DROP CONSTRAINT u;"]
    found = split(drops[0], INDEX, drops[1], real=old)
    (name,) = found.made_meanwhile
    assert sql_of(found) == [
        [],
        [f"CREATE INDEX CONCURRENTLY {name} ON app.t USING btree (a);"],
        [*drops, f'ALTER INDEX "app".{name} RENAME TO "k";'],
    ]
    built = split(drops[0], INDEX, drops[1], real=[*old, thing("index", name, f"CREATE INDEX {name} ON app.t USING btree (a)")])
    assert sql_of(built) == [[*drops, f'ALTER INDEX "app".{name} RENAME TO "k";']]
    invalid = split(drops[0], INDEX, real=[thing("index", "k", "CREATE INDEX k ON app.t USING btree (b) INVALID")])
    assert sql_of(invalid) == [[drops[0]], ["CREATE INDEX CONCURRENTLY k ON app.t USING btree (a);"], []]


def test_what_may_need_an_index_dropped_before_keeps_it_in_its_place() -> None:
    """Where a column goes or changes its type, or an index takes the name, the old one is dropped in the main transaction."""
    old = [thing("index", "k", "CREATE INDEX k ON app.t USING btree (b)"), thing("index", "l", "CREATE INDEX l ON app.t USING btree (b)")]
    for other in ("ALTER TABLE app.t DROP COLUMN b;", "ALTER TABLE app.t ALTER COLUMN b TYPE int;", "DROP FUNCTION app.f(int);"):
        assert sql_of(split("DROP INDEX app.k;", other, INDEX, real=old)) == [["DROP INDEX app.k;", other, INDEX]]
    unique = [thing("constraint", "u", "UNIQUE (b)")]
    taken = ["ALTER TABLE app.t DROP CONSTRAINT u;", "ALTER TABLE app.q ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES app.t(b);"]
    assert sql_of(split(*taken, INDEX, real=unique))[0] == taken
    renamed = split("DROP INDEX app.k;", "ALTER INDEX app.l RENAME TO k;", "CREATE INDEX l ON app.t USING btree (a);", real=old)
    assert sql_of(renamed)[0] == ["DROP INDEX app.k;", "ALTER INDEX app.l RENAME TO k;"]


@pytest.mark.parametrize("statement", ALL)
def test_only_large_tables_are_spared(statement: str) -> None:
    """Of a table that is small, new, goes, or becomes a partition, each statement stays as it is."""
    (change,) = changes_of(statement)
    assert beside_others([change], before=(), large=(), real={}) == Split(changes=(change,))
    for other in ("CREATE TABLE app.t (a int);", "DROP TABLE app.t;", "ALTER TABLE app.p ATTACH PARTITION app.t DEFAULT;"):
        assert sql_of(split(other, statement)) == [[other, statement]]
    assert len(sql_of(split(statement))) > 1


@pytest.mark.parametrize(
    ("statement", "other"),
    [
        *[(statement, "ALTER TABLE app.t ALTER COLUMN a TYPE bigint;") for statement in (CHECK, KEY, UNIQUE, STRICT, UNIQUE_INDEX)],
        *[(statement, "ALTER TABLE app.t ADD COLUMN a integer DEFAULT 3;") for statement in (CHECK, KEY, UNIQUE, STRICT, UNIQUE_INDEX)],
        (CHECK, "ALTER TABLE app.t ADD COLUMN a integer;"),
        (KEY, "ALTER TABLE app.r ALTER COLUMN id TYPE bigint;"),
        *[(statement, "ALTER TABLE app.q ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES app.t(a);") for statement in (UNIQUE, PRIMARY)],
        (UNIQUE_INDEX, "ALTER TABLE app.q ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES app.t(a);"),
        *[(statement, "CREATE VIEW app.v AS SELECT a FROM app.t GROUP BY id;") for statement in (UNIQUE, PRIMARY)],
        *[(statement, "ALTER TABLE app.t REPLICA IDENTITY USING INDEX k;") for statement in (UNIQUE, PRIMARY, STRICT, UNIQUE_INDEX)],
        (UNIQUE, "CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT a FROM app.t';"),
        (UNIQUE, "CREATE FUNCTION app.f() RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM 1 FROM k; END';"),
        (INDEX, "ALTER TABLE app.t CLUSTER ON k;"),
        (INDEX, "ALTER INDEX app.k SET (fillfactor = 70);"),
        (STRICT, "ALTER TABLE app.t ALTER COLUMN a ADD GENERATED ALWAYS AS IDENTITY;"),
        (STRICT, "ALTER TABLE app.t ADD CONSTRAINT p PRIMARY KEY (a) WITH (fillfactor = 70);"),
    ],
)
def test_what_something_else_depends_on_stays(statement: str, other: str) -> None:
    """Where another statement changes what it is about, or needs it to be there, it stays in the one transaction."""
    for order in ((other, statement), (statement, other)):
        assert sql_of(split(*order)) == [list(order)]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE app.t ADD CONSTRAINT k EXCLUDE USING gist (a WITH =);",
        "ALTER TABLE app.t ADD CONSTRAINT k UNIQUE (a) WITH (fillfactor = 70);",
        "ALTER TABLE app.t ADD CONSTRAINT k CHECK (t IS NOT NULL AND (t.*) IS NOT NULL);",
        "ALTER TABLE app.t ADD CONSTRAINT k CHECK (a > 0) NOT VALID;",
        "ALTER TABLE app.t ADD CONSTRAINT k FOREIGN KEY (s) REFERENCES app.r(id);",
        "CREATE UNIQUE INDEX k ON app.t USING btree (b text_pattern_ops);",
        "ALTER TABLE app.t DROP CONSTRAINT k;",
        "ALTER TABLE app.t ALTER COLUMN a DROP NOT NULL;",
    ],
)
def test_forms_that_stay(statement: str) -> None:
    """What has no other form, or whose rows could not be counted before, stays as it is."""
    assert sql_of(split(statement)) == [[statement]]


def test_code_that_changes_too() -> None:
    """A rule that calls a function of somebody stays where functions or types change, also those that were committed before."""
    rule = "ALTER TABLE app.t ADD CONSTRAINT k CHECK (app.f(a));"
    function = "CREATE OR REPLACE FUNCTION app.f(integer) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
    assert sql_of(split(function, rule)) == [[function, rule]]
    assert sql_of(split(rule, before=["ALTER TYPE app.mood ADD VALUE 'x';"])) == [[rule]]
    assert len(sql_of(split(function, CHECK))) == 3
    trigger = "CREATE FUNCTION app.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
    assert len(sql_of(split(trigger, UNIQUE))) == 3


def test_new_columns_that_are_empty() -> None:
    """A column that is new and empty in each row violates nothing, so there is nothing to be counted."""
    added = "ALTER TABLE app.t ADD COLUMN n text;"
    for statement in (
        "CREATE INDEX k ON app.t USING btree (n);",
        "CREATE UNIQUE INDEX k ON app.t USING btree (n);",
        "ALTER TABLE app.t ADD CONSTRAINT k FOREIGN KEY (n) REFERENCES app.r(id);",
        "ALTER TABLE app.t ADD CONSTRAINT k UNIQUE (n);",
    ):
        found = split(added, statement)
        assert (found.counts, sql_of(found)[0][0], len(found.apart)) == ((), added, 2)


def test_names_of_what_stands_in() -> None:
    """They are known again, differ for different things, and no name that people give is taken for one."""
    names = {temporary_name("key", "app", "t", part) for part in ("a", "b")}
    assert len(names) == 2
    assert all(is_temporary(("index", "app", "t", name)) for name in names)
    assert not is_temporary(("table", "app", "", next(iter(names))))
    assert not is_temporary(("index", "app", "t", "roost_by_name"))
