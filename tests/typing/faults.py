"""What `roost.testing` returns is of the class that it was given."""

from __future__ import annotations

from typing import assert_type

from roost import Runtime
from roost.testing import (
    RoundTripProxy,
    StressReport,
    crash_after,
    fail_start,
    fail_stop,
    hang_start,
    hang_stop,
    run_virtual,
    stress_lifecycle,
)
from tests.typing.letters import Letter, Mailer, Pigeon


def services_that_fail(runtime: Runtime) -> None:
    assert_type(fail_start(Mailer), type[Mailer])
    assert_type(fail_start(Mailer, LookupError("gone")), type[Mailer])
    assert_type(hang_start(Mailer), type[Mailer])
    assert_type(fail_stop(Pigeon), type[Pigeon])
    assert_type(hang_stop(Pigeon), type[Pigeon])
    assert_type(crash_after(Mailer, 3.5), type[Mailer])
    assert_type(hang_stop(fail_start(Mailer)), type[Mailer])
    assert_type(runtime.get_service(crash_after(Mailer, 1, LookupError("gone"))), Mailer)


async def read() -> Letter:
    return Letter("hello")


def in_virtual_time() -> None:
    assert_type(run_virtual(read()), Letter)


async def under_stress() -> None:
    report = await stress_lifecycle(lambda: Runtime(services=[Mailer]), rounds=10, seed=1)
    assert_type(report, StressReport)
    assert_type(report.orders, dict[str, int])


async def round_trips() -> None:
    async with RoundTripProxy("postgresql://localhost/post") as proxy:
        assert_type(proxy, RoundTripProxy)
        assert_type(proxy.url, str)
        assert_type(proxy.round_trips, int)
