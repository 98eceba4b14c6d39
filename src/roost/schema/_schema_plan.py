"""Shares the statements of a comparison out among the plugins, and judges each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.schema._changes import PluginChanges

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from roost.schema._catalogue import SchemaObject
    from roost.schema._changes import Identity
    from roost.schema._declaration import DeclaredPlugin


def plan_schema_changes(
    statements: Sequence[str],
    *,
    plugins: Sequence[DeclaredPlugin],
    real: Sequence[SchemaObject],  # noqa: ARG001
    declared: Mapping[str, Sequence[SchemaObject]],
    owned: Mapping[str, Collection[Identity]],  # noqa: ARG001
    allow_data_loss: Collection[str] = (),  # noqa: ARG001
) -> dict[str, PluginChanges]:
    """Share the statements of a comparison out among the plugins, and judge each.

    Args:
        statements: SQL that leads from the real schemas to the declared ones, in order, one statement each.
        plugins: The plugins of the run, in the order of their dependencies.
        real: The objects of the database, before any change.
        declared: By plugin what its declaration makes, under the names of the declaration. A plugin that lacks here could not be
            declared: nothing of what it owns is touched.
        owned: By plugin what it made or took over, as its last snapshot has it; also of plugins that are not in the run.
        allow_data_loss: What may be lost, by name.

    Returns:
        By plugin, in the order of `plugins`, what is to be done.

    Raises:
        SchemaUnsupported: A statement is of a form that nobody knows here.
    """
    if statements:
        raise NotImplementedError
    return {
        plugin.plugin: PluginChanges(plugin=plugin.plugin, schema=plugin.schema, fingerprint=plugin.fingerprint)
        for plugin in plugins
        if plugin.plugin in declared
    }
