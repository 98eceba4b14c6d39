"""Runs something through a proxy with faults, lets a second one recover at once, and looks for what is broken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from roost.errors import RoostError
from roost.testing._fault_proxy import Fault, FaultProxy, WireMessage

RECOVERY_SECONDS = 60.0
SILENT = ("half-open", "black hole")
"""Faults after which a client may wait for ever, as one does whose network is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOutcome:
    """What came of a run with faults.

    Attributes:
        faults: The faults that were planned.
        fired: The messages at which they really happened.
        ended: How the run ended: ``returned``, ``cut off`` when it heard nothing any more, or the name of its error.
        violations: What is broken, in words; empty when all is well.
    """

    faults: tuple[Fault, ...]
    fired: tuple[WireMessage, ...]
    ended: str
    violations: tuple[str, ...]

    def __str__(self) -> str:
        verdict = "; ".join(self.violations) or "ok"
        at = ", ".join(str(message) for message in self.fired) or "never"
        return f"{' + '.join(str(fault) for fault in self.faults)} [{at}] {self.ended}: {verdict}"


async def try_faults(
    url: str,
    *faults: Fault,
    run: Callable[[str], Awaitable[object]],
    recover: Callable[[str], Awaitable[object]],
    check: Callable[[str], Awaitable[Sequence[str]]],
    patience: float = 10.0,
) -> FaultOutcome:
    """Run something with faults, recover beside it as soon as the first one happens, and check the result.

    Args:
        url: The database, prepared for this one try.
        *faults: What happens on the line of the run.
        run: What is tried; it is given a URL through the proxy. It may return or raise a `RoostError`.
        recover: What makes good; it is given the URL itself, and must succeed.
        check: Returns what is broken when both have ended.
        patience: Seconds that the run has after the recovery before it is cancelled; none where a fault lets it hear nothing any more.

    Returns:
        What came of it.
    """
    violations: list[str] = []
    async with FaultProxy(url, *faults) as proxy:
        faulted = asyncio.ensure_future(run(proxy.url))
        firing = asyncio.create_task(proxy.has_fired.wait())
        await asyncio.wait({faulted, firing}, return_when=asyncio.FIRST_COMPLETED)
        firing.cancel()
        try:
            async with asyncio.timeout(RECOVERY_SECONDS):
                await recover(url)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is the finding
            violations.append(f"the recovery raised {type(error).__name__}: {error}")
        await asyncio.wait({faulted}, timeout=0 if any(fault.kind in SILENT for fault in faults) else patience)
        ended = await _end_of(faulted, violations)
    try:
        violations += await check(url)
    except Exception as error:  # noqa: BLE001 -- what can't even be looked at is broken
        violations.append(f"the check raised {type(error).__name__}: {error}")
    return FaultOutcome(faults=faults, fired=tuple(proxy.fired), ended=ended, violations=tuple(violations))


async def _end_of(faulted: asyncio.Future[object], violations: list[str]) -> str:
    if not faulted.done():
        faulted.cancel()
        await asyncio.wait({faulted}, timeout=RECOVERY_SECONDS)
        if not faulted.done():
            violations.append("the run does not obey its cancellation")
        return "cut off"
    error = faulted.exception()
    if error is None:
        return "returned"
    if not isinstance(error, RoostError):
        violations.append(f"the run raised an untyped error: {error!r}")
    return type(error).__name__
