"""Ways back that travel in one message are told, reported and tried again as if each had travelled alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from roost import MigrationContext, MigrationOrchestrator, MigrationStep
from roost.errors import MigrationLockLost, RoostError, SessionLost, StepEscaped, StepFailed
from roost.migrations import SessionReopened, StepFinished, StepOutcomeLearned, StepRetried, StepStarted
from tests.plugins.build import applied, execute, make_plugin, make_runtime, migrate, names, query, residue

if TYPE_CHECKING:
    from roost.migrations._step import StepFunction

TRIES = MigrationStep("tries", "Counts what is tried, also when it is rolled back", up="CREATE SEQUENCE tries", version="0.1.0")
FIRST_TRY = "nextval('public.tries') = 1"
BROKEN = f"SELECT CASE WHEN {FIRST_TRY} THEN pg_terminate_backend(pg_backend_pid()) END; SELECT pg_sleep(0.01)"


def steps(third: str) -> list[MigrationStep]:
    """Return five steps, the third of which is undone by this and its table's end."""
    plain = [
        MigrationStep(f"s{number}", "A step", up=f"CREATE TABLE t{number} (id int)", down=f"DROP TABLE t{number}", version=f"1.0.{number}")
        for number in range(5)
    ]
    plain[2] = MigrationStep("s2", "The third", up="CREATE TABLE t2 (id int)", down=f"DROP TABLE t2; {third}", version="1.0.2")
    return plain


async def undo(url: str, third: str) -> tuple[list[str], list[tuple[str, str]], RoostError | None]:
    """Apply the steps and undo all of them; return those reported, what was told of the way back, and the error."""
    await migrate(url, make_plugin("before", TRIES))
    runtime = make_runtime(url, make_plugin("p", *steps(third)))
    await MigrationOrchestrator(runtime).run_all_migrations()
    told: list[tuple[str, str]] = []
    runtime.events.subscribe(lambda event: told.append((f"started {event.index} of {event.total}", event.step)), StepStarted)
    runtime.events.subscribe(lambda event: told.append(("finished" if event.error is None else "failed", event.step)), StepFinished)
    runtime.events.subscribe(lambda event: told.append((f"attempt {event.attempt} failed", event.step)), StepRetried)
    runtime.events.subscribe(lambda event: told.append(("applied" if event.is_applied else "undone", event.step)), StepOutcomeLearned)
    (service,) = runtime.get_services_by_type("migration")
    try:
        report = await service.rollback()
    except RoostError as error:
        return [], told, error
    return names(report.steps), told, None


async def undone_in_history(url: str) -> list[tuple[str, bool, int]]:
    """Return (step, success, attempts) of the ways back, in the order in which they were written."""
    return await query(url, "SELECT step, success, attempts FROM roost.history WHERE direction = 'down' ORDER BY id")


def in_turn(*numbers: int) -> list[tuple[str, str]]:
    """Return what is told of steps that are simply undone."""
    return [(what, f"s{number}") for number in numbers for what in (f"started {5 - number} of 5", "finished")]


@pytest.mark.asyncio
async def test_each_way_back_is_told_in_its_turn(database_url: str) -> None:
    """It begins when the one before has ended, each once, and the plugin stands nowhere in the end."""
    reported, told, error = await undo(database_url, "SELECT 1")
    assert (reported, error) == (["s4", "s3", "s2", "s1", "s0"], None)
    assert told == in_turn(4, 3, 2, 1, 0)
    assert await undone_in_history(database_url) == [(f"s{number}", True, 1) for number in (4, 3, 2, 1, 0)]
    assert await query(database_url, "SELECT version, chain FROM roost.plugin WHERE name = 'p'") == [(None, None)]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_way_back_that_fails_keeps_what_is_undone(database_url: str) -> None:
    """Those before it stay undone and told as such, it is recorded as failed, and those after it stay applied."""
    _, told, error = await undo(database_url, "SELECT nothing")
    assert isinstance(error, StepFailed)
    assert (error.step, error.direction, error.attempts, error.location) == ("s2", "down", 1, "line 1")
    assert told == [*in_turn(4, 3), ("started 3 of 5", "s2"), ("failed", "s2")]
    assert await applied(database_url) == [("before", "tries"), ("p", "s0"), ("p", "s1"), ("p", "s2")]
    assert await undone_in_history(database_url) == [("s4", True, 1), ("s3", True, 1), ("s2", False, 1)]
    assert await query(database_url, "SELECT version FROM roost.plugin WHERE name = 'p'") == ["1.0.2"]


