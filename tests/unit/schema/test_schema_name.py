"""How a plugin's PostgreSQL schema is named."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roost.errors import InvalidSchemaName, SchemaNameCollision
from roost.schema import DeclaredSchema, check_schema_names, declared_plugin, derive_schema_name


@pytest.mark.parametrize(
    ("plugin", "schema"),
    [
        ("memory", "memory"),
        ("@MyOrg/plugin-MyPlugin", "myplugin"),
        ("123plugin", "p_123plugin"),
        ("@org/plugin.name!", "plugin_name"),
        ("@org/plugin-public", "plugin_org_plugin_public"),
        ("public", "plugin_public"),
        ("roost", "plugin_roost"),
        ("pg_catalog", "plugin_pg_catalog"),
        ("@org/plugin-", "plugin_org_plugin"),
        ("plugin-sql", "sql"),
        ("--a--b--", "a_b"),
    ],
)
def test_a_name_is_derived(plugin: str, schema: str) -> None:
    """Scope and prefix go, other signs become underscores, and what is reserved or begins with a digit gets something in front."""
    assert derive_schema_name(plugin) == schema


@pytest.mark.parametrize("plugin", ["x" * 64, "!!!", "@é/ü"])
def test_a_plugin_whose_name_gives_none_is_refused(plugin: str) -> None:
    """PostgreSQL would cut what is too long, and a name needs at least a letter or digit."""
    with pytest.raises(InvalidSchemaName) as caught:
        derive_schema_name(plugin)
    assert caught.value.plugin == plugin


@given(st.text())
@example("pg_")
@example("@a/pg")
@example("information_schema")
def test_every_derived_name_is_plain_and_free(plugin: str) -> None:
    """Whatever the plugin is called, its schema needs no quotes and is nobody else's."""
    try:
        name = derive_schema_name(plugin)
    except InvalidSchemaName:
        return
    assert re.fullmatch("[a-z][a-z0-9_]{0,62}", name)
    assert name not in {"public", "information_schema", "roost"}
    assert not name.startswith("pg_")


def test_two_plugins_do_not_share_a_schema_by_accident() -> None:
    """The error names both, and the schema."""
    with pytest.raises(SchemaNameCollision) as caught:
        check_schema_names([declared_plugin("@a/plugin-x", ""), declared_plugin("y", ""), declared_plugin("@b/x", "")])
    assert (caught.value.name, caught.value.plugins) == ("x", ("@a/plugin-x", "@b/x"))


def test_plugins_share_a_schema_that_all_of_them_name() -> None:
    """One that did not say so is not drawn in."""
    said = [declared_plugin(name, DeclaredSchema("", schema="shared")) for name in ("a", "b")]
    check_schema_names(said)
    with pytest.raises(SchemaNameCollision):
        check_schema_names([*said, declared_plugin("shared", "")])
