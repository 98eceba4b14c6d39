"""What stands for a step's body, a chain of steps and a plugin's whole declaration in the ledger."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from roost.migrations._step import with_unix_lines
from roost.migrations._versions import UNVERSIONED
from roost.postgres import normal_form

if TYPE_CHECKING:
    from roost.migrations._step import MigrationStep

UNKNOWN_PYTHON = "py:unknown"
"""The fingerprint of a function whose source can't be read; equal to every other Python fingerprint."""


def fingerprint_of(step: MigrationStep) -> str:
    """Return what stands for the step's `up` in the ledger: ``sql:…`` or ``py:…`` and a hash, or the step's own."""
    if step.fingerprint is not None:
        return step.fingerprint
    if isinstance(step.up, str):
        return "sql:" + sha256(step.declared_text.encode()).hexdigest()
    return _python_fingerprint(step.up)


def normal_form_of(step: MigrationStep) -> str | None:
    """Return the hash of a step's SQL without its layout and comments; None for a function, and where the step has its own fingerprint."""
    if step.fingerprint is not None or not isinstance(step.up, str):
        return None
    return sha256(normal_form(with_unix_lines(step.up)).encode()).hexdigest()


def sql_fingerprint(sql: str) -> str:
    """Return what stands for SQL text: ``sql:`` and a hash."""
    return "sql:" + sha256(with_unix_lines(sql).encode()).hexdigest()


def is_same_text(step: MigrationStep, *, fingerprint: str, form: str | None) -> bool:
    """Tell whether a step's body is the one that was run, but for layout and comments; without a record of its form the bytes decide.

    Args:
        step: The step as it is declared now.
        fingerprint: What the ledger says of the body that was run.
        form: The hash of its SQL without layout and comments, where the ledger has one.
    """
    return fingerprint == fingerprint_of(step) or (form is not None and form == normal_form_of(step))


def _python_fingerprint(function: Callable[..., Any]) -> str:
    function = inspect.unwrap(function)
    # Of a function that `exec` made, Python 3.13 shows lines of another text: `python -c` keeps its own by the name they share.
    if inspect.isfunction(function) and function.__code__.co_filename == "<string>":
        return UNKNOWN_PYTHON
    # `ast.unparse` is the one form that agrees between 3.11, 3.12 and 3.13; bytecode and `ast.dump` differ.
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return UNKNOWN_PYTHON
    return "py:" + sha256(ast.unparse(tree).encode()).hexdigest()


def body_changed(applied: str, declared: str) -> bool:
    """Tell whether a step's body differs from the one that was applied, as far as its fingerprints can say."""
    unknown = UNKNOWN_PYTHON in (applied, declared) and applied.startswith("py:") and declared.startswith("py:")
    return applied != declared and not unknown


def declared_mark(step: MigrationStep) -> str:
    """Return what the step contributes to its plugin's chain: SQL by its fingerprint, a function by its mere presence."""
    return fingerprint_of(step) if isinstance(step.up, str) or step.fingerprint is not None else "py"


def chain_hash(previous: str, step_id: str, version: str, mark: str) -> str:
    """Extend the hash of a chain of steps by one step."""
    return sha256(f"{previous}\0{step_id}\0{version}\0{mark}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ChainHashes:
    """The hashes of a chain of steps, each worked out when it is first asked for: most plans are only looked at.

    Args:
        start: The hash before the first step.
        steps: The steps, in order and with versions.
    """

    start: str
    steps: tuple[MigrationStep, ...]
    _known: list[str] = field(init=False, repr=False, compare=False, default_factory=list)

    def after(self, place: int) -> str:
        """Return the hash after a step, whose place is counted from 1."""
        known = self._known
        for step in self.steps[len(known) : place]:
            known.append(chain_hash(known[-1] if known else self.start, step.id, step.version or UNVERSIONED, declared_mark(step)))
        return known[place - 1]


def mark_of(steps: Iterable[MigrationStep]) -> str:
    """Return one hash over the ids and fingerprints of steps in their order; the ledger works out the same over its rows."""
    found = sha256()
    for step in steps:
        found.update(f"{step.id} {fingerprint_of(step)}\n".encode())
    return found.hexdigest()


def digest(parts: Iterable[str]) -> str:
    """Return one hash of `parts`, in their order; no two lists of parts have the same, as no part holds a NUL."""
    return sha256("\0".join(parts).encode()).hexdigest()
