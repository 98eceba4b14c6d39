"""What a server's probes answer."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

from roost.asgi import Probes, lifespan
from roost.errors import Blocker, MissingProvider, ServiceStartFailed, ServiceTaskCrashed
from roost.migrations import RunFinished, RunStarted, ServiceMigrationStarted, StepBlocked, StepStarted
from roost.runtime import Runtime, RuntimeStopFinished, Secret, Service, ServiceCrashed
from tests.plugins.build import BOUND
from tests.unit.asgi.client import Waiting, ask, exchange, fine, until

PATHS = ("/livez", "/startupz", "/readyz")
TOKEN = ((b"Authorization", b"Bearer s3cret"),)


class Broken(Service):
    async def start(self) -> None:
        raise OSError("no disk at /srv/private")


class Lonely(Service):
    def __init__(self, waiting: Waiting) -> None:
        pass


async def statuses(app: Any) -> list[int]:
    return [(await ask(app, path)).status for path in PATHS]


async def state(app: Any) -> str:
    told: str = (await ask(app, "/readyz")).told["status"]
    return told


async def is_in(app: Any, wanted: str) -> bool:
    return await state(app) == wanted


@pytest.mark.asyncio
async def test_they_follow_the_runtime_through_its_life() -> None:
    """Live all the time, started from the start on, ready between start and stop; and again in the next life."""
    service = Waiting()
    runtime = Runtime(services=[service])
    app = Probes(fine, runtime=runtime)
    assert (await statuses(app), await state(app)) == ([200, 503, 503], "starting")
    for _ in range(2):
        service.gate.clear()
        async with lifespan(runtime, background=True, on_crash="unready")(app):
            await asyncio.sleep(0)
            assert (await statuses(app), await state(app)) == ([200, 503, 503], "starting")
            service.gate.set()
            await runtime.ready(Waiting, BOUND)
            await runtime.start()
            assert (await statuses(app), await state(app)) == ([200, 200, 200], "ready")
        assert (await statuses(app), await state(app)) == ([200, 200, 503], "stopping")


@pytest.mark.asyncio
async def test_a_runtime_that_is_started_already() -> None:
    """Probes that come late find the runtime as it is."""
    async with Runtime() as runtime:
        assert await statuses(Probes(fine, runtime=runtime)) == [200, 200, 200]


@pytest.mark.asyncio
async def test_everybody_gets_counts_and_no_names() -> None:
    """The body is a state and counts; who may not know is told neither names nor errors, whatever was asked with."""
    runtime = Runtime(services=[Waiting, Broken])
    app = Probes(fine, runtime=runtime, details_token="s3cret")
    with pytest.raises(ServiceStartFailed, match="no disk"):
        async with lifespan(runtime, background=True, on_crash="unready")(app):
            with pytest.raises(Exception, match="no disk"):
                await runtime.ready(Broken, BOUND)
            await until(lambda: is_in(app, "failed"))
            for headers in (
                (),
                ((b"authorization", b"Bearer s3cre"),),
                ((b"authorization", b"Basic s3cret"),),
                ((b"x", b"Bearer s3cret"),),
            ):
                answer = await ask(app, "/readyz", headers=headers)
                assert answer.told == {"status": "failed", "services": {"up": 0, "all": 2}, "migrations": None}
                assert b"private" not in answer.body
            assert (answer.status, answer.headers[b"cache-control"], answer.headers[b"content-type"]) == (
                503,
                b"no-store",
                b"application/json",
            )
            told = (await ask(app, "/readyz", headers=TOKEN)).told
            assert "no disk at /srv/private" in told["details"]["error"]
            assert await statuses(app) == [200, 503, 503]


@pytest.mark.asyncio
async def test_services_that_do_not_go_together() -> None:
    """A start that fails before it begins is a failed one as well."""
    runtime = Runtime(services=[Lonely])
    app = Probes(fine, runtime=runtime)
    with pytest.raises(MissingProvider):
        async with lifespan(runtime, background=True, on_crash="unready")(app):
            await until(lambda: is_in(app, "failed"))
            assert await statuses(app) == [200, 503, 503]


@pytest.mark.asyncio
async def test_a_run_is_told_as_far_as_it_is() -> None:
    """While migrations run, everybody learns how many steps are done, and who may know which, for how long, and who is in the way."""
    runtime = Runtime(services=[Waiting])
    app = Probes(fine, runtime=runtime, details_token=Secret("s3cret"))
    emit = runtime.events.emit
    emit(RunStarted(services=("notes-migration",)))
    assert (await ask(app, "/readyz")).told["migrations"] is None
    emit(ServiceMigrationStarted(service="notes-migration", plugin="notes"))
    emit(StepStarted(plugin="notes", step="add-kind", description="Add it", version="1", direction="up", index=3, total=7))
    emit(
        StepBlocked(
            plugin="notes", step="add-kind", blockers=(Blocker(pid=9, application_name="psql", state="idle", seconds=3, query="x"),)
        )
    )
    answer = await ask(app, "/readyz")
    assert answer.told == {"status": "migrating", "services": {"up": 0, "all": 0}, "migrations": {"done": 2, "of": 7}}
    told = (await ask(app, "/readyz", headers=TOKEN)).told["details"]
    assert told["waits_for"].startswith("notes 3/7 add-kind, 0 s, blocked by server process 9 (psql)")
    assert (told["run"]["plugin"], told["run"]["step"], told["run"]["seconds"] >= 0) == ("notes", "add-kind", True)
    emit(RunFinished(steps=7, duration=1.0, error=None))
    assert (await ask(app, "/readyz")).told == {"status": "starting", "services": {"up": 0, "all": 0}, "migrations": None}


@pytest.mark.asyncio
async def test_details_for_whom_the_application_trusts() -> None:
    """`may_see` decides by the request; anything but True is a no, and an async one or an empty token is refused at once."""
    runtime = Runtime()
    answers: list[tuple[Any, bool]] = [(True, True), (False, False), ("yes", False), (None, False)]
    for answer, is_told in answers:
        app = Probes(fine, runtime=runtime, may_see=Mock(return_value=answer))
        assert ("details" in (await ask(app, "/livez")).told) == is_told
    assert "details" not in (await ask(Probes(fine, runtime=runtime), "/livez", headers=TOKEN)).told

    async def later(scope: Any) -> bool:
        return True

    with pytest.raises(TypeError, match="async"):
        Probes(fine, runtime=runtime, may_see=later)  # type: ignore[arg-type] # that is what is refused
    for empty in ("", " ", Secret("")):
        with pytest.raises(ValueError, match="empty"):
            Probes(fine, runtime=runtime, details_token=empty)


@pytest.mark.asyncio
async def test_only_probes_are_answered() -> None:
    """GET and HEAD of their paths, at whatever prefix the application is mounted; all else goes to the application."""
    app = Probes(fine, runtime=Runtime(), ready="/healthz")
    head = await ask(app, "/healthz", method="HEAD")
    assert (head.status, head.body) == (503, b"")
    assert int(head.headers[b"content-length"]) == len((await ask(app, "/healthz")).body)
    refused = await ask(app, "/livez", method="POST")
    assert (refused.status, refused.headers[b"allow"]) == (405, b"GET, HEAD")
    assert (await ask(app, "/api/livez", root_path="/api")).told["status"] == "starting"
    for path, root in (("/readyz", ""), ("/livez/", ""), ("/livezz", ""), ("/apilivez", "/api")):
        assert (await ask(app, path, root_path=root)).body == path.encode()
    for kind in ("lifespan", "websocket"):
        assert await exchange(app, {"type": kind, "path": "/livez", "headers": []}) == [{"type": f"{kind}.seen"}]


@pytest.mark.asyncio
async def test_services_are_asked_how_they_are() -> None:
    """With `check` a service that is not well makes the server unready, and only then; without it nobody is asked."""
    service = Waiting()
    service.gate.set()
    runtime = Runtime(services=[service])
    checking, trusting = Probes(fine, runtime=runtime, check=True, details_token="s3cret"), Probes(fine, runtime=runtime)
    async with runtime:
        service.trouble = OSError("no disk")
        assert (await ask(trusting, "/readyz")).status == 200
        assert service.asked == 0
        answer = await ask(checking, "/readyz", headers=TOKEN)
        assert (answer.status, answer.told["status"]) == (503, "unhealthy")
        (trouble,) = answer.told["details"]["unhealthy"]
        assert trouble["service"] == "waiting"
        assert trouble["error"].startswith("OSError: no disk")
        assert [(await ask(checking, path)).status for path in ("/livez", "/startupz")] == [200, 200]
        service.trouble = None
        again = Probes(fine, runtime=runtime, check=True)
        assert (await ask(again, "/readyz")).status == 200


@pytest.mark.asyncio
async def test_one_question_for_many() -> None:
    """However many ask at once, a service is asked once; a service that doesn't answer in time counts as unwell, until it does."""
    service = Waiting()
    service.gate.set()
    runtime = Runtime(services=[service])
    app = Probes(fine, runtime=runtime, check=True, check_timeout=0.01)
    async with runtime:
        service.answers.clear()
        assert {(await one).status for one in asyncio.as_completed([ask(app, "/readyz") for _ in range(20)])} == {503}
        assert service.asked == 1
        assert (await ask(app, "/readyz")).told["status"] == "unhealthy"
        assert service.asked == 1
        service.answers.set()
        await until(lambda: is_in(app, "ready"))
        assert [await is_in(app, "ready") for _ in range(3)] == [True] * 3
        assert service.asked == 1, "an answer counts for a second"


