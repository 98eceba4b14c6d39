"""The old entry point, kept until 2.0."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.migrations._config import MigrationConfig
from roost.migrations._narration import narrate
from roost.migrations._orchestrator import MigrationOrchestrator
from roost.runtime import Plugin, Runtime

if TYPE_CHECKING:
    from roost.migrations._records import MigrationReport


async def run_plugin_migrations(
    database: object,
    plugins: Sequence[Plugin],
    *,
    verbose: bool | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> MigrationReport:
    """Migrate the plugins of a server; the way of old, before there was an orchestrator. Deprecated, gone in 2.0.

    It shares lock and ledger with `MigrationOrchestrator`. A plugin's ``run_plugin_migrations`` hook is awaited once.

    Args:
        database: A URL or a `Database`.
        plugins: The plugins.
        verbose: Print what is done to standard error; None does so where ``ROOST_ENV`` is ``development``.
        force: Go on where steps are missing or out of order: the policy ``allow``.
        dry_run: Write nothing, and report the steps that would be taken.

    Returns:
        What was done.

    Raises:
        RoostError: As `MigrationOrchestrator.run_all_migrations` raises it.
    """
    warnings.warn(
        "run_plugin_migrations is deprecated and ends with roost 2.0: await MigrationOrchestrator(runtime).run_all_migrations()",
        DeprecationWarning,
        stacklevel=2,
    )
    config = MigrationConfig(policy="allow" if force else "strict")
    runtime = Runtime(plugins=plugins, database=database, config=config)
    if verbose or (verbose is None and os.environ.get("ROOST_ENV") == "development"):
        runtime.events.subscribe(lambda event: _print(narrate(event)))
    return await MigrationOrchestrator(runtime).run_all_migrations(dry_run=dry_run)


def _print(line: str | None) -> None:
    if line is not None:
        sys.stderr.write(f"{line}\n")
