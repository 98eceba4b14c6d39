"""Shares the statements of a comparison out among the plugins, and judges each. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from roost.postgres import quote_identifier, quote_literal
from roost.schema._changes import PluginChanges
from roost.schema._classification import read_statement
from roost.schema._counters import with_counter_kept
from roost.schema._definitions import is_invalid, parent_of_partition, statements_making
from roost.schema._guard import is_allowed
from roost.schema._judging import Judge, rename_candidates
from roost.schema._online import beside_others, invalid_indexes
from roost.schema._ownership import Ownership
from roost.schema._reading import NOBODY
from roost.schema._renames import effective_renames, under_old_names
from roost.schema._renaming import redo_changes, trusting_bodies
from roost.schema._temporary_names import is_temporary

if TYPE_CHECKING:
    from roost.schema._catalogue import SchemaObject
    from roost.schema._changes import Identity, SchemaChange
    from roost.schema._declaration import DeclaredPlugin
    from roost.schema._reading import Reading
    from roost.schema._renames import Rename


def plan_schema_changes(
    statements: Sequence[str],
    *,
    plugins: Sequence[DeclaredPlugin],
    real: Sequence[SchemaObject],
    declared: Mapping[str, Sequence[SchemaObject]],
    owned: Mapping[str, Collection[Identity]],
    allow_data_loss: Collection[str] = (),
    large: Collection[tuple[str, str]] = (),
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
        large: The tables, by schema and name, that nobody is to be kept from for as long as it takes to read them.

    Returns:
        By plugin, in the order of `plugins`, what is to be done.

    Raises:
        SchemaUnsupported: A statement is of a form that nobody knows here.
    """
    able = [plugin for plugin in plugins if plugin.plugin in declared]
    parts = {plugin.plugin: _Part(plugin, real=real, declared=declared[plugin.plugin]) for plugin in able}
    before = {name: part.declared for name, part in parts.items()}
    ownership = Ownership(plugins=able, real=real, declared=before, owned=owned)
    readings = [read_statement(statement) for statement in statements]
    sharing = _Sharing(ownership, parts, real=real, readings=readings)
    for reading in readings:
        sharing.take(reading)
    allowed, long = frozenset(allow_data_loss), frozenset(large)
    return {name: part.finished(ownership, sharing, allowed=allowed, large=long) for name, part in parts.items()}


