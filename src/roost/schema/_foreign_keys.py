"""Lets a key change under foreign keys that stay: they go before it, and come back behind it. Pure, but for one query."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from roost.postgres import MigrationSession, ParsedStatement, parse_sql, quote_identifier, quote_literal

_FOREIGN_KEYS = """
SELECT n.nspname, c.relname, f.conname, pg_get_constraintdef(f.oid), obj_description(f.oid, 'pg_constraint'), i.relname
FROM pg_constraint f
JOIN pg_class c ON c.oid = f.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class i ON i.oid = f.conindid AND i.relnamespace = c.relnamespace
WHERE f.contype = 'f' AND f.conparentid = 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key to a table of its own schema.

    Attributes:
        schema: The schema.
        table: The table that it is of.
        name: Its name.
        definition: What stands behind its name.
        comment: What is said about it.
        index: The index of the key that it points at; that of a constraint has its name.
    """

    schema: str
    table: str
    name: str
    definition: str
    comment: str | None
    index: str

    @property
    def away(self) -> str:
        """The statement that drops it."""
        return f"ALTER TABLE {self._relation} DROP CONSTRAINT {quote_identifier(self.name)}"

    @property
    def back(self) -> str:
        """The statements that make it again. Where it was checked before, all rows are checked again."""
        name = quote_identifier(self.name)
        made = f"ALTER TABLE {self._relation} ADD CONSTRAINT {name} {self.definition}"
        if self.comment is None:
            return made
        return f"{made}; COMMENT ON CONSTRAINT {name} ON {self._relation} IS {quote_literal(self.comment)}"

    @property
    def _relation(self) -> str:
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.table)}"


async def foreign_keys_in(session: MigrationSession, schemas: Collection[str]) -> tuple[ForeignKey, ...]:
    """Read the foreign keys within schemas.

    Raises:
        Exception: As the driver raises it.
    """
    names = ", ".join(quote_literal(name) for name in sorted(schemas))
    rows = await session.rows(f"{_FOREIGN_KEYS} AND n.nspname = ANY (ARRAY[{names}]::name[]) ORDER BY 1, 2, 3")
    return tuple(
        ForeignKey(schema=schema or "", table=table or "", name=name or "", definition=definition or "", comment=comment, index=index or "")
        for schema, table, name, definition, comment, index in rows
    )


def with_foreign_keys_aside(
    statements: Sequence[ParsedStatement], real: Collection[ForeignKey], declared: Collection[ForeignKey]
) -> list[ParsedStatement]:
    """Return statements with the foreign keys to a key that is dropped dropped before it.

    One that stays, as it is declared, is made again at the end; one that goes or changes is only dropped earlier.

    Args:
        statements: The statements, in order.
        real: The foreign keys of the database that is to change.
        declared: Those of the database that is as it should be.
    """
    stays = {(one.schema, one.table, one.name, one.definition) for one in declared}
    ordered = list(statements)
    back: list[str] = []
    for one in real:
        places = [index for index, statement in enumerate(ordered) if (one.schema, one.index) in _dropped_keys(statement)]
        drops = [index for index, statement in enumerate(ordered) if _drops(statement, one)]
        if not places or (drops and drops[0] < places[0]):
            continue
        if drops:
            ordered.insert(places[0], ordered.pop(drops[0]))
        elif (one.schema, one.table, one.name, one.definition) in stays:
            ordered[places[0] : places[0]] = parse_sql(one.away) or ()
            back.append(one.back)
    return [*ordered, *(parse_sql(";\n".join(back)) or ())]


def _dropped_keys(statement: ParsedStatement) -> set[tuple[str, str]]:
    """Return what may be the index of a key among what a statement drops, each with its schema."""
    tree = statement.tree
    if statement.kind == "drop_stmt" and tree["remove_type"] == "OBJECT_INDEX":
        paths = [[part["string"]["sval"] for part in node["list"]["items"]] for node in tree["objects"]]
        return {(path[0], path[-1]) for path in paths if len(path) > 1}
    return {(tree["relation"].get("schemaname", ""), name) for name in _dropped_constraints(statement)}


def _drops(statement: ParsedStatement, key: ForeignKey) -> bool:
    relation = statement.tree.get("relation", {})
    is_its_table = (relation.get("schemaname"), relation.get("relname")) == (key.schema, key.table)
    return is_its_table and _dropped_constraints(statement) == [key.name]


def _dropped_constraints(statement: ParsedStatement) -> list[str]:
    if statement.kind != "alter_table_stmt":
        return []
    commands = [node["alter_table_cmd"] for node in statement.tree["cmds"]]
    return [str(command["name"]) for command in commands if command["subtype"] == "AT_DropConstraint"]
