"""The probe for poolers against a model of one, in which chance can be had at will. A real one is tried in `test_poolers`."""

from __future__ import annotations

import re

import pytest

from roost.postgres._pooler import find_pooling


class Pooler:
    """A pooler that gives out first what it got back last, as PgBouncer does, and whose clients leave traces on server processes."""

    def __init__(self, *, shares: bool, idle: list[str]) -> None:
        self.shares = shares
        self.idle = idle
        self.last: dict[str, int] = dict.fromkeys(idle, 0)
        self.clock = 0


class Client:
    """A session on it."""

    def __init__(self, pooler: Pooler) -> None:
        self._pooler = pooler
        self._process: str | None = None
        self._in_transaction = False

    async def rows(self, query: str) -> list[tuple[str | None, ...]]:
        """Answer which process it is, and when that one or another began its last statement."""
        process = self._begin()
        other = re.search(r"pid = (p\d)", query)
        used = self._pooler.last[other[1] if other else process]
        self._end()
        return [(process, str(used))]

    async def execute(self, script: str) -> None:
        """Begin a transaction."""
        assert script == "BEGIN"
        self._in_transaction = True
        self._begin()

    async def rollback(self) -> None:
        """End it."""
        self._in_transaction = False
        self._begin()
        self._end()

    def terminate(self) -> None:
        """Give back the process, if there is one."""

    def _begin(self) -> str:
        if self._process is None:
            self._process = self._pooler.idle.pop()
        self._pooler.clock += 1
        self._pooler.last[self._process] = self._pooler.clock
        return self._process

    def _end(self) -> None:
        if self._pooler.shares and not self._in_transaction and self._process is not None:
            self._pooler.idle.append(self._process)
            self._process = None


@pytest.mark.asyncio
@pytest.mark.parametrize("shares", [True, False])
async def test_what_a_pooler_does_is_found_out(*, shares: bool) -> None:
    """One that gives a session's process to others is found out, and one that doesn't is believed."""
    pooler = Pooler(shares=shares, idle=["p1", "p2", "p3"])

    async def another() -> Client:
        return Client(pooler)

    assert await find_pooling(Client(pooler), open_another=another, location="here") == ("transaction" if shares else "session")


@pytest.mark.asyncio
async def test_a_second_session_that_came_by_another_process() -> None:
    """Where the second session got another process by chance, and the first its own again, what is given back next tells it."""
    pooler = Pooler(shares=True, idle=["p1", "p2", "p3"])

    class Lucky(Client):
        """Its first transaction gets another process than the one that was given back last."""

        is_first = True

        async def execute(self, script: str) -> None:
            aside = [pooler.idle.pop()] if self.is_first else []
            self.is_first = False
            await super().execute(script)
            pooler.idle.extend(aside)

    async def another() -> Client:
        return Lucky(pooler)

    assert await find_pooling(Client(pooler), open_another=another, location="here") == "transaction"
