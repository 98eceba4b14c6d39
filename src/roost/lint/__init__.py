"""Lint: what in the SQL of steps takes a table down, loses rows or will be refused, before it meets a database."""

from roost.lint._finding import Finding, LintReport, LintText, Severity
from roost.lint._lint import OLDEST_POSTGRES, RULES, lint_steps, missing_tools
from roost.lint._own_rules import OWN_RULES, OwnRule
from roost.lint._squawk_rules import LEFT_OUT, SQUAWK_RULES, SquawkRule

__all__ = [
    "LEFT_OUT",
    "OLDEST_POSTGRES",
    "OWN_RULES",
    "RULES",
    "SQUAWK_RULES",
    "Finding",
    "LintReport",
    "LintText",
    "OwnRule",
    "Severity",
    "SquawkRule",
    "lint_steps",
    "missing_tools",
]