@pytest.mark.asyncio
async def test_a_service_that_may_be_down_is_no_reason_to_be_unready() -> None:
    """One that crashed and is degraded by its policy is not asked for its health."""

    class Optional(Waiting):
        on_crash = "degrade"
        service_name = "optional"
        may_crash: asyncio.Event

        async def run(self) -> None:
            await self.may_crash.wait()
            raise ValueError("lost it")

    service = Optional()
    service.may_crash = asyncio.Event()
    service.gate.set()
    runtime = Runtime(services=[service])
    async with runtime:
        degraded = asyncio.Event()
        runtime.events.subscribe(lambda _: degraded.set(), ServiceCrashed)
        service.may_crash.set()
        await asyncio.wait_for(degraded.wait(), BOUND)
        answer = await ask(Probes(fine, runtime=runtime, check=True), "/readyz")
        assert (answer.status, answer.told["services"]) == (200, {"up": 0, "all": 1})


@pytest.mark.asyncio
@pytest.mark.parametrize(("policy", "live"), [("exit", 503), ("unready", 200)])
async def test_after_a_crash(policy: Any, live: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is unready; by policy it is not worth keeping either."""
    monkeypatch.setattr("roost.asgi._lifespan.is_drained_by_sigterm", lambda: True)
    ended: list[bool] = []
    monkeypatch.setattr("roost.asgi._lifespan.end_process", lambda: ended.append(True))

    class Crashing(Service):
        async def run(self) -> None:
            raise ValueError("lost it")

    runtime = Runtime(services=[Crashing])
    app = Probes(fine, runtime=runtime, details_token="s3cret")
    stopped = asyncio.Event()
    runtime.events.subscribe(lambda _: stopped.set(), RuntimeStopFinished)
    with pytest.raises(ServiceTaskCrashed, match="lost it"):
        async with lifespan(runtime, on_crash=policy)(app):
            await asyncio.wait_for(stopped.wait(), BOUND)
            assert (await statuses(app), await state(app)) == ([live, 200, 503], "failed")
            assert "lost it" in (await ask(app, "/readyz", headers=TOKEN)).told["details"]["error"]
    assert bool(ended) == (policy == "exit")
