from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.migrations._order import sort_services


def order(names: list[str], *, dependencies: dict[str, set[str]] | None = None, priorities: dict[str, int] | None = None) -> list[str]:
    """Return the order of services, each of a plugin of its own name."""
    services: list[Any] = [SimpleNamespace(service_name=name) for name in names]
    needs = {name: frozenset(needed) for name, needed in (dependencies or {}).items()}
    plugins = {name: name for name in names}
    return [one.service_name for one in sort_services(services, plugin_of=plugins, dependencies=needs, priorities=priorities or {})]


@pytest.mark.parametrize("given_order", list(itertools.permutations(["b", "a", "c"])))
def test_names_decide_at_last(given_order: tuple[str, ...]) -> None:
    """Whatever the order of registration, equals run by name."""
    assert order(list(given_order)) == ["a", "b", "c"]


def test_higher_priority_runs_first() -> None:
    """And equal ones by name."""
    assert order(["a", "b", "c"], priorities={"b": 10, "c": 10}) == ["b", "c", "a"]


def test_the_database_service_is_always_first() -> None:
    """Whatever its number, and whatever it depends on."""
    assert order(["a", "database-migration"], dependencies={"database-migration": {"a"}}, priorities={"a": 99})[0] == "database-migration"


def test_dependencies_outrank_priority_also_through_others() -> None:
    """A plugin runs after all it needs, also where the one between has no migrations."""
    assert order(["a", "c"], dependencies={"a": {"b"}, "b": {"c"}}, priorities={"a": 99}) == ["c", "a"]


def test_a_circle_ends_all_the_same() -> None:
    """The runtime refuses it before; the sort still ends, with everything in it."""
    assert sorted(order(["a", "b"], dependencies={"a": {"b"}, "b": {"a"}})) == ["a", "b"]


@given(
    st.permutations("abcdef"),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(-3, 3)),
    st.sets(st.tuples(*[st.sampled_from("abcdef")] * 2)),
)
def test_any_order_of_registration_gives_one_order(names: list[str], priorities: dict[str, int], edges: set[tuple[str, str]]) -> None:
    """The result depends on what is declared alone, and never puts a plugin before one that it needs."""
    dependencies: dict[str, set[str]] = {}
    for one, other in edges:
        if one > other:  # no circles
            dependencies.setdefault(one, set()).add(other)
    found = order(list(names), dependencies=dependencies, priorities=priorities)
    assert found == order(sorted(names), dependencies=dependencies, priorities=priorities)
    assert all(found.index(needed) < found.index(name) for name, some in dependencies.items() for needed in some)
