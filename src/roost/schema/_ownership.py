"""Says which plugin an object of a schema belongs to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from roost.postgres import parse_sql
from roost.schema._reading import arguments_of

if TYPE_CHECKING:
    from roost.schema._catalogue import SchemaObject
    from roost.schema._changes import Identity
    from roost.schema._declaration import DeclaredPlugin
    from roost.schema._reading import Reading

_WITH_PARENT = frozenset({"column", "constraint", "index", "trigger", "policy"})
_WITH_INNER_COLUMNS = frozenset({"view", "materialized view", "type"})
"""What has columns that are no objects of their own."""
_TABLES = ("table", "foreign table", "materialized view", "view")


class Ownership:
    """Who owns and who declares what, for the plugins of one run."""

    def __init__(
        self,
        *,
        plugins: Sequence[DeclaredPlugin],
        real: Sequence[SchemaObject],
        declared: Mapping[str, Sequence[SchemaObject]],
        owned: Mapping[str, Collection[Identity]],
    ) -> None:
        """Take what is known.

        Args:
            plugins: Those that are in the run and could be declared.
            real: The objects of the database.
            declared: By plugin what is declared, under the names that the database has now.
            owned: By plugin what it owns, also of plugins that are not in the run.
        """
        self._plugins = plugins
        self._run = {plugin.plugin for plugin in plugins}
        self._owners = {identity: plugin for plugin, identities in owned.items() for identity in identities}
        self._declarers = {thing.identity: plugin for plugin, things in declared.items() for thing in things if plugin in self._run}
        self._made: dict[Identity, str] = {}
        every = [thing.identity for thing in real] + list(self._declarers) + list(self._owners)
        self._parents = {(kind, schema, name): parent for kind, schema, parent, name in every if kind == "index"}
        # The index behind a constraint has its name.
        self._backing = {
            (schema, name): ("constraint", schema, parent, name) for kind, schema, parent, name in every if kind == "constraint"
        }
        self._wholes = {(schema, name): (kind, schema, parent, name) for kind, schema, parent, name in every if kind in _WITH_INNER_COLUMNS}
        self._functions: dict[tuple[str, str], list[Identity]] = {}
        for identity in dict.fromkeys(every):
            if identity[0] == "function":
                self._functions.setdefault((identity[1], identity[3].partition("(")[0]), []).append(identity)

    def full(self, reading: Reading) -> Identity:
        """Return what a statement is about as the catalogue calls it: an index with its table, a function with its arguments.

        What is about a column of a view or type, or about the index behind a constraint, is about that view, type or constraint.
        """
        kind, schema, parent, name = reading.object
        if kind == "column" and (schema, parent) in self._wholes:
            return self._wholes[schema, parent]
        if kind == "index" and not parent:
            if (kind, schema, name) not in self._parents and (schema, name) in self._backing:
                return self._backing[schema, name]
            return kind, schema, self._parents.get((kind, schema, name), ""), name
        if kind == "function":
            for identity in self._functions.get((schema, name), ()):
                if _arguments(identity[3].removeprefix(name)) == reading.arguments:
                    return identity
            return kind, schema, parent, f"{name}({', '.join(reading.arguments)})"
        return reading.object

    def of(self, identity: Identity) -> str | None:
        """Return the plugin of the run that declares an object, or else owns it; None for one that is nobody's or another's."""
        if identity in self._made:
            return self._made[identity]
        if self.other_owner(identity) is not None:
            return None
        return self._declarers.get(identity) or self._owners.get(identity)

    def declarer(self, identity: Identity) -> str | None:
        """Return the plugin that declares an object."""
        return self._declarers.get(identity)

    def other_owner(self, identity: Identity) -> str | None:
        """Return the plugin that an object, or its table, belongs to, if it has no say in this run."""
        owners = [self._owners[one] for one in (identity, *_relations_of(identity)) if one in self._owners]
        return next((owner for owner in owners if owner not in self._run), None)

    def in_place_of(self, identity: Identity) -> str | None:
        """Return the plugin that an object falls to that nobody declares or owns: that of its table, or the first with its schema."""
        owners = [self.of(one) for one in _relations_of(identity)]
        others = [plugin.plugin for plugin in self._plugins if plugin.schema == identity[1]]
        return next((owner for owner in (*owners, *others) if owner is not None), None)

    def make(self, identity: Identity, plugin: str) -> None:
        """Note that a plugin's changes make an object which is not declared under this name, and so may drop it again."""
        self._made[identity] = plugin
        kind, schema, parent, name = identity
        if kind == "index":
            self._parents[kind, schema, name] = parent

    def of_extension(self, name: str, schema: str) -> str | None:
        """Return the plugin that an extension falls to: that of its schema, or the first that creates it, or the first."""
        of_schema = [plugin.plugin for plugin in self._plugins if plugin.schema == schema]
        creating = [plugin.plugin for plugin in self._plugins if any(_creates(script.text, name) for script in plugin.scripts)]
        return next(iter((*of_schema, *creating, *(plugin.plugin for plugin in self._plugins))), None)


def _relations_of(identity: Identity) -> tuple[Identity, ...]:
    kind, schema, parent, _ = identity
    return tuple((one, schema, "", parent) for one in _TABLES) if kind in _WITH_PARENT and parent else ()


def _arguments(text: str) -> tuple[str, ...]:
    parsed = parse_sql(f"DROP FUNCTION x{text}")
    return () if not parsed else arguments_of(parsed[0].tree["objects"][0])


def _creates(text: str, extension: str) -> bool:
    statements = parse_sql(text) or ()
    return any(one.kind == "create_extension_stmt" and one.tree.get("extname") == extension for one in statements)
