from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from roost.errors import InvalidConfiguration
from roost.migrations import MigrationConfig

SECONDS = ("retry_delay", "retry_max_delay", "run_lock_timeout", "lock_timeout", "lock_wait_budget", "schema_timeout")


def refusal(**fields: Any) -> InvalidConfiguration:
    with pytest.raises(InvalidConfiguration) as caught:
        MigrationConfig(**fields)
    return caught.value


def test_defaults() -> None:
    """The defaults are part of what is promised."""
    assert asdict(MigrationConfig()) == {
        "max_retries": 3,
        "retry_delay": 1.0,
        "retry_max_delay": 10.0,
        "run_lock_timeout": 60.0,
        "lock_timeout": 0.2,
        "lock_wait_budget": 30.0,
        "statement_timeout": None,
        "policy": "strict",
        "track_history": True,
        "allow_data_loss": frozenset(),
        "scratch_url": None,
        "schema_timeout": 300.0,
        "large_table_bytes": 16 * 2**20,
    }


def test_all_values_are_named() -> None:
    """A value is given by its name; two numbers in a row would say nothing."""
    with pytest.raises(TypeError, match="positional argument"):
        MigrationConfig(3)  # type: ignore[call-arg]  # that it is refused is the point


def test_a_size_is_none_or_not_negative() -> None:
    """From 0 bytes on every table is large, and with None none is; less than nothing is refused."""
    for value in (None, 0, 1):
        assert MigrationConfig(large_table_bytes=value).large_table_bytes == value
    error = refusal(large_table_bytes=-1)
    assert "large_table_bytes" in str(error)


@pytest.mark.parametrize("value", [0, -1])
def test_attempts_start_at_one(value: int) -> None:
    """Retries count the first attempt too, so nothing below one makes sense."""
    error = refusal(max_retries=value)
    assert error.message == f"Invalid max_retries={value}: it counts attempts, so the least is 1"
    assert MigrationConfig(max_retries=1).max_retries == 1


@pytest.mark.parametrize("name", SECONDS)
def test_seconds_are_not_negative(name: str) -> None:
    """A negative duration is refused by name; zero is a duration."""
    error = refusal(**{name: -0.5})
    assert (error.name, error.value, error.reason) == (name, -0.5, "it is a number of seconds, 0 or more")
    fields: dict[str, Any] = {name: 0}
    assert getattr(MigrationConfig(**fields), name) == 0


def test_statement_timeout_may_be_none_or_zero() -> None:
    """The limit of a statement is a number of seconds or None, and nothing below zero."""
    error = refusal(statement_timeout=-1)
    assert (error.name, error.value) == ("statement_timeout", -1)
    assert error.reason == "it is a number of seconds, or None for no limit"
    assert MigrationConfig(statement_timeout=0).statement_timeout == 0
    assert MigrationConfig(statement_timeout=None).statement_timeout is None


@pytest.mark.parametrize("policy", ["lax", "STRICT", "", None])
def test_policy_is_one_of_two(policy: object) -> None:
    """A policy that roost doesn't know is refused and never taken for one of the two."""
    error = refusal(policy=policy)
    assert (error.name, error.value, error.reason) == ("policy", policy, "it is 'strict' or 'allow'")


def test_policy_allow() -> None:
    """The other policy is accepted."""
    assert MigrationConfig(policy="allow").policy == "allow"


def test_a_scratch_servers_password_is_not_shown() -> None:
    """What shows a configuration shows no address, as there may be a password in it."""
    assert "secret" not in repr(MigrationConfig(scratch_url="postgresql://planner:secret@host/db"))


@pytest.mark.parametrize("value", ["agents.username", [1]])
def test_what_may_be_lost_is_a_set_of_names(value: object) -> None:
    """A text would allow each of its letters; a list of names is as good as a set."""
    assert refusal(allow_data_loss=value).name == "allow_data_loss"
    assert MigrationConfig(allow_data_loss=["a", "b"]).allow_data_loss == frozenset({"a", "b"})
