from __future__ import annotations

from pathlib import Path

import pytest

from roost.errors import InvalidSqlFile, StepsOutOfOrder
from roost.migrations import MigrationStep, SqlMigrationService, SqlText, load_sql_steps
from roost.migrations._fingerprint import fingerprint_of
from roost.migrations._plan import AppliedStep, PluginState
from roost.migrations._planner import plan_chain
from roost.migrations._repeatable_files import read_repeatable

GOOSE = """-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$
-- +goose StatementEnd
CREATE TABLE t (id int);

-- +goose Down
DROP TABLE t;
DROP FUNCTION one;
"""


def write(folder: Path, **files: str) -> Path:
    """Write files, named by keyword with two underscores for a dot, and a tilde for two underscores."""
    for name, text in files.items():
        (folder / name.replace("__", ".").replace("~", "__")).write_text(text)
    return folder


def ids(steps: list[MigrationStep]) -> list[str]:
    return [step.id for step in steps]


def state_of(steps: list[MigrationStep], *applied: str) -> PluginState:
    """Return a ledger in which these steps are applied, in this order."""
    by_id = {step.id: step for step in steps}
    rows = (
        AppliedStep(
            step=name,
            version="1",
            state="done",
            fingerprint=fingerprint_of(by_id[name]),
            chain=name,
            breaking=False,
            requires=(),
            run=1,
        )
        for name in applied
    )
    return PluginState(version=None, applied=tuple(rows))


def test_goose(tmp_path: Path) -> None:
    """Annotations part a file, which keeps its lines; a statement that StatementEnd ends gets the semicolon that it may lack."""
    (step,) = load_sql_steps(write(tmp_path, **{"00001_first_one__sql": GOOSE}), version="1.0.0")
    assert (step.id, step.description, step.version, step.transactional) == ("00001_first_one", "first one", "1.0.0", True)
    assert str(step.up).splitlines() == [
        "-- +goose StatementBegin",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$",
        ";-- +goose StatementEnd",
        "CREATE TABLE t (id int);",
        "",
    ]
    assert str(step.down) == "DROP TABLE t;\nDROP FUNCTION one;\n"
    assert isinstance(step.up, SqlText)
    assert isinstance(step.down, SqlText)
    assert (step.up.first_line, step.down.first_line) == (2, 8)


def test_goose_in_other_spellings(tmp_path: Path) -> None:
    """Annotations are of any case; the semicolon that is there is not put a second time; NO TRANSACTION counts for the whole file."""
    text = "-- a comment\n--+GOOSE no transaction\n-- +goose up\n-- +goose statementbegin\nSELECT 1; -- one\n-- +goose statementend\n"
    (step,) = load_sql_steps(write(tmp_path, **{"1_a__sql": text}))
    assert (str(step.up).count(";"), step.down, step.transactional) == (1, None, False)


def test_goose_goes_by_numbers(tmp_path: Path) -> None:
    """The order is that of the numbers, and not of the names; of dbmate's and plain files it is that of the names."""
    files = {f"{name}__sql": GOOSE for name in ("10_b", "2_c", "1_a", "20240101000000_d")}
    assert ids(load_sql_steps(write(tmp_path, **files))) == ["1_a", "2_c", "10_b", "20240101000000_d"]
    plain = tmp_path / "plain"
    plain.mkdir()
    assert ids(load_sql_steps(write(plain, **{"10_b__sql": "B", "2_c__sql": "-- migrate:up\nC"}))) == ["10_b", "2_c"]


def test_golang_migrate(tmp_path: Path) -> None:
    """Numbered pairs go by number; BEGIN and COMMIT around them are blanked out; what refuses a transaction runs outside of one."""
    files = {
        "10_b__up__sql": "-- why\n BEGIN ;\nCREATE TABLE b ();\nCOMMIT; -- done\n",
        "10_b__down__sql": "start transaction;DROP TABLE b;end",
        "2_c__up__sql": "CREATE INDEX CONCURRENTLY i ON a (b);",
        "2_c__down__sql": "DROP INDEX i;",
        "1_a__up__sql": "DO $$ BEGIN PERFORM 1; END $$; COMMIT;",
    }
    steps = load_sql_steps(write(tmp_path, **files))
    assert [(step.id, step.transactional) for step in steps] == [("1_a", True), ("2_c", False), ("10_b", True)]
    assert str(steps[2].up) == "-- why\n        \nCREATE TABLE b ();\n        -- done\n"
    assert str(steps[2].down).strip() == "DROP TABLE b;"
    assert str(steps[0].up) == files["1_a__up__sql"]
    assert steps[0].down is None