class _Part:
    """What becomes of one plugin, while it is put together."""

    def __init__(self, plugin: DeclaredPlugin, *, real: Sequence[SchemaObject], declared: Sequence[SchemaObject]) -> None:
        self.plugin = plugin
        self.renames: tuple[Rename, ...] = effective_renames(plugin, real=real, declared=declared)
        self.declared = under_old_names(declared, self.renames)
        self.redo = redo_changes(self.renames, declared=declared)
        self.changes: list[SchemaChange] = []
        self.values: dict[str, Reading] = {}
        self.last: list[SchemaChange] = []
        self.refused: list[str] = []
        self.left_alone: list[Identity] = []

    def is_renamed(self, table: str) -> bool:
        return any(one.table == table for one in self.renames)

    def finished(
        self, ownership: Ownership, sharing: _Sharing, *, allowed: frozenset[str], large: frozenset[tuple[str, str]]
    ) -> PluginChanges:
        for one in self.renames:
            of = ("table", one.schema, "", one.table)
            owner = ownership.other_owner(of)
            if owner is not None or ownership.of(of) not in {None, self.plugin.plugin}:
                self.refused.append(f"{one.table} is to be renamed, and belongs to plugin {owner or ownership.of(of)}")
        first, rest = _split_off_values(self.changes, self.values)
        schema = self.plugin.schema
        # The last changes give new names, and the order of all others is not that of what bodies name.
        if len(rest) + len(self.redo) > 1 and any(change.object[0] == "function" and change.verb == "create" for change in rest):
            rest = [trusting_bodies(schema), *rest]
        changes = (*rest, *self.redo, *self.last)
        blocked = tuple(change for change in (*first, *changes) if not is_allowed(change, schema=schema, allowed=allowed))
        candidates = rename_candidates(changes, schema=schema, real=sharing.real, declared=sharing.declared)
        # Under a new name a table is another for what was written of the old one.
        tables = frozenset[tuple[str, str]]() if self.redo or self.last else large
        split = beside_others([*changes, *self._built_anew(sharing, tables)], before=first, large=tables, real=sharing.real)
        return PluginChanges(
            plugin=self.plugin.plugin,
            schema=schema,
            fingerprint=self.plugin.fingerprint,
            counts=split.counts,
            first=tuple(first),
            changes=(*self._leftovers(ownership, sharing, needed=split.made_meanwhile), *split.changes),
            apart=split.apart,
            blocked=blocked,
            refused=tuple(dict.fromkeys(self.refused)),
            left_alone=tuple(dict.fromkeys(self.left_alone)),
            rename_candidates=candidates,
        )

    def _built_anew(self, sharing: _Sharing, large: Collection[tuple[str, str]]) -> list[SchemaChange]:
        """Build declared indexes again that were not built to their end, which a comparison takes for being there."""
        found: list[SchemaChange] = []
        for index in invalid_indexes(sharing.real, self.declared):
            name = f"{quote_identifier(index.schema)}.{quote_identifier(index.name)}"
            # What builds it beside others drops the remains itself, once nobody else is at work on them.
            drop = () if (index.schema, index.parent) in large else (f"DROP INDEX {name};",)
            statements = (*drop, *statements_making(index))
            found += [sharing.judged(read_statement(sql), index.identity, self.plugin.plugin) for sql in statements]
        return found

    def _leftovers(self, ownership: Ownership, sharing: _Sharing, *, needed: Collection[str]) -> list[SchemaChange]:
        """Drop what an interrupted change has made for a while, and nothing needs any more."""
        found: list[SchemaChange] = []
        for of in sharing.real:
            kind, schema, table, name = of
            if not is_temporary(of) or name in needed or ownership.in_place_of(of) != self.plugin.plugin:
                continue
            relation, quoted = f"{quote_identifier(schema)}.{quote_identifier(table)}", quote_identifier(name)
            drop = f"DROP INDEX {quote_identifier(schema)}.{quoted};"
            sql = f"ALTER TABLE {relation} DROP CONSTRAINT {quoted};" if kind == "constraint" else drop
            found.append(sharing.judged(read_statement(sql), of, self.plugin.plugin))
        return found


