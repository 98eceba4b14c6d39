from __future__ import annotations

from dataclasses import replace

import pytest

from roost.cli._findings import Finding, findings_table, of_database, of_declared_schemas, of_packages, of_steps
from roost.cli._requirements import ExtraState
from roost.errors import InvalidSqlFile
from roost.migrations import DatabaseExamination, LongTransaction, StepsCheck

SEEN = DatabaseExamination(
    location="db.example:5432/app",
    round_trip=0.0012,
    is_encrypted=True,
    server_version="18.1",
    server_version_num=180001,
    server_encoding="UTF8",
    is_standby=False,
    is_durable=True,
    notices_gone_clients=True,
    connections=3,
    max_connections=100,
    pooling=None,
    role="migrator",
    may_create_schemas=True,
    may_create_databases=True,
    ledger_owner="migrator",
    ledger_is_ours=True,
    ledger_version=5,
    oldest_reader=1,
    application_reads_ledger=None,
    application_role=None,
    long_transactions=(),
)


def test_a_database_in_order_has_nothing_to_mend() -> None:
    """Where all is well each check is fine, and none has a remedy."""
    findings = [*of_database(SEEN, declares_schema=True)]
    assert {one.verdict for one in findings} == {"fine"}
    assert not any(one.remedy for one in findings)


@pytest.mark.parametrize(
    ("seen", "check", "verdict", "said", "remedy"),
    [
        (replace(SEEN, is_encrypted=False), "connection", "warning", "not encrypted", "sslmode=verify-full"),
        (replace(SEEN, is_standby=True), "server", "wrong", "a standby", "name the primary"),
        (replace(SEEN, server_version="13.9", server_version_num=130009), "server", "wrong", "13.9", "PostgreSQL 14 and later"),
        (replace(SEEN, is_durable=False), "server", "warning", "fsync is off", ""),
        (replace(SEEN, server_encoding="LATIN1"), "server", "warning", "LATIN1", ""),
        (replace(SEEN, notices_gone_clients=False), "server", "warning", "keeps the lock until that ends", ""),
        (replace(SEEN, pooling="transaction"), "pooler", "warning", "shares server processes", "migration_url"),
        (replace(SEEN, may_create_schemas=False), "rights", "warning", "may not create schemas", "GRANT CREATE ON DATABASE"),
        (
            replace(SEEN, may_create_schemas=False, ledger_owner=None, ledger_version=None),
            "rights",
            "wrong",
            "the ledger is to be one",
            "GRANT CREATE ON DATABASE",
        ),
        (replace(SEEN, ledger_version=99, oldest_reader=99), "ledger", "wrong", "newer roost", "pip install --upgrade roost"),
        (replace(SEEN, ledger_owner="boss", ledger_is_ours=False), "ledger", "wrong", "belongs to boss", "GRANT boss TO migrator"),
        (replace(SEEN, ledger_version=None, oldest_reader=None), "ledger", "wrong", "is no ledger", "psql"),
        (
            replace(SEEN, application_role="web", application_reads_ledger=False),
            "application",
            "wrong",
            "web may not read the ledger",
            "roost grant web",
        ),
        (replace(SEEN, may_create_databases=False), "scratch", "warning", "scratch database", "ALTER ROLE migrator CREATEDB"),
        (replace(SEEN, connections=90), "connections", "warning", "90 of 100", "max_connections"),
        (
            replace(SEEN, long_transactions=(LongTransaction(pid=7, application_name="report", seconds=90),)),
            "transactions",
            "warning",
            "process 7 (report) has had one open for 90 s",
            "pg_terminate_backend(7)",
        ),
    ],
)
def test_what_is_not_in_order(seen: DatabaseExamination, check: str, verdict: str, said: str, remedy: str) -> None:
    """Each thing that can be in the way is found, alone, with what to do about it."""
    odd = [one for one in of_database(seen, declares_schema=True) if one.verdict != "fine"]
    assert [(one.check, one.verdict) for one in odd] == [(check, verdict)]
    assert said in odd[0].message
    assert remedy in odd[0].remedy


@pytest.mark.parametrize("location", ["/run/postgresql:5432/app", "localhost:5432/app", "127.0.0.1:5432/app", "[::1]:5432/app"])
def test_a_line_on_this_machine_needs_no_encryption(location: str) -> None:
    """A socket and a loopback address are heard by nobody else."""
    assert {one.verdict for one in of_database(replace(SEEN, location=location, is_encrypted=False), declares_schema=False)} == {"fine"}


def test_a_ledger_that_is_not_there_yet_is_fine() -> None:
    """The first run makes it; a role that can read it already is fine too, and named."""
    new = replace(SEEN, ledger_owner=None, ledger_version=None, oldest_reader=None, ledger_is_ours=False, application_role="web")
    findings = {one.check: one for one in of_database(new, declares_schema=False)}
    assert findings["ledger"] == Finding(check="ledger", verdict="fine", message="none yet; the first roost up makes it")
    assert findings["application"] == Finding(check="application", verdict="fine", message="its role is web")


def test_extras() -> None:
    """A missing extra is named, is wrong only where a plugin needs it, and other versions than those that were tried are told of."""
    schema = ExtraState(name="schema", missing=("pgmig",), unfit=())
    sql = ExtraState(name="sql", missing=(), unfit=("postgast 9.0",))
    findings = [*of_packages([schema, sql], versions="Python 3.11")]
    assert [(one.check, one.verdict) for one in findings] == [("versions", "fine"), ("packages", "warning"), ("extras", "fine")]
    assert (findings[1].message, findings[1].remedy) == (
        "the extra sql is tried with other versions: postgast 9.0",
        "pip install --upgrade 'roost[sql]'",
    )
    assert findings[2].message == "there: sql; not there: schema"
    assert [*of_declared_schemas([schema, sql], plugins=[])] == []
    (needed,) = of_declared_schemas([schema, sql], plugins=["memory"])
    assert (needed.verdict, needed.remedy) == ("wrong", "pip install 'roost[schema]'")
    assert "memory declare a schema, and pgmig is not installed" in needed.message


def test_steps_that_can_not_be_loaded() -> None:
    """Each is told of in one line; where all can be, they are counted."""
    good = StepsCheck(plugin="notes", service_name="notes-migration", steps=3)
    bad = StepsCheck(plugin="tags", service_name="tags-migration", steps=None, error=InvalidSqlFile(path="a.sql", reason="it is\nno text"))
    assert [one.message for one in of_steps([good, bad])] == ["tags: Invalid migration file a.sql: it is"]
    assert [one.message for one in of_steps([good])] == ["3 steps of 1 service, all of which can be loaded"]


def test_the_table_shows_the_remedy_below_what_was_seen() -> None:
    """What to do stands where it is read."""
    table = findings_table([Finding(check="rights", verdict="wrong", message="no right", remedy="GRANT it")])
    assert [str(cell) for column in table.columns for cell in column.cells] == ["rights", "wrong", "no right\nhint: GRANT it"]
