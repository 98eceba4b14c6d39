"""What squawk's rules mean for steps that roost runs: which fail a check, which are opinions, which have no point here. Pure.

Rules that are not named here, of a newer squawk, are warnings in squawk's own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from roost.lint._finding import Remark, Severity
from roost.lint._own_rules import OUTSIDE

SYNTAX_ERROR = "syntax-error"


@dataclass(frozen=True, slots=True)
class SquawkRule:
    """How roost tells of one of squawk's rules.

    Attributes:
        severity: Whether it fails a check.
        what: What was found, in a few words.
        safer: What to write instead; empty for squawk's own advice.
        breaks_clients: Whether it is about code from before the step, which a step that says `breaking` has answered.
    """

    severity: Severity
    what: str
    safer: str = ""
    breaks_clients: bool = False


_NOT_VALID = "add it NOT VALID in this step, and VALIDATE CONSTRAINT in the next one"
_CHECK_FIRST = (
    "add CHECK (… IS NOT NULL) NOT VALID, validate it in the next step, and SET NOT NULL in the one after, which then reads no row"
)
_BY_INDEX = f"CREATE UNIQUE INDEX CONCURRENTLY in {OUTSIDE}; in the next step ADD CONSTRAINT … USING INDEX"
_TWO_RELEASES = "let a release that no longer needs it come first; where it did, say so: -- roost: ignore {}: why"
_SIDE_BY_SIDE = "add the new one beside it, let code write both, and drop the old one in a later release"

_CHANGES_FOR_CLIENTS = {
    "ban-alter-identity": "an identity that is added or dropped",
    "ban-drop-column": "DROP COLUMN",
    "ban-drop-constraint": "DROP CONSTRAINT",
    "ban-drop-default": "DROP DEFAULT",
    "ban-drop-domain": "DROP DOMAIN",
    "ban-drop-extension": "DROP EXTENSION",
    "ban-drop-function": "DROP FUNCTION",
    "ban-drop-generated-expression": "DROP EXPRESSION",
    "ban-drop-not-null": "DROP NOT NULL",
    "ban-drop-schema": "DROP SCHEMA",
    "ban-drop-sequence": "DROP SEQUENCE",
    "ban-drop-table": "DROP TABLE",
    "ban-drop-type": "DROP TYPE",
    "ban-drop-view": "DROP VIEW",
    "ban-set-schema": "SET SCHEMA",
    "renaming-object": "RENAME",
}

SQUAWK_RULES: Mapping[str, SquawkRule] = {
    **{rule: SquawkRule("warning", what, _TWO_RELEASES.format(rule), breaks_clients=True) for rule, what in _CHANGES_FOR_CLIENTS.items()},
    "adding-field-with-default": SquawkRule(
        "error",
        "a new column whose default is another for each row",
        "add it without a default, set the default in the next statement for new rows, and fill the old ones in batches",
    ),
    "adding-foreign-key-constraint": SquawkRule("error", "a foreign key that is checked at once", _NOT_VALID),
    "adding-not-nullable-field": SquawkRule("error", "SET NOT NULL, which reads the whole table", _CHECK_FIRST),
    "adding-required-field": SquawkRule(
        "error",
        "a new column NOT NULL without a default, which fails as soon as there is a row",
        f"give it a constant default; or add it without NOT NULL, fill it, then {_CHECK_FIRST}",
    ),
    "adding-serial-primary-key-field": SquawkRule("error", "a primary key whose index is built at once", _BY_INDEX),
    "ban-drop-database": SquawkRule("error", "DROP DATABASE"),
    "ban-duplicate-column-assignments": SquawkRule("error", "two values for one column, which the server refuses"),
    "ban-truncate-cascade": SquawkRule(
        "error", "TRUNCATE … CASCADE, which empties every table that refers to this one", "name each table that is to be emptied"
    ),
    "changing-column-type": SquawkRule("error", "a column gets another type", _SIDE_BY_SIDE),
    "constraint-missing-not-valid": SquawkRule("error", "a constraint that is checked at once", _NOT_VALID),
    "disallowed-unique-constraint": SquawkRule("error", "a unique constraint whose index is built at once", _BY_INDEX),
    "require-concurrent-index-creation": SquawkRule(
        "error", "CREATE INDEX without CONCURRENTLY", f"CREATE INDEX CONCURRENTLY in {OUTSIDE}"
    ),
    "require-concurrent-index-deletion": SquawkRule("error", "DROP INDEX without CONCURRENTLY", f"DROP INDEX CONCURRENTLY in {OUTSIDE}"),
    "require-concurrent-partition-detach": SquawkRule(
        "error", "DETACH PARTITION without CONCURRENTLY", f"DETACH PARTITION … CONCURRENTLY in {OUTSIDE}"
    ),
    "require-concurrent-reindex": SquawkRule("error", "REINDEX without CONCURRENTLY", f"REINDEX … CONCURRENTLY in {OUTSIDE}"),
    "ban-alter-domain-with-add-constraint": SquawkRule(
        "warning", "a constraint on a domain, which is checked in all tables that use it", "a CHECK on each column"
    ),
    "ban-char-field": SquawkRule("warning", "a column of type char(n), which pads with blanks", "text, or varchar(n)"),
    "ban-create-domain-with-constraint": SquawkRule(
        "warning", "a domain with a constraint, which can't be changed beside who reads and writes", "a CHECK on each column"
    ),
    "identifier-too-long": SquawkRule("warning", "a name of more than 63 bytes, which PostgreSQL cuts off", "a shorter name"),
    "prefer-bigint-over-int": SquawkRule("warning", "a column of type integer, which ends at two thousand million", "bigint"),
    "prefer-identity": SquawkRule("warning", "a serial column", "bigint GENERATED BY DEFAULT AS IDENTITY"),
    "prefer-timestamp-tz": SquawkRule("warning", "a timestamp without its time zone", "timestamptz"),
    "renaming-column": SquawkRule("warning", "RENAME COLUMN", _SIDE_BY_SIDE, breaks_clients=True),
    "renaming-table": SquawkRule("warning", "RENAME of a table", "a view of the old name beside the new table", breaks_clients=True),
}
"""The rules that count, by name."""

LEFT_OUT: Mapping[str, str] = {
    "ban-concurrent-index-creation-in-transaction": "refuses-transaction says it, of every such statement",
    "ban-uncommitted-transaction": "transaction-control says it",
    "prefer-big-int": "prefer-bigint-over-int says it",
    "prefer-bigint-over-smallint": "a smallint is a choice",
    "prefer-repack": "vacuum-full and cluster say it, for every version of the server",
    "prefer-robust-stmts": "a step that fails half-way leaves nothing behind, and one outside a transaction heals",
    "prefer-text-field": "a longer varchar has cost nothing since PostgreSQL 9.2",
    "require-enum-value-ordering": "a value at the end is what most mean",
    "require-lock-timeout": "every step has one, and tries again",
    "require-statement-timeout": "MigrationConfig and MigrationStep have it",
    "require-table-schema": "a service's schema is the search path of its steps",
    "require-timeout-settings": "every step has them",
    "transaction-nesting": "transaction-control says it",
    "unused-ignore": "ignore-unused says it of roost's comments",
}
"""Rules that have no point under roost, each with the reason."""


def squawk_remark(rule: str, *, message: str, advice: str, position: int, breaking: bool) -> Remark | None:
    """Return what roost tells of something that squawk said; None where it has no point.

    Args:
        rule: Squawk's rule.
        message: Squawk's words.
        advice: Squawk's help; empty where it gives none.
        position: How many characters of the text come before the place.
        breaking: Whether the step says that code from before it must not run against a database that has it.
    """
    known = SQUAWK_RULES.get(rule)
    if rule in LEFT_OUT or (known is not None and known.breaks_clients and breaking):
        return None
    why = message.strip()
    if known is None:
        return Remark(rule=rule, severity="warning", what=why, why="", safer=advice, position=position)
    return Remark(rule=rule, severity=known.severity, what=known.what, why=why, safer=known.safer or advice, position=position)
