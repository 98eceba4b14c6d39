"""Section E: runs at one time. Whoever races here is a process of its own; nothing is timed but what the engine itself limits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from roost.postgres import advisory_lock_key
from tests.plugins.build import applied, history, query, residue, until
from tests.plugins.fix_postgres import MakeDatabase
from tests.plugins.fix_replicas import Job, Replicas, Step, closed_gate, gate_step

SLOW = {"id": "slow", "up": "SELECT pg_sleep(600)", "version": "1.2.0"}
SOON = {"run_lock_timeout": 5.0}
"""Seconds; a run that had to wait so long for its turn would fail."""


def job(url: str, *plugins: dict[str, Any], **config: Any) -> Job:
    """Describe what a replica is to do."""
    return {"url": url, "plugins": plugins, "config": config}


def plugin(name: str, *steps: Step) -> dict[str, Any]:
    """Describe a plugin."""
    return {"name": name, "steps": steps}


def table(name: str, **fields: Any) -> Step:
    """Describe a step that makes a table, which can be done once only."""
    return {"id": name, "up": f"CREATE TABLE {name} (id int)", **fields}


def chain(name: str, length: int) -> list[Step]:
    """Describe so many steps, each of a version of its own."""
    return [table(f"{name}_{number}", version=f"1.{number}.0") for number in range(1, length + 1)]


def broken(name: str, **fields: Any) -> Step:
    """Describe a step that the server refuses."""
    return {"id": name, "up": f"CREATE TABLE {name} (id no_such_type)", **fields}


async def runs(url: str) -> int:
    """Count the runs of a database."""
    (count,) = await query(url, "SELECT count(*) FROM roost.run")
    return int(count)


@pytest.mark.asyncio
async def test_CC_01_processes_at_one_instant(new_database: MakeDatabase, replicas: Replicas) -> None:
    """CC-01: N processes start at one instant on an empty database: all end well, with one success row per plugin and step."""
    plugins = [plugin(name, table(f"{name}_1"), table(f"{name}_2")) for name in "xyz"]
    steps = [(name, f"{name}_{number}", True) for name in "xyz" for number in (1, 2)]
    for count in (2, 8, 3):
        url = await new_database()
        ends = await replicas.race(*[job(url, *plugins)] * count)
        assert [(end.error, end.text) for end in ends] == [(None, "")] * count
        assert sorted(step for end in ends for step in end.steps) == [f"{name}:{step}" for name, step, _ in steps]
        assert await history(url) == steps
        assert await residue(url) == []


@pytest.mark.asyncio
async def test_CC_02_one_plugin_twice_at_once(database_url: str, replicas: Replicas) -> None:
    """CC-02: the same plugin twice at once: both end well, and there is one row."""
    ends = await replicas.race(*[job(database_url, plugin("p", table("made")))] * 2)
    assert sorted((end.error, end.steps) for end in ends) == [(None, ()), (None, ("p:made",))]
    assert await history(database_url) == [("p", "made", True)]
    assert await applied(database_url) == [("p", "made")]


@pytest.mark.asyncio
async def test_CC_03_ten_plugins_at_once(database_url: str, replicas: Replicas) -> None:
    """CC-03: ten plugins, each migrated by a process of its own at one instant: ten tables and ten rows."""
    names = [f"plugin_{number}" for number in range(10)]
    ends = await replicas.race(*[job(database_url, plugin(name, table(name))) for name in names])
    assert [(end.error, end.steps) for end in ends] == [(None, (f"{name}:{name}",)) for name in names]
    assert sorted(await history(database_url)) == [(name, name, True) for name in names]
    assert await query(database_url, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1") == names
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_CC_04_an_invalid_one_fails_alone(database_url: str, replicas: Replicas) -> None:
    """CC-04: one invalid plugin among ten that are migrated at once: it fails alone, and has no success row."""
    names = [f"plugin_{number}" for number in range(9)]
    jobs = [job(database_url, plugin(name, table(name))) for name in names]
    jobs.insert(4, job(database_url, plugin("invalid", broken("invalid"))))
    ends = await replicas.race(*jobs)
    assert [end.error for end in ends] == [None] * 4 + ["StepFailed"] + [None] * 5
    assert "no_such_type" in ends[4].text
    assert sorted(await history(database_url)) == [("invalid", "invalid", False), *((name, name, True) for name in names)]
    assert await query(database_url, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1") == names
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_CC_05_the_lock_is_free_afterwards(new_database: MakeDatabase, replicas: Replicas) -> None:
    """CC-05: after a success, a failure, a cancellation and kill -9 the next process has its turn at once."""
    first, last = table("first", version="1.0.0"), table("last", version="2.0.0")
    endings: dict[str, Step] = {"success": {"id": "done", "up": "SELECT 1"}, "failure": broken("bad"), "cancel": SLOW, "kill": SLOW}
    for ending, middle in endings.items():
        url = await new_database()
        (one,) = replicas.start(job(url, plugin("p", first, middle)))
        if middle is SLOW:
            await until(url, "SELECT true FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
        if ending == "kill":
            one.kill()
        elif ending == "cancel":
            one.cancel()
            assert (await one.outcome()).error == "CancelledError"
        else:
            assert (await one.outcome()).error == (None if ending == "success" else "StepFailed")
        mended = {**middle, "up": "SELECT 1"}
        (next_end,) = await replicas.race(job(url, plugin("p", first, mended, last), **SOON))
        expected = ("p:last",) if ending == "success" else (f"p:{middle['id']}", "p:last")
        assert (ending, next_end.error, next_end.steps) == (ending, None, expected)
        assert await residue(url) == []
        recorded = [("p", "first", True), ("p", "bad", False), ("p", "bad", True), ("p", "last", True)]
        if ending != "failure":
            recorded = [("p", "first", True), ("p", middle["id"], True), ("p", "last", True)]
        assert await history(url) == recorded


def test_CC_11_the_key() -> None:
    """CC-11: the lock's key is written down here, is a signed 64-bit number, and differs by name."""
    keys = {name: advisory_lock_key(name) for name in ("roost:roost", "roost:other", "roost", "", "Roost:roost", "roost:roost ", "é" * 99)}
    assert keys["roost:roost"] == -7071582533475783327
    assert len(set(keys.values())) == len(keys)
    assert all(-(2**63) <= key < 2**63 for key in keys.values())


