"""The files of a new project: a runtime with one plugin, its tests, and what a repository needs around them. Pure."""

from __future__ import annotations

import re

from roost.errors import UnfitName
from roost.scaffold._names import module_name
from roost.scaffold._plugin_files import NewPlugin, plugin_files
from roost.scaffold._rendering import render

FIRST_PLUGIN = "notes"
_STANDARD = frozenset({"tests", "roost", "test", "asyncio", "pytest"})


def project_files(name: str, *, plugin: str = FIRST_PLUGIN) -> NewPlugin:
    """Return what a project is made of.

    Args:
        name: The project's name; its package is called so, with ``_`` for what Python takes for no name.
        plugin: The name of its first plugin.

    Raises:
        UnfitName: No project, or no Python module, can be called so.
    """
    package = module_name(name, what="project")
    if package in _STANDARD:
        raise UnfitName(what="project", name=name, reason=f"a package {package} is something else already; say another with --name")
    inner = plugin_files(plugin, package=package)
    short = inner.module.rpartition(".")[2]
    facts = {
        "name": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or package,
        "package": package,
        "module": inner.module,
        "plugin": short,
        "cls": "".join(part.capitalize() for part in short.split("_")),
    }
    files = {
        "pyproject.toml": render("project/pyproject.toml", **facts),
        "README.md": render("project/README.md", **facts),
        ".gitignore": render("project/gitignore", **facts),
        f"{package}/__init__.py": render("project/init.py", **facts),
        f"{package}/__main__.py": render("project/main.py", **facts),
        f"{package}/app.py": render("project/app.py", **facts),
        **inner.files,
        "tests/test_app.py": render("project/test_app.py", **facts),
    }
    return NewPlugin(module=inner.module, files=files, migrations=inner.migrations)
