"""The files of a new plugin: a package with its plugin, a service, SQL migrations, and their tests. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from roost.errors import UnfitName
from roost.scaffold._names import module_name
from roost.scaffold._rendering import render

MIGRATIONS = "migrations"
CONFTEST = "tests/conftest.py"
_OWN = frozenset({"tests", "roost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlugin:
    """What is to be written for a plugin.

    Attributes:
        module: The package, as it is imported.
        files: The text of each file, by its name.
        migrations: The folder of its SQL files, which gets a manifest.
    """

    module: str
    files: dict[str, str]
    migrations: str


def plugin_files(name: str, *, package: str = "", conftest: bool = True) -> NewPlugin:
    """Return what a plugin is made of.

    Args:
        name: The plugin's name, such as ``"notes"`` or ``"@org/plugin-notes"``.
        package: The package that it goes into, dotted; empty for none.
        conftest: Whether the tests' ``conftest.py`` belongs to it.

    Raises:
        UnfitName: No plugin, or no Python module, can be called so.
    """
    module = module_name(name, what="plugin")
    if module in _OWN:
        raise UnfitName(what="plugin", name=name, reason=f"a package {module} is something else already")
    whole = f"{package}.{module}" if package else module
    folder = whole.replace(".", "/")
    words = "".join(part.capitalize() for part in module.split("_"))
    facts = {"name": name, "module": module, "whole": whole, "cls": words, "table": f"{module}_entry"[:63], "folder": MIGRATIONS}
    files = {
        f"{folder}/__init__.py": render("plugin/init.py", **facts),
        f"{folder}/service.py": render("plugin/service.py", **facts),
        f"{folder}/{MIGRATIONS}/0001_create_entry.sql": render("plugin/create.sql", **facts),
        f"tests/test_{module}.py": render("plugin/test.py", **facts),
    }
    if conftest:
        files[CONFTEST] = render("plugin/conftest.py", **facts)
    return NewPlugin(module=whole, files=files, migrations=f"{folder}/{MIGRATIONS}")
