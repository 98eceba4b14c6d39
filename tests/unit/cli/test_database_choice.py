from __future__ import annotations

from roost.cli._database_choice import chosen_database

ALL = {"ROOST_DATABASE_URL": "roost", "DATABASE_URL": "plain"}


def test_option_comes_first() -> None:
    """The option is heard before everything else."""
    assert chosen_database("option", environment=ALL, project="project") == "option"


def test_roosts_variable_comes_before_the_plain_one() -> None:
    """ROOST_DATABASE_URL is heard before DATABASE_URL, and both before the project."""
    assert chosen_database(None, environment=ALL, project="project") == "roost"
    assert chosen_database(None, environment={"DATABASE_URL": "plain"}, project="project") == "plain"


def test_empty_variable_is_unset() -> None:
    """An empty variable counts as unset."""
    assert chosen_database(None, environment={"ROOST_DATABASE_URL": "", "DATABASE_URL": ""}, project="project") == "project"


def test_empty_option_is_heard() -> None:
    """An empty option is what somebody said, and is refused later as no URL."""
    assert chosen_database("", environment=ALL, project="project") == ""


def test_nothing_said_leaves_the_runtimes_own() -> None:
    """Without any of them the runtime keeps its database."""
    assert chosen_database(None, environment={}, project=None) is None
