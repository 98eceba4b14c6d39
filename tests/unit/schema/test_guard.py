from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roost.schema import PluginChanges, SchemaChange, allowed_by_environment, blocked_error
from roost.schema._guard import is_allowed, loss_name

NAMES = st.text("abcxyz_", min_size=1, max_size=5)
LOSSES = st.one_of(NAMES, st.tuples(NAMES, NAMES).map(".".join))


def losing(*loses: str, kind: str = "table", name: str = "t", why: str = "because") -> SchemaChange:
    return SchemaChange(
        sql="…;", object=(kind, "memory", "", name), verb="drop", lock="", risk="data-losing", is_reversible=False, loses=loses, why=why
    )


@given(LOSSES, st.booleans(), st.frozensets(LOSSES))
def test_what_is_named_is_allowed(loss: str, qualified: bool, others: frozenset[str]) -> None:  # noqa: FBT001 -- drawn
    """A loss that is named, with or without its schema, is never blocked, whatever else is named."""
    name = f"memory.{loss}" if qualified else loss
    assert is_allowed(losing(loss), schema="memory", allowed=others | {name})


@given(LOSSES, st.frozensets(LOSSES))
def test_what_is_not_named_is_blocked(loss: str, others: frozenset[str]) -> None:
    """A loss that nobody names is blocked, whatever else is named: a table's name does not allow its columns, nor the other way round."""
    assert not is_allowed(losing(loss), schema="memory", allowed=others - {loss, f"memory.{loss}"})


@given(st.frozensets(LOSSES, min_size=2))
def test_all_losses_have_to_be_named(losses: frozenset[str]) -> None:
    """A change that loses several things is blocked until each is named."""
    change = losing(*losses)
    assert is_allowed(change, schema="memory", allowed=losses)
    for one in losses:
        assert not is_allowed(change, schema="memory", allowed=losses - {one})


def test_a_types_name_allows_each_of_its_values() -> None:
    """Values of an enum are allowed one by one, or all by the type's name."""
    change = losing("status.archived", "status.old", kind="type", name="status")
    assert is_allowed(change, schema="memory", allowed={"status"})
    assert is_allowed(change, schema="memory", allowed={"memory.status"})
    assert is_allowed(change, schema="memory", allowed={"status.archived", "memory.status.old"})
    assert not is_allowed(change, schema="memory", allowed={"status.archived"})
    assert not is_allowed(losing("t.c", name="t"), schema="memory", allowed={"t"})


def test_what_loses_nothing_needs_no_leave() -> None:
    """A change without a loss is allowed by the empty set."""
    assert is_allowed(losing(), schema="memory", allowed=())


def test_names_have_a_schema_only_where_it_is_another() -> None:
    """A loss is named as briefly as it can be."""
    assert loss_name(("column", "memory", "agents", "username"), schema="memory") == "agents.username"
    assert loss_name(("table", "memory", "", "agents"), schema="memory") == "agents"
    assert loss_name(("table", "old", "", "agents"), schema="memory") == "old.agents"
    assert loss_name(("type", "memory", "", "status"), schema="memory", part="archived") == "status.archived"


def test_the_environment_names_with_commas() -> None:
    """ROOST_ALLOW_DATA_LOSS holds names with commas between; spaces and empty ones don't matter, and none is none."""
    assert allowed_by_environment({"ROOST_ALLOW_DATA_LOSS": "agents.username, memories,,"}) == {"agents.username", "memories"}
    assert allowed_by_environment({}) == frozenset()


def test_the_error_names_each_loss_once_with_its_reason() -> None:
    """The error says what would be lost and why, where, and what may be a rename."""
    blocked = (losing("t.a", why="first"), losing("t.b", why="second"), losing("t.a", why="again"))
    changes = PluginChanges(plugin="memory", schema="memory", fingerprint="schema:x", blocked=blocked, rename_candidates=(("t.a", "t.c"),))
    error = blocked_error(changes, environment="production")
    assert (error.losses, error.reasons) == (("t.a", "t.b"), ("first", "second"))
    assert "Destructive migration blocked for memory in production" in error.message
    assert "renames={'t.a': 't.c'}" in error.hint
