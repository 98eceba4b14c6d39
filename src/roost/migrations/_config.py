"""How migrations run: attempts, time limits and the policy towards steps that don't fit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from roost.errors import InvalidConfiguration

Policy: TypeAlias = Literal["strict", "allow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationConfig:
    """How migrations run. All durations are seconds.

    Args:
        max_retries: Attempts at a step in all, the first included, where PostgreSQL's error says that trying again may help.
        retry_delay: Wait before the second attempt; each further wait is twice as long.
        retry_max_delay: The longest of these waits.
        run_lock_timeout: How long a run waits for its turn behind another process's run.
        lock_timeout: How long one attempt of a step waits for a table's lock. Short, because everybody who comes after a waiting
            ``ALTER TABLE`` waits behind it. Where nothing but an autovacuum is in the way, one attempt waits until the server has ended
            that: for ``deadlock_timeout``, and a second at most; not at all where that is more than `lock_wait_budget`.
        lock_wait_budget: How long a step keeps trying for that lock in all; these attempts don't count as `max_retries`.
        statement_timeout: How long one statement of a step may take, beside a wait for an autovacuum; None sets no limit.
        policy: ``"strict"`` refuses steps that are missing or out of order, ``"allow"`` reports them and goes on.
        track_history: False writes no history rows. What is applied is always recorded.
        allow_data_loss: What declared schemas may lose, by name: ``"agents.username"`` for a column, ``"agents"`` for a table. What
            ``ROOST_ALLOW_DATA_LOSS`` names, with commas in between, is allowed as well.
        scratch_url: A server of the same major version where a scratch database may be created, for declared schemas; None takes the
            database's own server. ``ROOST_SCRATCH_URL`` stands for it where it is None.
        schema_timeout: How long it may take to work out what declared schemas need, all attempts at it included. Others wait for their
            turn meanwhile, and a line to a database that has fallen silent would keep them waiting for ever.
        large_table_bytes: From how many bytes on a table is so large that a change of its declared schema takes the forms in which nobody
            waits who reads or writes it. 0 means every table that is there; None means none.

    Raises:
        InvalidConfiguration: A value is out of its range.
    """

    max_retries: int = 3
    retry_delay: float = 1.0
    retry_max_delay: float = 10.0
    run_lock_timeout: float = 60.0
    lock_timeout: float = 0.2
    lock_wait_budget: float = 30.0
    statement_timeout: float | None = None
    policy: Policy = "strict"
    track_history: bool = True
    allow_data_loss: Collection[str] = frozenset()
    scratch_url: str | None = field(default=None, repr=False)
    schema_timeout: float = 300.0
    large_table_bytes: int | None = 16 * 2**20

    def __post_init__(self) -> None:
        if self.max_retries < 1:
            raise InvalidConfiguration(name="max_retries", value=self.max_retries, reason="it counts attempts, so the least is 1")
        for name in ("retry_delay", "retry_max_delay", "run_lock_timeout", "lock_timeout", "lock_wait_budget", "schema_timeout"):
            if getattr(self, name) < 0:
                raise InvalidConfiguration(name=name, value=getattr(self, name), reason="it is a number of seconds, 0 or more")
        if self.statement_timeout is not None and self.statement_timeout < 0:
            raise InvalidConfiguration(
                name="statement_timeout", value=self.statement_timeout, reason="it is a number of seconds, or None for no limit"
            )
        if self.large_table_bytes is not None and self.large_table_bytes < 0:
            raise InvalidConfiguration(
                name="large_table_bytes", value=self.large_table_bytes, reason="it is a number of bytes, 0 or more, or None for no table"
            )
        if self.policy not in ("strict", "allow"):
            raise InvalidConfiguration(name="policy", value=self.policy, reason="it is 'strict' or 'allow'")
        # A text would allow each of its letters.
        if isinstance(self.allow_data_loss, str) or not all(isinstance(name, str) for name in self.allow_data_loss):
            raise InvalidConfiguration(name="allow_data_loss", value=self.allow_data_loss, reason="it is a set of names")
        object.__setattr__(self, "allow_data_loss", frozenset(self.allow_data_loss))
