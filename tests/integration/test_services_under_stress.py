"""Every service of this repository lives through every order of calls, as the kit promises it for anybody's."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType

import pytest

import examples.agent_server
import roost
from examples.agent_server.app import runtime as example
from roost import DatabaseMigrationService, MigrationService, PluginMigrationService, Runtime, Service, SqlMigrationService
from roost.interop import AlembicMigrationService
from roost.testing import stress_lifecycle
from tests.plugins.build import residue
from tests.plugins.services import leftover

BASES = {Service, MigrationService, PluginMigrationService, SqlMigrationService, AlembicMigrationService}
"""What only becomes a service when somebody derives from it."""


def service_classes(package: ModuleType) -> set[type]:
    """Return all service classes that a package's modules define, but those for its own tests."""
    names = [one.name for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    modules = [import_module(name) for name in names if "__main__" not in name and ".testing" not in name]
    found = {value for module in modules for value in vars(module).values() if inspect.isclass(value) and issubclass(value, Service)}
    return {cls for cls in found - BASES if cls.__module__.startswith(package.__name__)}


@pytest.mark.asyncio
async def test_every_service_under_stress(database_url: str) -> None:
    """Those of roost and of the example are started and stopped in every order, with migrations, a queue and a worker: nothing is left."""

    def make() -> Runtime:
        return Runtime(plugins=example.plugins, services=[DatabaseMigrationService], database=database_url)

    tried = {type(service) for service in make().get_all_services()}
    assert service_classes(roost) | service_classes(examples.agent_server) == tried
    report = await stress_lifecycle(make, rounds=40, seed=1)
    assert all(report.orders.values())
    assert await residue(database_url) == []
    assert leftover() == []