def test_a_pair_is_read_by_itself(tmp_path: Path) -> None:
    """A file that comes to lie beside a numbered pair makes no other step of it, which would count as an edit of one that is applied."""
    files = {
        "1_a__up__sql": "BEGIN;\nCREATE TABLE a ();\nCOMMIT;",
        "1_a__down__sql": "BEGIN;\nDROP TABLE a;\nCOMMIT;",
        "2_b__up__sql": "VACUUM",
    }
    alone = load_sql_steps(write(tmp_path, **files))
    beside = load_sql_steps(write(tmp_path, **{"3_c__sql": "CREATE TABLE c ();"}))
    assert beside[:2] == alone
    assert [step.transactional for step in beside] == [True, False, True]


def test_pairs_that_were_applied_by_name(tmp_path: Path) -> None:
    """What was applied in the order of names, before pairs went by number, counts as it is; nothing is run behind a later one."""
    names = ("1_a", "2_b", "10_c", "11_d")
    steps = load_sql_steps(write(tmp_path, **{f"{name}__up__sql": f"CREATE TABLE {name[-1]} ()" for name in names}), version="1")
    assert ids(steps) == list(names)
    state = state_of(steps, "10_c", "1_a", "2_b")
    plan = plan_chain(steps, state, plugin="notes", policy="strict")
    assert ([one.step.id for one in plan.steps], plan.changed, plan.notices) == (["11_d"], (), ())
    with pytest.raises(StepsOutOfOrder) as caught:
        plan_chain(steps, state_of(steps, "10_c", "1_a"), plugin="notes", policy="strict")
    assert (caught.value.steps, caught.value.applied) == (("2_b",), "10_c")


def test_flyway(tmp_path: Path) -> None:
    """The order is that of the versions, a way back is found by its version, and R files are repeatable."""
    files = {
        "V1_10~ten__sql": "CREATE INDEX CONCURRENTLY i ON a (b);",
        "V1.2~two_words__sql": "CREATE TABLE two ();",
        "V1~one__sql": "CREATE TABLE one ();",
        "U1_2~anything__sql": "DROP TABLE two;",
        "R~a_view__sql": "CREATE OR REPLACE VIEW v AS SELECT 1;",
        "V3~set__sql": "SELECT '${kept}'",
    }
    folder = write(tmp_path, **{name.replace("1.2", "1_2"): text for name, text in files.items()})
    (folder / "V3__set.sql.conf").write_text("# settings\nplaceholderReplacement=false\nexecuteInTransaction = false\nencoding=UTF-8\n")
    steps = load_sql_steps(folder)
    assert [(step.id, step.description, step.down, step.transactional) for step in steps] == [
        ("V1__one", "one", None, True),
        ("V1_2__two_words", "two words", "DROP TABLE two;", True),
        ("V1_10__ten", "ten", None, False),
        ("V3__set", "set", None, False),
    ]
    (again,) = read_repeatable(folder)
    assert (again.id, again.description) == ("R__a_view", "a view")


def test_the_manifest_lists_what_decides(tmp_path: Path) -> None:
    """Repeatable files and settings of Flyway's are listed, so that a change of them is one; in other layouts they are left alone."""
    folder = write(tmp_path, **{"V1~one__sql": "SELECT 1", "R~view__sql": "SELECT 2", "V1~one__sql__conf": "executeInTransaction=true"})

    class Migrations(SqlMigrationService):
        directory = folder

    assert Migrations().write_manifest().added == ("R__view.sql", "V1__one.sql", "V1__one.sql.conf")
    before = Migrations().manifest_hash()
    write(folder, **{"V1~one__sql__conf": "executeInTransaction=false"})
    assert Migrations().write_manifest().changed == ("V1__one.sql.conf",)
    assert Migrations().manifest_hash() != before
    other = tmp_path / "other"
    other.mkdir()
    (step,) = load_sql_steps(write(other, a__sql="SELECT 1", a__sql__conf="nonsense", **{"3_x__go": "package x"}))
    assert step.id == "a"


