from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOORS = [
    "roost",
    "roost.errors",
    "roost.runtime",
    "roost.postgres",
    "roost.schema",
    "roost.migrations",
    "roost.asgi",
    "roost.interop",
    "roost.telemetry",
    "roost.testing",
    "roost.lint",
    "roost.scaffold",
]
HEAVY = (
    *("asyncpg", "tenacity", "anyio", "cyclopts", "rich", "uvicorn", "starlette", "opentelemetry", "prometheus_client", "structlog"),
    *("alembic", "sqlalchemy", "jinja2"),
)


def public(door: str) -> list[tuple[str, object]]:
    """Return what a door lists, or for the page of errors what is written there."""
    module = importlib.import_module(door)
    names = getattr(module, "__all__", None) or [name for name, value in vars(module).items() if getattr(value, "__module__", "") == door]
    return [(name, getattr(module, name)) for name in names if not name.startswith("_")]


@pytest.mark.parametrize("door", DOORS)
def test_every_public_name_is_there_and_says_what_it_is(door: str) -> None:
    """What a door lists exists, and each class and function has a docstring; so has each public method of each class."""
    silent = []
    for name, value in public(door):
        if not inspect.isclass(value) and not inspect.isfunction(value):
            continue
        if not inspect.getdoc(value):
            silent.append(name)
        if inspect.isclass(value):
            own = {key: member for key, member in vars(value).items() if not key.startswith("_") and inspect.isfunction(member)}
            silent += [f"{name}.{key}" for key, member in own.items() if not inspect.getdoc(member) and not overloaded(value, key)]
    assert silent == []


def overloaded(cls: type, name: str) -> bool:
    """Tell whether a base class says it already."""
    return any(inspect.getdoc(vars(base).get(name)) for base in cls.__mro__[1:] if name in vars(base))


@pytest.mark.parametrize("door", DOORS)
def test_each_door_opens_alone(door: str) -> None:
    """Each can be the first import of a process."""
    subprocess.run([sys.executable, "-W", "error", "-c", f"import {door}"], check=True)


def test_importing_roost_loads_no_driver() -> None:
    """`import roost` loads nothing of what only a connection, a retry or an extra needs; the first use of a name does."""
    program = (
        f"import sys, roost; print([m for m in {HEAVY!r} if m in sys.modules]); roost.Database; print('roost.postgres' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, text=True, stdout=subprocess.PIPE)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]


def test_a_name_that_is_not_there() -> None:
    """It is an AttributeError like any other module's, and dir() lists what there is."""
    import roost  # noqa: PLC0415 -- the module is the thing under test

    with pytest.raises(AttributeError, match="no_such_name"):
        _ = roost.no_such_name
    assert set(roost.__all__) <= set(dir(roost))


ROOT = Path(__file__).resolve().parents[2]
SHOWN = [
    *((path.relative_to(ROOT), path.read_text("utf-8")) for path in sorted((ROOT / "examples").rglob("*.py"))),
    *(
        (path.relative_to(ROOT), block)
        for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
        for block in re.findall(r"^```python\n(.*?)^```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    ),
]


def private_names(source: str) -> list[str]:
    """Return what a program reaches for behind roost's doors: private modules, and private members of anything but ``self``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "roost":
            found += [f"{node.module}.{alias.name}" for alias in node.names if f".{node.module}.{alias.name}".count("._")]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith("roost.") and "._" in alias.name]
        elif isinstance(node, ast.Attribute) and re.match("_(?!_)", node.attr) and ast.unparse(node.value) not in ("self", "cls"):
            found.append(ast.unparse(node))
    return found


def test_what_is_shown_uses_nothing_private() -> None:
    """The example server and every page do with what is public."""
    assert {str(path): names for path, source in SHOWN if (names := private_names(source))} == {}
    assert len(SHOWN) > 20


def test_the_check_sees_what_is_private() -> None:
    """Imports of private modules and names, and private members of others, are found; one's own are left alone."""
    program = "import roost.cli._up\nfrom roost.runtime._body import Body\nfrom roost import _x\nself._db.run(); runtime._lifecycle.stop()"
    assert private_names(program) == ["roost.cli._up", "roost.runtime._body.Body", "roost._x", "runtime._lifecycle"]
