"""Says in one line where migrations stand. Pure."""

from __future__ import annotations

from roost import migrations


def status_line(event: object) -> str | None:  # noqa: PLR0911 -- a table: one line for one event
    """Return where a run stands once an event was told; None where that changes nothing for who looks at one line."""
    match event:
        case migrations.RunStarted():
            return "looking what there is to migrate"
        case migrations.LockWaitStarted():
            return f"waiting for another run ({event.holder or 'unknown'})"
        case migrations.LockHolderSeen():
            return f"waiting for another run ({event.holder.application_name})"
        case migrations.StepStarted():
            return f"migrating {event.plugin} {event.index}/{event.total}: {event.step}"
        case migrations.StepProgressed():
            share = f" {event.done * 100 // event.total}%" if event.total else ""
            return f"migrating {event.plugin}: {event.step}, {event.phase}{share}"
        case migrations.StepBlocked():
            # Without their statements, which may hold anything.
            blockers = ", ".join(f"server process {one.pid} ({one.application_name})" for one in event.blockers)
            return f"migrating {event.plugin}: {event.step} waits for {blockers}"
        case migrations.RunFinished():
            return "migrated" if event.error is None else f"the migration failed: {type(event.error).__name__}"
        case _:
            return None
