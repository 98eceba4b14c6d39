"""What probes say of a runtime: states and counts to everybody, names and reasons to who may know."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from roost.asgi._health_check import Health
    from roost.asgi._standing import Standing
    from roost.migrations import MigrationLockHolder, MigrationStanding
    from roost.runtime import Runtime

Status: TypeAlias = Literal["starting", "migrating", "ready", "unhealthy", "stopping", "failed"]


def status_of(runtime: Runtime, standing: Standing) -> Status:
    """Return where a runtime is, in a word; how its services are is another question."""
    if standing.failure is not None:
        return "failed"
    if standing.stopping.is_set() or standing.phase in ("stopping", "stopped"):
        return "stopping"
    if runtime.is_ready:
        return "ready"
    return "migrating" if standing.progress.standing.is_running else "starting"


def summary(runtime: Runtime, standing: Standing, *, status: Status) -> dict[str, object]:
    """Return what everybody may know."""
    states = [one.state for one in runtime.status() if one.kind == "service"]
    run = standing.progress.standing
    return {
        "status": status,
        "services": {"up": states.count("running"), "all": len(states)},
        "migrations": {"done": run.done, "of": run.total} if run.is_running and run.plugin is not None else None,
    }


def details(runtime: Runtime, standing: Standing, *, health: Health | None) -> dict[str, object]:
    """Return what only some may know: what it waits for, who is in the way, and what went wrong."""
    run = standing.progress.standing
    return {
        "waits_for": run.describe() if run.is_running else None,
        "run": _run(run),
        "services": [
            {
                "service": one.name,
                "kind": one.kind,
                "state": one.state,
                "seconds": round(one.since, 3),
                "waits_for": one.waits_for,
                "error": one.error,
            }
            for one in runtime.status()
            if one.state not in ("running", "new")
        ],
        "unhealthy": [] if health is None else [{"service": name, "error": error} for name, error in health.unhealthy],
        "error": None if standing.failure is None else str(standing.failure),
    }


def _run(run: MigrationStanding) -> dict[str, object] | None:
    if run.state == "idle":
        return None
    return {
        "state": run.state,
        "seconds": round(time.monotonic() - run.since, 3),
        "plugin": run.plugin,
        "step": run.step,
        "description": run.description,
        "index": run.index,
        "total": run.total,
        "attempts": run.attempts,
        "phase": run.phase,
        "share": run.share,
        "blockers": [str(one) for one in run.blockers],
        "waits_for": run.waits_for,
        "holder": None if run.holder is None else _holder(run.holder),
        "steps": run.steps,
        "error": None if run.error is None else str(run.error),
    }


def _holder(holder: MigrationLockHolder) -> dict[str, object]:
    return {
        "application_name": holder.application_name,
        "host": holder.client_host or holder.host,
        "pid": holder.client_pid,
        "server_process": holder.pid,
        "run": holder.run,
        "activity": holder.activity,
    }
