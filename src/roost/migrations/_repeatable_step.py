"""A step that is run again whenever its text changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, field

from roost.errors import InvalidStep
from roost.migrations._step import check_id, check_limits, check_sql_text, with_unix_lines
from roost.postgres import is_blank


@dataclass(frozen=True, slots=True)
class RepeatableStep:
    """SQL that can be run any number of times, and is run again whenever its text changes: a view, a function, grants.

    It runs after the plugin's versioned steps, in a transaction of its own.

    Args:
        id: Names the step among all steps of its plugin, for ever: the ledger knows it by this.
        description: What it does, for people.
        up: SQL text that bears to be run again, such as ``CREATE OR REPLACE VIEW …``.
        after: The ids of repeatable steps of the same plugin that must run before. When one of those runs, this one runs too.
        lock_timeout: Seconds one attempt waits for a table's lock; None takes the configuration's.
        statement_timeout: Seconds one statement of the step may take; None takes the configuration's.

    Raises:
        InvalidStep: The id is empty, too long or unprintable, `up` is no SQL text, holds no statement or can't be sent to PostgreSQL,
            `after` holds something else than ids, or a time limit is negative.
    """

    id: str
    description: str
    up: str
    _: KW_ONLY
    after: tuple[str, ...] = ()
    lock_timeout: float | None = None
    statement_timeout: float | None = None
    declared_text: str = field(init=False, repr=False, compare=False)
    """What the step contributes to the digest of its plugin's declaration: its SQL."""

    def __post_init__(self) -> None:
        check_id(self.id)
        _check_types(self.id, up=self.up, after=self.after)
        object.__setattr__(self, "after", tuple(self.after))
        check_sql_text(self.up, step=self.id, field="up")
        if is_blank(self.up):
            raise InvalidStep(step=self.id, reason="up holds no statement, so what it made before would stay as it is; leave the step out")
        check_limits(self.id, lock_timeout=self.lock_timeout, statement_timeout=self.statement_timeout)
        object.__setattr__(self, "declared_text", with_unix_lines(self.up))


def _check_types(step: str, *, up: object, after: object) -> None:
    if not isinstance(up, str):
        raise InvalidStep(step=step, reason=f"up is {type(up).__name__} and not SQL text, which is all that a repeatable step may be")
    # Whoever forgets the comma of a tuple has written a string, whose letters are no names.
    if isinstance(after, str) or not isinstance(after, Iterable) or not all(isinstance(name, str) for name in after):
        raise InvalidStep(step=step, reason=f"after is a tuple of ids, and not {after!r}")
