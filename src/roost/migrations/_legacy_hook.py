"""A plugin's old migration function, ``Plugin(run_plugin_migrations=…)``, as one step in the plugin's ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from roost.migrations import _ledger as ledger
from roost.migrations._fingerprint import digest
from roost.migrations._plan import LEGACY_STEP, Plan, PluginState
from roost.migrations._planner import plan_chain
from roost.migrations._reading import reading
from roost.migrations._records import MigrationRecord
from roost.migrations._run import current_run
from roost.migrations._step import MigrationStep, takes_context
from roost.migrations._versions import UNVERSIONED

if TYPE_CHECKING:
    from roost.migrations._config import Policy
    from roost.postgres import Database
    from roost.runtime import Plugin, Runtime


class LegacyHook:
    """Awaits a plugin's hook once, under the lock, in a transaction of its own."""

    service_type = "migration"

    def __init__(self, plugin: Plugin, runtime: Runtime) -> None:
        """Wrap the hook of one of the runtime's plugins."""
        self.plugin = plugin
        self.service_name = f"{plugin.name}-legacy-migration"
        self._runtime = runtime

    @property
    def plugin_name(self) -> str:
        """The plugin whose hook this is."""
        return self.plugin.name

    def declaration(self, _policy: Policy, /) -> str:
        """Return what stands for a hook: that there is one."""
        return digest(["legacy-hook"])

    def target_version(self) -> str | None:
        """Return None: a hook has no versions, and the plugin's version is not its to move."""
        return None

    def plan(self, state: PluginState, policy: Policy, /, *, database: Database | None = None) -> Plan:
        """Plan the one step, unless the ledger has it."""
        step = MigrationStep(
            LEGACY_STEP,
            "Run the plugin's own migration function",
            up=self._call(database),
            fingerprint="legacy-hook",
            version=UNVERSIONED,
        )
        plan = plan_chain([step], state.only(LEGACY_STEP), plugin=self.plugin_name, policy=policy)
        steps = tuple(planned._replace(version_after=state.version) for planned in plan.steps)
        return replace(plan, steps=steps, target=None)

    async def run_migrations(self, _runtime: Runtime, /) -> None:
        """Take the hook's turn in the run in progress; an orchestrator awaits this."""
        run = current_run.get()
        if run is None:
            message = "a legacy hook runs inside a run: await MigrationOrchestrator(runtime).run_all_migrations()"
            raise RuntimeError(message)
        await run.carry_out(
            lambda state: self.plan(state, run.config.policy, database=run.database),
            plugin=self.plugin_name,
            service=self.service_name,
            schema=None,
        )

    async def get_migration_history(self, plugin_name: str | None = None, /) -> Sequence[MigrationRecord]:
        """Return the hook's attempts, newest first."""
        if plugin_name not in (None, self.plugin_name):
            return []
        async with reading(self._runtime) as session:
            return [] if session is None else await ledger.history(session, service=self.service_name)

    async def get_plugin_version(self, _plugin_name: str, /) -> str | None:
        """Return None: a hook has no versions."""
        return None

    def has_plugin_migrations(self, plugin_name: str, /) -> bool:
        """Tell whether this is the plugin's hook."""
        return plugin_name == self.plugin_name

    def _call(self, database: Database | None) -> Callable[[], Awaitable[None]]:
        hook = self.plugin.run_plugin_migrations

        async def run_plugin_migrations() -> None:
            if hook is not None:
                await (hook(database) if takes_context(hook) else hook())

        return run_plugin_migrations
