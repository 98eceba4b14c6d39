"""The rules of roost itself, on the trees of PostgreSQL's own grammar: for what squawk passes over, and for what only roost knows. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from roost.lint._finding import Remark, Severity
from roost.postgres import ControlsTransaction, ParsedStatement, Statement, Tree

OUTSIDE = "a step of its own outside a transaction: -- migrate:up transaction:false in a file, transactional=False in code"


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A rule.

    Attributes:
        severity: Whether it fails a check.
        why: What comes of what it finds.
        safer: What to write instead.
    """

    severity: Severity
    why: str
    safer: str


OWN_RULES: Mapping[str, OwnRule] = {
    "syntax-error": OwnRule("error", "the server will refuse the step", "mend it: nothing else in the text was linted"),
    "refuses-transaction": OwnRule("error", "the step runs in a transaction, in which PostgreSQL refuses this statement", OUTSIDE),
    "transaction-control": OwnRule(
        "error",
        "a step is a transaction of its own together with its record, and the server refuses to end that early",
        "leave BEGIN, COMMIT and their like out; make two steps of what is to be two transactions",
    ),
    "truncate": OwnRule(
        "error",
        "all rows are gone, and nobody reads or writes the table until the step is over",
        "delete the rows that are to go, by their keys and in batches",
    ),
    "delete-without-where": OwnRule(
        "error",
        "all rows are gone, and each is locked until the step is over",
        "say which rows by WHERE; where there are many, in batches",
    ),
    "update-without-where": OwnRule(
        "warning",
        "each row is written anew, and locked until the step is over",
        "say which rows by WHERE (those that lack the value); where there are many, in batches",
    ),
    "vacuum-full": OwnRule(
        "error",
        "the table is written anew, and nobody reads or writes it until that is done",
        "VACUUM without FULL; to give space back to the disk, pg_repack",
    ),
    "cluster": OwnRule(
        "error",
        "the table is written anew, and nobody reads or writes it until that is done",
        "pg_repack, at an hour of your choice",
    ),
    "set-tablespace": OwnRule(
        "error",
        "every block is copied, and nobody reads or writes the table, or by the index, until that is done",
        "for an index REINDEX (TABLESPACE name) INDEX CONCURRENTLY; for a table pg_repack --tablespace",
    ),
    "set-logged": OwnRule(
        "error",
        "the table is written anew, and nobody reads or writes it until that is done",
        "a new table as it is to be, filled in batches, then exchanged for the old one by renaming",
    ),
    "set-access-method": OwnRule(
        "error",
        "the table is written anew, and nobody reads or writes it until that is done",
        "a new table as it is to be, filled in batches, then exchanged for the old one by renaming",
    ),
    "disable-trigger": OwnRule(
        "error",
        "what the triggers keep in order is not kept, foreign keys included by ALL, and it stays so for everybody once the step is over",
        "a WHEN condition on the trigger that leaves out what the step writes",
    ),
    "not-linted": OwnRule(
        "warning",
        "what it does to the tables, nobody has looked at",
        "put the statement into a step of its own, so that the others are linted",
    ),
}
"""Each rule's own words, by its name."""