@pytest.mark.asyncio
async def test_the_key_is_the_one_that_a_run_holds(database_url: str, replicas: Replicas) -> None:
    """An old and a new release exclude each other: a run holds the key of the name roost:roost, and no other lock of that kind."""
    async with closed_gate(database_url) as gate:
        (holder,) = replicas.start(job(database_url, plugin("p", gate_step("wait"))))
        pid = await gate.reached()
        held = await query(
            database_url,
            "SELECT DISTINCT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = $1",
            pid,
        )
        assert held == [advisory_lock_key("roost:roost")]
        await gate.open()
        assert (await holder.outcome()).error is None


@pytest.mark.asyncio
async def test_old_and_new_code_at_one_instant(new_database: MakeDatabase, replicas: Replicas) -> None:
    """A rolling deployment: old code with fewer steps beside new code, in any order; all end well and every step is taken once."""
    steps = chain("s", 5)
    for old in (0, 1, 3):
        url = await new_database()
        await replicas.race(job(url, plugin("p", *steps[:old])))
        jobs = [job(url, plugin("p", *steps[:3])), job(url, plugin("p", *steps))] * 4
        ends = await replicas.race(*jobs)
        assert [(end.error, end.text) for end in ends] == [(None, "")] * 8
        assert await applied(url) == [("p", step["id"]) for step in steps]
        assert Counter(await history(url)) == Counter(("p", step["id"], True) for step in steps)
        assert await query(url, "SELECT version FROM roost.plugin") == ["1.5.0"]
        assert await residue(url) == []


