"""Shows a run's events on standard error: a bar per plugin on a terminal, a line per event elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from roost.migrations import RunFinished, StepFinished, StepProgressed, StepStarted, narrate
from roost.telemetry import log_events

if TYPE_CHECKING:
    from roost.cli._output import Output
    from roost.runtime import Runtime


@contextmanager
def shown_progress(runtime: Runtime, output: Output) -> Iterator[None]:
    """Show what the runtime's migrations do inside the block; in the log, where standard error is one."""
    if output.is_logging:
        unsubscribe = log_events(runtime)
        try:
            yield
        finally:
            unsubscribe()
        return
    if output.progress.is_terminal:
        bars = _Bars(output)
        with bars.progress:
            unsubscribe = runtime.events.subscribe(bars.show)
            try:
                yield
            finally:
                unsubscribe()
        return

    last: str | None = None

    def tell(event: object) -> None:
        nonlocal last
        line = _line(event)
        # Where a line can't be written over, a build tells of each of its phases once.
        phase = f"{event.step} {event.phase}" if isinstance(event, StepProgressed) else None
        is_news, last = phase is None or phase != last, phase
        if line is not None and is_news:
            output.note(line)

    unsubscribe = runtime.events.subscribe(tell)
    try:
        yield
    finally:
        unsubscribe()


def _line(event: object) -> str | None:
    # What a run came to is the command's result.
    return None if isinstance(event, RunFinished) else narrate(event)


class _Bars:
    """One bar for each plugin that has steps to run; other events are lines above the bars."""

    def __init__(self, output: Output) -> None:
        self.progress = Progress(
            TextColumn("{task.fields[plugin]}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=output.progress,
        )
        self._bars: dict[str, TaskID] = {}

    def show(self, event: object) -> None:
        """Take one event."""
        match event:
            case StepStarted():
                bar = self._bars.get(event.plugin)
                if bar is None:
                    bar = self.progress.add_task("", total=event.total, plugin=event.plugin)
                    self._bars[event.plugin] = bar
                self.progress.update(bar, total=event.total, completed=event.index - 1, description=event.step)
            case StepProgressed():
                share = f" {event.done * 100 // event.total}%" if event.total else ""
                self.progress.update(self._bars[event.plugin], description=f"{event.step}: {event.phase}{share}")
            case StepFinished(error=None):
                bar = self._bars[event.plugin]
                self.progress.update(bar, completed=event.index)
                if event.index == self.progress.tasks[bar].total:
                    self.progress.update(bar, description="done")
            case _:
                line = _line(event)
                if line is not None:
                    self.progress.console.print(Text(line))