@pytest.mark.parametrize(
    ("files", "reason", "line"),
    [
        ({"1_a__sql": GOOSE, "2_b__sql": "SELECT 1"}, "has no '-- +goose Up'", None),
        ({"1_a__sql": GOOSE, "b__sql": GOOSE}, "begin with a number and an underscore", None),
        ({"1_a__sql": GOOSE, "01_b__sql": GOOSE}, "its number is that of 01_b", None),
        ({"1_a__sql": GOOSE, "2_b__go": "package b"}, "a migration in Go", None),
        ({"1_a__sql": "-- +goose Down\nX"}, "one Up, then at most one Down", 1),
        ({"1_a__sql": f"{GOOSE}-- +goose Down\n"}, "one Up, then at most one Down", 10),
        ({"1_a__sql": "SELECT 1;\n-- +goose Up\nX"}, "SQL stands before it", 2),
        ({"1_a__sql": "-- +goose Up\n-- +goose StatementBegin\nX"}, "no '-- +goose StatementEnd' ends", 2),
        ({"1_a__sql": "-- +goose Up\nX\n-- +goose StatementEnd"}, "no statement has begun", 3),
        ({"1_a__sql": "-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementBegin"}, "begins no statement here", 3),
        ({"1_a__sql": "-- +goose NO TRANSACTION\nSELECT 1;"}, "it has no '-- +goose Up'", None),
        ({"1_a__sql": "-- +goose ENVSUB ON\n-- +goose Up\nSELECT '$X';"}, "no variables of the environment", 1),
        ({"1_a__sql": "-- +goose Up\n-- +goose Sideways\n"}, "goose has no such annotation", 2),
        ({"1_a__sql": f"-- migrate:up\n{GOOSE}"}, "markers of dbmate and annotations of goose", None),
        ({"1_a__sql": GOOSE, "V1~b__sql": "X"}, "one folder has the order of one tool", None),
        ({"V1~a__sql": "A", "b__sql": "B"}, "callbacks and baselines don't run", None),
        ({"V1~a__sql": "A", "B2~b__sql": "B"}, "callbacks and baselines don't run", None),
        ({"V1~a__sql": "A", "V1_0~b__sql": "B"}, "its version is that of V1", None),
        ({"V1~a__sql": "A", "U2~b__sql": "B"}, "undoes a step that is not there", None),
        ({"V1~a__sql": "SELECT 1;\nSELECT '${name}';"}, "${name} is a placeholder", 2),
        ({"V1~a__sql": "A", "U1~a__sql": "SELECT '${name}';"}, "${name} is a placeholder", 1),
        ({"V1~a__sql": "A", "R~a__sql": "SELECT '${name}';"}, "${name} is a placeholder", 1),
        ({"V1~a__sql": "A", "R~a__sql": "A", "R~a__sql__conf": "executeInTransaction=false"}, "runs in a transaction", None),
        ({"V1~a__sql": "A", "V1~a__sql__conf": "\nshouldExecute=false"}, "does not know what 'shouldExecute=false' wants", 2),
        ({"V1~a__sql": "A", "V1~a__sql__conf": "executeInTransaction=maybe"}, "does not know what", 1),
        ({"V1~a__sql": "-- migrate:up\nA"}, "markers of dbmate; rename it", None),
        ({"10_b__up__sql": "B", "2_c__up__sql": "C", "plain__sql": "P"}, "same count of digits", None),
    ],
)
def test_what_is_refused(tmp_path: Path, files: dict[str, str], reason: str, line: int | None) -> None:
    """What another tool would do and roost does not, and an order that two tools see differently, is refused by name, reason and line."""
    with pytest.raises(InvalidSqlFile) as caught:
        load_sql_steps(write(tmp_path, **files))
    assert reason in caught.value.reason
    assert caught.value.line == line
