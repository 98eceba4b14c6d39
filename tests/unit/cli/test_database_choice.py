from __future__ import annotations

import pytest

from roost.cli._database_choice import chosen_database

ALL = {"ROOST_DATABASE_URL": "roost", "DATABASE_URL": "plain"}


def test_option_comes_first() -> None:
    """The option is heard before everything else."""
    assert chosen_database("option", environment=ALL, project="project", has_own=True) == "option"


def test_roosts_variable_comes_before_the_plain_one() -> None:
    """ROOST_DATABASE_URL is heard before DATABASE_URL, and both before the project."""
    assert chosen_database(None, environment=ALL, project="project", has_own=True) == "roost"
    assert chosen_database(None, environment={"DATABASE_URL": "plain"}, project="project", has_own=True) == "plain"


def test_empty_variable_is_unset() -> None:
    """An empty variable counts as unset."""
    assert chosen_database(None, environment={"ROOST_DATABASE_URL": "", "DATABASE_URL": ""}, project="project", has_own=True) == "project"


def test_empty_option_is_heard() -> None:
    """An empty option is what somebody said, and is refused later as no URL."""
    assert chosen_database("", environment=ALL, project="project", has_own=True) == ""


def test_nothing_said_leaves_the_runtimes_own() -> None:
    """Without any of them the runtime keeps its database."""
    assert chosen_database(None, environment={}, project=None, has_own=True) is None


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR", "PGDATABASE"])
def test_postgresqls_variables_are_the_last_resort(variable: str) -> None:
    """Where nothing names a database, the variables of PostgreSQL's own clients do."""
    assert chosen_database(None, environment={variable: "here"}, project=None, has_own=False) == "postgresql://"


def test_service_of_postgresqls_variables() -> None:
    """PGSERVICE names a section of the service file."""
    assert chosen_database(None, environment={"PGSERVICE": "main", "PGHOST": "here"}, project=None, has_own=False) == "service=main"


def test_postgresqls_variables_come_behind_all_else() -> None:
    """They are not heard where something else names a database, nor where they say only how to reach one."""
    here = {"PGHOST": "here"}
    assert chosen_database(None, environment=here, project=None, has_own=True) is None
    assert chosen_database(None, environment=here, project="project", has_own=False) == "project"
    assert chosen_database(None, environment=here | ALL, project=None, has_own=False) == "roost"
    assert chosen_database(None, environment={"PGUSER": "me", "PGHOST": ""}, project=None, has_own=False) is None
