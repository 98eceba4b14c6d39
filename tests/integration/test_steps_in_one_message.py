"""Steps that travel in one message are told, reported and tried again as if each had travelled alone."""

from __future__ import annotations

import pytest

from roost import MigrationOrchestrator, MigrationStep
from roost.errors import StepFailed
from roost.migrations import StepFinished, StepOutcomeLearned, StepRetried, StepStarted
from tests.plugins.build import applied, history, make_plugin, make_runtime, migrate, names, query, residue

TRIES = MigrationStep("tries", "Counts what is tried, also when it is rolled back", up="CREATE SEQUENCE tries", version="0.1.0")
FIRST_TRY = "nextval('public.tries') = 1"


def steps(third: str) -> list[MigrationStep]:
    """Return five steps, the third one of which does this."""
    plain = [MigrationStep(f"s{number}", "A step", up=f"CREATE TABLE t{number} (id int)", version="1.0.0") for number in range(5)]
    plain[2] = MigrationStep("s2", "The third", up=f"CREATE TABLE t2 (id int); {third}", version="1.0.0")
    return plain


async def run(url: str, third: str) -> tuple[list[str], list[tuple[str, str]], BaseException | None]:
    """Run the steps, and return those reported, what was told, and the error."""
    await migrate(url, make_plugin("before", TRIES))
    runtime = make_runtime(url, make_plugin("p", *steps(third)))
    told: list[tuple[str, str]] = []
    runtime.events.subscribe(lambda event: told.append(("started", event.step)), StepStarted)
    runtime.events.subscribe(lambda event: told.append(("finished" if event.error is None else "failed", event.step)), StepFinished)
    runtime.events.subscribe(lambda event: told.append((f"attempt {event.attempt} failed", event.step)), StepRetried)
    runtime.events.subscribe(lambda event: told.append(("applied" if event.is_applied else "not applied", event.step)), StepOutcomeLearned)
    try:
        report = await MigrationOrchestrator(runtime).run_all_migrations()
    except StepFailed as error:
        return [], told, error
    return names(report.steps), told, None


def in_turn(*numbers: int) -> list[tuple[str, str]]:
    """Return what is told of steps that simply succeed."""
    return [(what, f"s{number}") for number in numbers for what in ("started", "finished")]


@pytest.mark.asyncio
async def test_each_step_is_told_in_its_turn(database_url: str) -> None:
    """A step begins when the one before has ended, each once."""
    reported, told, error = await run(database_url, "SELECT 1")
    assert (reported, error) == (["s0", "s1", "s2", "s3", "s4"], None)
    assert told == in_turn(0, 1, 2, 3, 4)


@pytest.mark.asyncio
async def test_a_failing_step_keeps_those_before_it(database_url: str) -> None:
    """Those are applied and told as such, it is recorded as failed, and those after it are neither begun nor run."""
    _, told, error = await run(database_url, "SELECT nothing")
    assert isinstance(error, StepFailed)
    assert (error.step, error.attempts, error.location) == ("s2", 1, "line 1")
    assert told == [*in_turn(0, 1), ("started", "s2"), ("failed", "s2")]
    assert await applied(database_url) == [("before", "tries"), ("p", "s0"), ("p", "s1")]
    assert (await history(database_url, "p"))[-1] == ("p", "s2", False)
    assert names((await migrate(database_url, make_plugin("p", *steps("SELECT 1")))).steps) == ["s2", "s3", "s4"]


@pytest.mark.asyncio
@pytest.mark.parametrize("late", ["", "DEFERRABLE INITIALLY DEFERRED"])
async def test_a_failure_at_commit_is_the_steps_own(database_url: str, late: str) -> None:
    """A constraint that is checked late fails its own step and not the one after it."""
    third = f"CREATE TABLE u (id int UNIQUE {late}); INSERT INTO u VALUES (1), (1)"
    _, told, error = await run(database_url, third)
    assert isinstance(error, StepFailed)
    assert (error.step, error.sqlstate) == ("s2", "23505")
    assert told == [*in_turn(0, 1), ("started", "s2"), ("failed", "s2")]


@pytest.mark.asyncio
async def test_a_failure_that_may_pass_is_tried_again_alone(database_url: str) -> None:
    """The steps before it are not tried again; the history counts its attempts and one for each other step."""
    third = f"DO $$BEGIN IF {FIRST_TRY} THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; END$$"
    reported, told, error = await run(database_url, third)
    assert (reported, error) == (["s0", "s1", "s2", "s3", "s4"], None)
    assert told == [*in_turn(0, 1), ("started", "s2"), ("attempt 1 failed", "s2"), ("finished", "s2"), *in_turn(3, 4)]
    assert await query(database_url, "SELECT attempts FROM roost.history WHERE plugin = 'p' ORDER BY id") == [1, 1, 2, 1, 1]


@pytest.mark.asyncio
async def test_a_connection_that_breaks_in_the_middle(database_url: str) -> None:
    """What was applied is learned from the ledger, told and reported once; the rest is run on a new connection."""
    third = f"SELECT CASE WHEN {FIRST_TRY} THEN pg_terminate_backend(pg_backend_pid()) END; SELECT pg_sleep(0.01)"
    reported, told, error = await run(database_url, third)
    assert (reported, error) == (["s0", "s1", "s2", "s3", "s4"], None)
    broken = [("started", "s2"), ("failed", "s2"), ("applied", "s0"), ("applied", "s1"), ("not applied", "s2")]
    assert told == [*in_turn(0, 1), *broken, *in_turn(2, 3, 4)]
    assert [row[1] for row in await history(database_url, "p")] == ["s0", "s1", "s2", "s3", "s4"]
    assert await residue(database_url) == []