@pytest.mark.asyncio
async def test_different_sets_of_plugins_at_one_instant(database_url: str, replicas: Replicas) -> None:
    """Programs that share some plugins and not others take each step once between them."""
    plugins = {name: plugin(name, *chain(name, 3)) for name in "wxyz"}
    jobs = [job(database_url, *[plugins[name] for name in names]) for names in ("wx", "xy", "yz", "zw", "wxyz", "y")]
    ends = await replicas.race(*jobs)
    assert [(end.error, end.text) for end in ends] == [(None, "")] * 6
    everything = [(name, f"{name}_{number}") for name in "wxyz" for number in (1, 2, 3)]
    assert sorted(await applied(database_url)) == everything
    assert sorted(await history(database_url)) == [(*step, True) for step in everything]
    (again,) = await replicas.race(jobs[4])
    assert (again.error, again.steps, again.opened_a_run) == (None, (), False)
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_old_code_that_waited_for_a_breaking_step_is_refused(database_url: str, replicas: Replicas) -> None:
    """Old code that waits while new code breaks with it never starts on what it would find; the others of the new code do."""
    old, new = plugin("p", *chain("s", 2)), plugin("p", *chain("s", 2), gate_step("break", version="2.0.0", breaking=True))
    async with closed_gate(database_url) as gate:
        (first,) = replicas.start(job(database_url, new))
        await gate.reached()
        waiting = replicas.start(*[job(database_url, code) for code in (old, new, old, new)])
        for replica in waiting:
            await replica.waits()
        await gate.open()
        ends = [await replica.outcome() for replica in (first, *waiting)]
    assert [end.error for end in ends] == [None, "DatabaseAhead", None, "DatabaseAhead", None]
    assert "break" in ends[1].text
    assert len(await history(database_url)) == 3
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_waiters_leave_when_it_is_settled(database_url: str, replicas: Replicas) -> None:
    """While one builds something slow seven wait; when it is done they go without a turn of their own: there was one run."""
    code = job(database_url, plugin("p", table("first"), gate_step("slow", "CREATE TABLE slow (id int)"), table("last")))
    async with closed_gate(database_url) as gate:
        (holder,) = replicas.start(code)
        await gate.reached()
        waiting = replicas.start(*[code] * 7)
        for replica in waiting:
            await replica.waits()
        await gate.open()
        ends = [await replica.outcome() for replica in (holder, *waiting)]
    assert [(end.error, end.opened_a_run) for end in ends] == [(None, True)] + [(None, False)] * 7
    assert ends[0].steps == ("p:first", "p:slow", "p:last")
    assert await runs(database_url) == 1
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_waiter_of_an_index_build_outlives_it(database_url: str, replicas: Replicas) -> None:
    """CREATE INDEX CONCURRENTLY waits for every transaction that could miss its index; waiters for the run are none of them."""
    index = {"id": "index", "up": "CREATE INDEX CONCURRENTLY made_id ON made (id)", "transactional": False}
    code = job(database_url, plugin("p", table("made"), gate_step("slow"), index, table("last", version="1.1.0")))
    async with closed_gate(database_url) as gate:
        (holder,) = replicas.start(code)
        await gate.reached()
        waiting = replicas.start(*[code] * 7)
        for replica in waiting:
            await replica.waits()
        await gate.open()
        ends = [await replica.outcome() for replica in (holder, *waiting)]
    assert [(end.error, end.text) for end in ends] == [(None, "")] * 8
    assert await query(database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'made_id'::regclass") == [True]
    assert await history(database_url) == [("p", step, True) for step in ("made", "slow", "index", "last")]


@pytest.mark.asyncio
async def test_a_failing_build_among_eight(database_url: str, replicas: Replicas) -> None:
    """It fails in its turn; of the seven that waited one goes on from the step that failed, and the others find it done."""
    begun = [table("first", version="1.0.0"), gate_step("slow", version="1.1.0")]
    bad = plugin("p", *begun, broken("third", version="1.2.0"), table("last", version="1.3.0"))
    good = plugin("p", *begun, table("third", version="1.2.0"), table("last", version="1.3.0"))
    async with closed_gate(database_url) as gate:
        (failing,) = replicas.start(job(database_url, bad))
        await gate.reached()
        waiting = replicas.start(*[job(database_url, good)] * 7)
        for replica in waiting:
            await replica.waits()
        await gate.open()
        failed = await failing.outcome()
        ends = [await replica.outcome() for replica in waiting]
    assert (failed.error, "no_such_type" in failed.text) == ("StepFailed", True)
    assert [end.error for end in ends] == [None] * 7
    assert Counter(end.steps for end in ends) == {("p:third", "p:last"): 1, (): 6}
    recorded = [("first", True), ("slow", True), ("third", False), ("third", True), ("last", True)]
    assert await history(database_url) == [("p", *row) for row in recorded]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_failing_plugin_in_one_of_eight(database_url: str, replicas: Replicas) -> None:
    """Seven processes end well whatever the eighth has beside what all have; its failure is recorded once, and it alone fails."""
    shared = plugin("p", *chain("s", 4))
    jobs = [job(database_url, shared)] * 7
    jobs.insert(3, job(database_url, shared, plugin("worse", table("kept"), broken("bad", version="1.1.0"))))
    ends = await replicas.race(*jobs)
    assert [end.error for end in ends] == [None] * 3 + ["StepFailed"] + [None] * 4
    assert await history(database_url, "p") == [("p", f"s_{number}", True) for number in range(1, 5)]
    assert await history(database_url, "worse") == [("worse", "kept", True), ("worse", "bad", False)]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_two_runs_after_a_failure(database_url: str, replicas: Replicas) -> None:
    """What came before the failure is kept, and two processes at one instant share what is left: every step is taken once."""
    bad = [*chain("s", 2), broken("s_3", version="1.3.0")]
    (failed,) = await replicas.race(job(database_url, plugin("p", *bad)))
    assert failed.error == "StepFailed"
    assert await applied(database_url) == [("p", "s_1"), ("p", "s_2")]
    ends = await replicas.race(*[job(database_url, plugin("p", *chain("s", 4)), **SOON)] * 2)
    assert sorted((end.error, end.steps) for end in ends) == [(None, ()), (None, ("p:s_3", "p:s_4"))]
    recorded = [("s_1", True), ("s_2", True), ("s_3", False), ("s_3", True), ("s_4", True)]
    assert await history(database_url) == [("p", *row) for row in recorded]


@pytest.mark.asyncio
async def test_all_replicas_of_a_failing_build(database_url: str, replicas: Replicas) -> None:
    """Each of six fails with the same error after the first step, which is taken once; nobody hides what went wrong."""
    ends = await replicas.race(*[job(database_url, plugin("p", table("first"), broken("bad", version="1.1.0")))] * 6)
    assert [end.error for end in ends] == ["StepFailed"] * 6
    assert await history(database_url) == [("p", "first", True)] + [("p", "bad", False)] * 6
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_killed_holder_among_waiters(database_url: str, replicas: Replicas) -> None:
    """A process is killed in the middle of a step while four wait: one of them takes that step from its beginning."""
    code = job(database_url, plugin("p", table("first"), gate_step("slow", "CREATE TABLE slow (id int)"), table("last")))
    async with closed_gate(database_url) as gate:
        (holder,) = replicas.start(code)
        pid = await gate.reached()
        waiting = replicas.start(*[code] * 4)
        for replica in waiting:
            await replica.waits()
        holder.kill()
        await until(database_url, "SELECT true WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid)
        await gate.reached()
        await gate.open()
        ends = [await replica.outcome() for replica in waiting]
    assert [end.error for end in ends] == [None] * 4
    assert Counter(end.steps for end in ends) == {("p:slow", "p:last"): 1, (): 3}
    assert await history(database_url) == [("p", step, True) for step in ("first", "slow", "last")]
    assert await query(database_url, "SELECT count(*) FROM roost.run WHERE open") == [0]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_time_out_names_the_holder_and_the_others_go_on(new_database: MakeDatabase, replicas: Replicas) -> None:
    """Who won't wait is told who holds the lock and at which step; who will, and who has another database, is not disturbed."""
    url, elsewhere = await new_database(), await new_database()
    code = plugin("p", table("first"), gate_step("slow"))
    async with closed_gate(url) as gate:
        (holder,) = replicas.start(job(url, code))
        pid = await gate.reached()
        (patient,) = replicas.start(job(url, code))
        await patient.waits()
        impatient, other = await replicas.race(job(url, code, run_lock_timeout=0.1), job(elsewhere, plugin("p", table("first"))))
        assert (other.error, other.steps) == (None, ("p:first",))
        assert impatient.error == "MigrationLockTimeout"
        assert str(pid) in impatient.text
        assert "p: slow" in impatient.text
        await gate.open()
        ends = [await replica.outcome() for replica in (holder, patient)]
    assert [(end.error, end.steps) for end in ends] == [(None, ("p:first", "p:slow")), (None, ())]
    assert await history(url) == [("p", "first", True), ("p", "slow", True)]


@pytest.mark.asyncio
async def test_databases_of_one_server_do_not_exclude_each_other(new_database: MakeDatabase, replicas: Replicas) -> None:
    """While a run stands still in one database, runs in three others begin and end, and nobody there waits."""
    urls = [await new_database() for _ in range(4)]
    async with closed_gate(urls[0]) as gate:
        (holder,) = replicas.start(job(urls[0], plugin("p", gate_step("slow"))))
        await gate.reached()
        ends = await replicas.race(*[job(url, plugin("p", *chain("s", 3)), run_lock_timeout=0) for url in urls[1:]])
        assert [(end.error, len(end.steps)) for end in ends] == [(None, 3)] * 3
        await gate.open()
        assert (await holder.outcome()).error is None