_MODIFYING = ("delete_stmt", "update_stmt")
_EXECUTED = frozenset({"select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "create_table_as_stmt"})
"""What runs the statements inside of it. The bodies of functions and rules are run by others, later."""
_ALTERATIONS = {
    "AT_SetTableSpace": ("set-tablespace", "SET TABLESPACE"),
    "AT_SetLogged": ("set-logged", "SET LOGGED"),
    "AT_SetUnLogged": ("set-logged", "SET UNLOGGED"),
    "AT_SetAccessMethod": ("set-access-method", "SET ACCESS METHOD"),
    "AT_DisableTrig": ("disable-trigger", "DISABLE TRIGGER"),
    "AT_DisableTrigAll": ("disable-trigger", "DISABLE TRIGGER ALL"),
    "AT_DisableTrigUser": ("disable-trigger", "DISABLE TRIGGER USER"),
}
_OFF = frozenset({"false", "off", "0"})
_SHOWN_CHARACTERS = 60


def remark(rule: str, what: str, *, position: int = 0) -> Remark:
    """Return what one of roost's rules says, in its words."""
    own = OWN_RULES[rule]
    return Remark(rule=rule, severity=own.severity, what=what, why=own.why, safer=own.safer, position=position)


def own_remarks(parsed: Collection[ParsedStatement], statements: Collection[Statement], *, transactional: bool) -> list[Remark]:
    """Apply roost's rules to a text.

    Args:
        parsed: Its statements as trees.
        statements: The same statements with their effects.
        transactional: Whether the text runs in a transaction.
    """
    found: list[Remark] = []
    made: set[str] = set()
    for tree, statement in zip(parsed, statements, strict=True):
        said = [*_on_transactions(statement, transactional=transactional), *_on_statement(tree, made)]
        found += [remark(rule, what, position=tree.start) for rule, what in said]
        made |= _made_by(tree)
    return found


def _on_transactions(statement: Statement, *, transactional: bool) -> Iterator[tuple[str, str]]:
    if isinstance(statement.effect, ControlsTransaction):
        yield "transaction-control", f"{_shown(statement.text)} in a step"
    elif transactional and statement.refuses_transaction:
        yield "refuses-transaction", f"{_shown(statement.text)} in a transaction"


def _on_statement(statement: ParsedStatement, made: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the rules that a statement breaks, each with what it does; a table that the text itself made is of no concern to anybody."""
    kind, tree = statement.kind, statement.tree
    if kind == "truncate_stmt" and tree.get("behavior") != "DROP_CASCADE":  # squawk speaks of CASCADE
        tables = [name for name in (_name(node["range_var"]) for node in tree["relations"]) if name not in made]
        if tables:
            yield "truncate", f"TRUNCATE of {', '.join(tables)}"
    elif kind in _EXECUTED:
        yield from _on_all_rows({kind: tree}, made)
    elif kind == "vacuum_stmt" and any(
        _is_on(node["def_elem"]) for node in tree.get("options", ()) if node["def_elem"]["defname"] == "full"
    ):
        yield "vacuum-full", "VACUUM FULL"
    elif kind == "cluster_stmt":
        yield "cluster", f"CLUSTER {_name(tree['relation'])}" if "relation" in tree else "CLUSTER of every table that was clustered before"
    elif kind == "alter_table_move_all_stmt":
        yield "set-tablespace", "SET TABLESPACE of all that is in a tablespace"
    elif kind == "alter_table_stmt" and _name(tree["relation"]) not in made:
        for command in tree["cmds"]:
            rule, words = _ALTERATIONS.get(command["alter_table_cmd"]["subtype"], ("", ""))
            if rule:
                yield rule, f"{words} on {_name(tree['relation'])}"


def _on_all_rows(node: Any, made: Collection[str]) -> Iterator[tuple[str, str]]:  # noqa: ANN401 -- a part of a tree is anything
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in _MODIFYING and "where_clause" not in value and (name := _name(value["relation"])) not in made:
                verb = key.partition("_")[0]
                yield f"{verb}-without-where", f"{verb.upper()} of all rows of {name}"
            yield from _on_all_rows(value, made)
    elif isinstance(node, list):
        for value in node:
            yield from _on_all_rows(value, made)


def _made_by(statement: ParsedStatement) -> set[str]:
    if statement.tree.get("if_not_exists"):  # then it may have been there before
        return set()
    if statement.kind == "create_stmt":
        return {_name(statement.tree["relation"])}
    if statement.kind == "create_table_as_stmt":
        return {_name(statement.tree["into"]["rel"])}
    return set()


def _name(relation: Tree) -> str:
    return ".".join(relation[part] for part in ("schemaname", "relname") if part in relation)


def _is_on(option: Tree) -> bool:
    argument = option.get("arg")
    if argument is None:
        return True
    if "integer" in argument:
        return bool(argument["integer"].get("ival", 0))
    return argument.get("string", {}).get("sval", "").lower() not in _OFF


def _shown(sql: str) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"
