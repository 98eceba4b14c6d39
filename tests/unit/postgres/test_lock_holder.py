from __future__ import annotations

from datetime import UTC, datetime

import pytest

from roost.postgres import LockHolder, lock_timeout


def holder(state: str | None, state_for: float | None, statement_for: float | None = None) -> LockHolder:
    """Return a holder in this state for so many seconds."""
    return LockHolder(
        pid=812,
        application_name="roost notes: fill",
        host="10.0.0.3",
        since=datetime(2024, 1, 1, tzinfo=UTC),
        state=state,
        connected_for=400.0,
        statement_for=statement_for,
        state_for=state_for,
    )


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (holder("active", 3.0, 3.4), "its statement runs for 3 s"),
        (holder("idle in transaction", 0.4), "idle in transaction for 0 s"),
        (holder("idle", 9.9), "idle for 10 s"),
        (holder("idle", 312.0), "idle for 312 s: it may be frozen"),
        (holder(None, None), "what it does is hidden from this role"),
    ],
)
def test_what_a_holder_does_is_told_in_words(one: LockHolder, words: str) -> None:
    """A statement is told by its age, silence by its length; only a long one is remarked on, and what is not seen is not guessed."""
    assert one.activity == words


def test_the_error_tells_all_that_is_known() -> None:
    """Process, client, plugin and step, age, silence; and who held it to nobody's knowledge is told so."""
    error = lock_timeout(holder("idle", 312.0, 312.1), waited=60.0)
    assert str(error) == (
        "Migration lock timeout after 60 s: the lock is held by server process 812 with its client on 10.0.0.3 (roost notes: fill, "
        "connected since 2024-01-01 00:00:00+0000); idle for 312 s: it may be frozen\n"
        "hint: wait for it or raise MigrationConfig(run_lock_timeout=…); if it hangs, end it with: roost unlock"
    )
    assert (error.connected_for, error.statement_for, error.state) == (400.0, 312.1, "idle")
    error.run, error.run_for, error.client_host, error.client_pid = 7, 350.0, "web-3", 4711
    assert ", run 7 of process 4711 on web-3, begun 350 s ago); idle for" in str(error)
    assert lock_timeout(None, waited=1.0).pid is None