class _Sharing:
    """Gives each statement to the plugin that it is for."""

    def __init__(
        self, ownership: Ownership, parts: Mapping[str, _Part], *, real: Sequence[SchemaObject], readings: Sequence[Reading]
    ) -> None:
        self.real = {thing.identity: thing for thing in real}
        self.declared = {thing.identity: thing for part in parts.values() for thing in part.declared}
        self._ownership = ownership
        self._parts = parts
        rebuilt = {reading.object for reading in readings if reading.form == "AT_AddColumn"}
        self._judges = {
            name: Judge(schema=part.plugin.schema, renames=part.plugin.renames, real=self.real, declared=self.declared, rebuilt=rebuilt)
            for name, part in parts.items()
        }

    def take(self, reading: Reading) -> None:
        """Give a statement to its plugin, or leave it out."""
        if reading.object == NOBODY:
            return
        of = self._ownership.full(reading)
        if reading.form == "create_extension_stmt":
            self._give(reading, of, self._ownership.of_extension(of[3], of[1]))
        elif reading.verb == "rename" and reading.form == "rename_stmt":
            self._take_rename(reading, of)
        elif of[0] == "schema" and reading.verb == "drop":
            self._leave(of)
        else:
            self._take(reading, of)

    def _take(self, reading: Reading, of: Identity) -> None:
        plugin = self._ownership.of(of) or self._declarer_of_remains(reading, of)
        if plugin is None and (owner := self._ownership.other_owner(of)) is not None:
            self._refuse(self._ownership.declarer(of), f"{_words(of)} belongs to plugin {owner}, which has no say in this run")
            return
        if plugin is None and reading.verb == "create":
            plugin = self._ownership.in_place_of(of)
        if plugin is None:
            self._leave(of)
            return
        if reading.also is not None and self._ownership.of(reading.also) != plugin:
            self._refuse(plugin, f"{_words(of)} would be a partition of {_words(reading.also)}, which is not the plugin's")
            return
        if reading.verb == "drop" and (strange := self._strange_partition(of, plugin)):
            self._refuse(plugin, f"{_words(of)} is to go, and has the partition {strange}, which is not the plugin's: detach it first")
            return
        if reading.verb == "create":
            self._ownership.make(of, plugin)
        if reading.form == "rename of a type":
            self._ownership.make((*of[:3], reading.new_name), plugin)
        self._give(reading, of, plugin)

    def _declarer_of_remains(self, reading: Reading, of: Identity) -> str | None:
        """Return the plugin that declares a constraint whose name an index has that was not built to its end, of the same table."""
        if reading.verb != "drop" or of[0] != "index" or of not in self.real or not is_invalid(self.real[of].definition):
            return None
        return self._ownership.declarer(("constraint", *of[1:]))

    def _strange_partition(self, of: Identity, plugin: str) -> str | None:
        """Find a partition, or one of those, that is not the plugin's: it would go with its table."""
        for identity, thing in self.real.items():
            if of[0] == identity[0] == "table" and parent_of_partition(thing.definition) == (of[1], of[3]):
                if self._ownership.of(identity) != plugin:
                    return identity[3]
                if (deeper := self._strange_partition(identity, plugin)) is not None:
                    return deeper
        return None

    def _take_rename(self, reading: Reading, old: Identity) -> None:
        """Rename what belongs to a plugin; make what is declared anew where the old one is nobody's, or another's."""
        new = (*old[:3], reading.new_name)
        plugin = self._ownership.of(new) or self._ownership.in_place_of(new)
        if self._ownership.of(old) is not None or self._is_part_of_ours(old):
            if plugin is not None:
                self._ownership.make(new, plugin)
            self._give(reading, new, plugin)
            return
        self._leave(old)
        makings = statements_making(self.declared[new]) if new in self.declared else ()
        if not makings:
            self._refuse(
                plugin,
                f"{_words(new)} is declared, and is there as {old[3]}, which is no plugin's: rename it by hand, or declare it by that name",
            )
        for sql in makings:
            self._give(read_statement(sql), new, plugin, is_late=plugin is not None and self._parts[plugin].is_renamed(new[2]))

    def _is_part_of_ours(self, of: Identity) -> bool:
        """Tell whether it is a constraint of a plugin's table that the catalogue does not list: NOT NULL, or under a passing name."""
        return of[0] == "constraint" and of not in self.real and self._ownership.of(("table", of[1], "", of[2])) is not None

    def _give(self, reading: Reading, of: Identity, plugin: str | None, *, is_late: bool = False) -> None:
        if plugin is None:
            return
        part = self._parts[plugin]
        change = self._judges[plugin].change(reading, of)
        changes = with_counter_kept(change, reading, self.real, self.declared)
        (part.last if is_late else part.changes).extend(changes)
        if reading.form == "new value":
            part.values[change.sql] = reading

    def _refuse(self, plugin: str | None, reason: str) -> None:
        if plugin is not None:
            self._parts[plugin].refused.append(reason)

    def judged(self, reading: Reading, of: Identity, plugin: str) -> SchemaChange:
        """Make a change of a statement that no comparison has written."""
        return self._judges[plugin].change(reading, of)

    def _leave(self, of: Identity) -> None:
        if is_temporary(of):  # it goes by itself when nothing needs it
            return
        plugin = self._ownership.in_place_of(of)
        if plugin is not None and self._ownership.other_owner(of) is None:
            self._parts[plugin].left_alone.append(of)


def _words(of: Identity) -> str:
    kind, _, parent, name = of
    return f"{kind} {parent}.{name}" if parent else f"{kind} {name}"


def _split_off_values(changes: Sequence[SchemaChange], values: Mapping[str, Reading]) -> tuple[list[SchemaChange], list[SchemaChange]]:
    """Take the new values of enums apart that the rest uses: the server lets a value be used only when it is committed.

    All new values of an enum go together, as their order is that in which they come.

    Args:
        changes: The changes, in order.
        values: What was read, by statement, where a value is added.
    """
    written = {sql: quote_literal(reading.new_name).strip() for sql, reading in values.items()}
    rest = [change.sql for change in changes if change.sql not in written]
    used = {reading.object for sql, reading in values.items() if any(written[sql] in other for other in rest)}
    first = [change for change in changes if change.sql in values and values[change.sql].object in used]
    return first, [change for change in changes if change not in first]