@pytest.mark.asyncio
async def test_a_failure_that_may_pass_is_tried_again_alone(database_url: str) -> None:
    """The ways back before it are not tried again; the history counts its attempts and one for each other."""
    third = f"DO $$BEGIN IF {FIRST_TRY} THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; END$$"
    reported, told, error = await undo(database_url, third)
    assert (reported, error) == (["s4", "s3", "s2", "s1", "s0"], None)
    again = [("started 3 of 5", "s2"), ("attempt 1 failed", "s2"), ("finished", "s2")]
    assert told == [*in_turn(4, 3), *again, *in_turn(1, 0)]
    assert [attempts for _, _, attempts in await undone_in_history(database_url)] == [1, 1, 2, 1, 1]


@pytest.mark.asyncio
async def test_a_connection_that_breaks_in_the_middle(database_url: str) -> None:
    """What was undone is learned from the ledger, told and reported once; the rest is undone on a new connection."""
    reported, told, error = await undo(database_url, BROKEN)
    assert (reported, error) == (["s4", "s3", "s2", "s1", "s0"], None)
    broken = [("started 3 of 5", "s2"), ("failed", "s2"), ("undone", "s4"), ("undone", "s3"), ("applied", "s2")]
    assert told == [*in_turn(4, 3), *broken, *in_turn(2, 1, 0)]
    assert await undone_in_history(database_url) == [(f"s{number}", True, 1) for number in (4, 3, 2, 1, 0)]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_connection_that_breaks_every_time(database_url: str) -> None:
    """After as many attempts as are allowed it is given up; what was undone stays undone."""
    always = "SELECT pg_terminate_backend(pg_backend_pid()); SELECT pg_sleep(0.01)"
    _, _, error = await undo(database_url, always)
    assert isinstance(error, SessionLost)
    assert error.attempts == 3
    assert await applied(database_url) == [("before", "tries"), ("p", "s0"), ("p", "s1"), ("p", "s2")]


@pytest.mark.asyncio
async def test_another_run_in_between_ends_it(database_url: str) -> None:
    """When somebody else has changed the plugin while the connection was broken, nothing more is undone."""
    await migrate(database_url, make_plugin("before", TRIES))
    runtime = make_runtime(database_url, make_plugin("p", *steps(BROKEN)))
    await MigrationOrchestrator(runtime).run_all_migrations()
    (service,) = runtime.get_services_by_type("migration")
    reopened: list[SessionReopened] = []
    runtime.events.subscribe(reopened.append, SessionReopened)
    # The trigger stands for the other run: it writes just before the run's second connection reads the ledger.
    await execute(
        database_url,
        "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN UPDATE roost.plugin SET chain = 'of another run' WHERE name = 'p'; RETURN NULL; END$$; "
        "CREATE TRIGGER other AFTER INSERT ON roost.run FOR EACH ROW WHEN (new.number > 3) EXECUTE FUNCTION other()",
    )
    with pytest.raises(MigrationLockLost, match="another run has changed plugin p meanwhile"):
        await service.rollback()
    assert len(reopened) == 1
    assert await applied(database_url) == [("before", "tries"), ("p", "s0"), ("p", "s1"), ("p", "s2")]


async def plain(ctx: MigrationContext) -> None:
    """Undo the fourth step."""
    await ctx.execute("DROP TABLE t3")


async def ends(ctx: MigrationContext) -> None:
    """Undo the fourth step, and end the transaction that should have done so."""
    await ctx.execute("DROP TABLE t3; COMMIT")


async def undo_by(url: str, function: StepFunction) -> list[str]:
    """Apply the steps and undo three of them, the fourth by a function."""
    several = steps("SELECT 1")
    several[3] = MigrationStep("s3", "By a function", up=str(several[3].up), down=function, version="1.0.3")
    runtime = make_runtime(url, make_plugin("p", *several))
    await MigrationOrchestrator(runtime).run_all_migrations()
    (service,) = runtime.get_services_by_type("migration")
    return names((await service.rollback("1.0.1")).steps)


@pytest.mark.asyncio
async def test_a_function_among_ways_back(database_url: str) -> None:
    """It goes alone between messages."""
    assert await undo_by(database_url, plain) == ["s4", "s3", "s2"]
    assert await undone_in_history(database_url) == [("s4", True, 1), ("s3", True, 1), ("s2", True, 1)]
    assert await query(database_url, "SELECT to_regclass(name) IS NULL FROM unnest('{t1,t2,t3,t4}'::text[]) AS name") == [
        False,
        *[True] * 3,
    ]


@pytest.mark.asyncio
async def test_a_function_that_ends_its_own_transaction(database_url: str) -> None:
    """It is found out, its step is in doubt, and nothing after it is undone."""
    with pytest.raises(StepEscaped):
        await undo_by(database_url, ends)
    assert await query(database_url, "SELECT step, state FROM roost.applied ORDER BY position") == [
        ("s0", "done"),
        ("s1", "done"),
        ("s2", "done"),
        ("s3", "escaped"),
    ]
    with pytest.raises(StepEscaped):
        await undo_by(database_url, plain)
