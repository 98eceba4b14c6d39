"""A step that comes upon an autovacuum: it holds its lock for as long as the table is large, and gives way only to who waits for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from roost import MigrationOrchestrator, MigrationStep
from roost.errors import StepFailed
from roost.migrations import StepBlocked
from roost.postgres import EmbeddedPostgres
from tests.plugins.build import QUICK, execute, make_plugin, make_runtime, migrate, names, until

PATIENT = replace(QUICK, lock_wait_budget=20.0)
MAKE = MigrationStep("make", "Make it", up="CREATE TABLE visits (x int)", version="1.0.0")
ALTER = MigrationStep("alter", "Alter it", up="ALTER TABLE visits ADD y int", version="1.1.0")
# Each page costs a tenth of a second, so that it takes longer than any budget here.
SLOWLY = """
ALTER TABLE visits SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,
                        autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
INSERT INTO visits SELECT n FROM generate_series(1, 200000) AS n;
DELETE FROM visits WHERE x % 2 = 0
"""
IN_THE_WAY = """
SELECT 1 FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.relation = to_regclass('visits') AND l.granted AND a.backend_type = 'autovacuum worker'
"""

ORDINARY = """
CREATE ROLE ordinary LOGIN;
ALTER TABLE visits OWNER TO ordinary;
GRANT ALL ON SCHEMA public, roost TO ordinary;
GRANT ALL ON ALL TABLES IN SCHEMA roost TO ordinary;
GRANT ALL ON ALL SEQUENCES IN SCHEMA roost TO ordinary
"""


WAITS_LONG = "ALTER ROLE embedded SET deadlock_timeout = '5min'"
ONLY_WHEN_OLD = "ALTER TABLE visits SET (autovacuum_enabled = false, autovacuum_freeze_max_age = 100000)"
AGE = """
DO $$ BEGIN FOR n IN 1..110000 LOOP BEGIN INSERT INTO visits VALUES (n); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$
"""
"""Uses up transactions, until the table's rows are so old that they must be frozen."""


@contextlib.asynccontextmanager
async def busy(tmp_path: Path, *, before: str = "", after: str = "") -> AsyncIterator[str]:
    """A database in which an autovacuum of the table is at work, on a server that begins one each second."""
    async with EmbeddedPostgres(tmp_path / "data", settings={"autovacuum_naptime": "1", "fsync": "off"}) as server:
        await migrate(server.url, make_plugin("p", MAKE))
        for script in filter(None, (before, SLOWLY, after)):
            await execute(server.url, script)
        await until(server.url, IN_THE_WAY)
        yield server.url


@pytest.mark.asyncio
@pytest.mark.parametrize("role", ["embedded", "ordinary"])
async def test_an_autovacuum_gives_way(tmp_path: Path, role: str) -> None:
    """One attempt waits for so long that the server ends it, also for a role that may not see what others do; and it is told."""
    told: list[StepBlocked] = []
    async with busy(tmp_path, before=ORDINARY if role == "ordinary" else "") as url:
        runtime = make_runtime(url.replace("//embedded@", f"//{role}@"), make_plugin("p", MAKE, ALTER), config=PATIENT)
        runtime.events.subscribe(told.append, StepBlocked)
        report = await MigrationOrchestrator(runtime).run_all_migrations()
    assert names(report.steps) == ["alter"]
    assert {blocker.gives_way for event in told for blocker in event.blockers} == {True}


@pytest.mark.asyncio
async def test_limits_that_are_shorter_than_the_wait(tmp_path: Path) -> None:
    """The time that a statement may take is not used up by the wait, so that a step needs no second attempt because of it."""
    async with busy(tmp_path) as url:
        config = replace(PATIENT, statement_timeout=0.5, max_retries=1)
        assert names((await migrate(url, make_plugin("p", MAKE, ALTER), config=config)).steps) == ["alter"]


@pytest.mark.asyncio
async def test_an_autovacuum_gives_way_to_a_step_outside_a_transaction(tmp_path: Path) -> None:
    """A statement of it that bears a transaction waits as all of a step in one does; the others have no short time-out."""
    step = MigrationStep(
        "alter",
        "Alter it",
        up="ALTER TABLE visits ADD y int; CREATE INDEX CONCURRENTLY i ON visits (y)",
        version="1.1.0",
        transactional=False,
    )
    async with busy(tmp_path) as url:
        report = await migrate(url, make_plugin("p", MAKE, step), config=replace(PATIENT, lock_wait_budget=10.0))
    assert names(report.steps) == ["alter"]


@pytest.mark.asyncio
async def test_nobody_waits_for_longer_than_the_budget(tmp_path: Path) -> None:
    """Where the server lets others wait for longer than a step may, no attempt stands in front of readers for so long, and none helps."""
    async with busy(tmp_path, before=WAITS_LONG) as url:
        with pytest.raises(StepFailed) as failed:
            await migrate(url, make_plugin("p", MAKE, ALTER), config=replace(QUICK, lock_wait_budget=1.5))
    assert [blocker.gives_way for blocker in failed.value.blockers] == [True]


@pytest.mark.asyncio
async def test_one_that_prevents_a_wraparound_does_not(tmp_path: Path) -> None:
    """Nobody waits long for what the server would not end: the budget is used up by attempts of the usual length, and it is named."""
    async with busy(tmp_path, before=ONLY_WHEN_OLD, after=AGE) as url:
        with pytest.raises(StepFailed, match="to prevent wraparound") as failed:
            await migrate(url, make_plugin("p", MAKE, ALTER), config=replace(QUICK, lock_wait_budget=1.5))
    assert [blocker.gives_way for blocker in failed.value.blockers] == [False]
    assert failed.value.attempts > 3


@pytest.mark.asyncio
async def test_an_autovacuum_gives_way_to_a_rehearsal(tmp_path: Path) -> None:
    """A rehearsal gets the locks that the run will get."""
    async with busy(tmp_path) as url:
        report = await MigrationOrchestrator(make_runtime(url, make_plugin("p", MAKE, ALTER), config=PATIENT)).rehearse()
    assert [(step.step, step.outcome) for step in report.steps] == [("alter", "rehearsed")]
