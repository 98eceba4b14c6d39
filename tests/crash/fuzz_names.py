"""Hostile names: a plugin, a step, a schema and a version are refused before anything runs, or work and are found under that very name."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import asyncpg

from roost import MigrationStep, Plugin, Runtime
from roost.errors import RoostError
from roost.migrations import compare_versions
from tests.crash.cases import Case, Place
from tests.plugins.build import make_plugin, make_runtime, migrate, residue

T = TypeVar("T")
IN_A_CASE = 500
IN_A_DATABASE = 40
"""How many of them get plugins and schemas of their own on the server; step ids all do."""

# fmt: off
ATOMS = (
    *"aZ09_-.:/@ $%&'\"`\\;()[]{}*?#|<>=+~^,!",
    "''", '""', "$$", "$q$", "--", "/*", "*/", "\\'", "';", "');DROP TABLE roost.applied;--", "\0", "\n", "\r\n", "\t", "\x07", "\x1b[31m",
    "\x7f", "\u00a0", "\u200b", "\u202e", "\u2066", "\ufeff", "\u0301", "\ufffd", "\ufffe", "\U0010ffff", "\ud800", "\udfff", "\ue000", "ß",
    "İ", "ı", "é", "e\u0301", "한", "你好", "🐦", "ﬁ", "Ω", "и", "א", "\u2028", "\u2029", "\u0085", "\u00ad",  # noqa: RUF001 -- the point
    "select", "public", "pg_catalog", "pg_temp", "roost", "information_schema", "user", "null", "True", "%s", "{0}", "$1", "${x}",
    "@org/plugin", "x" * 40, "y" * 63, "z" * 64, "ä" * 32, "w" * 255, "v" * 300,
    "1.0", "1.0.0", "0.0.0", "1!2.0", "2.0rc1", "1.0.post1", "1.0+local", "v1", "1e9", "-1", "999999999999999999999", "1..0",
)
"""What names are made of."""
# fmt: on


def names(count: int) -> list[Case]:
    """Return cases that try so many names together."""
    return [
        Case(kind="names", name=f"names {start} to {start + IN_A_CASE - 1}", attempt=partial(_named, range(start, start + IN_A_CASE)))
        for start in range(1, count + 1, IN_A_CASE)
    ]


def name_of(number: int) -> str:
    """Return the name of a number; pure."""
    chance = random.Random(number)
    return "".join(chance.choice(ATOMS) for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3, 5))))


async def _named(numbers: range, place: Place) -> str:
    unique = list(dict.fromkeys(name_of(number) for number in numbers))
    broken: list[str] = []
    steps = [step for name in unique if (step := _made(broken, "step", name, _step)) is not None]
    for name in unique:
        _made(broken, "version", name, lambda text: MigrationStep("a", "A", up="SELECT 1", version=text))
        _made(broken, "compared version", name, lambda text: compare_versions(text, "1.0"))
        _made(broken, "requires", name, lambda text: MigrationStep("a", "A", up="SELECT 1", version="1.0", requires=(text,)))
        _made(broken, "fingerprint", name, lambda text: MigrationStep("a", "A", up="SELECT 1", version="1.0", fingerprint=text))
        _made(broken, "dependency", name, lambda text: Runtime(plugins=[Plugin(name="p", dependencies=[text])]).plan())
    plugins = [plugin for name in unique[:IN_A_DATABASE] if (plugin := _made(broken, "plugin", name, _plugin)) is not None]
    broken += await _found(place, make_plugin("steps", *steps), *_together(plugins))
    for name in unique[:IN_A_DATABASE]:
        broken += await _in_schema(place, name)
    broken += [f"left behind: {left}" for left in await residue(place.direct)]
    return f"{len(steps)} of {len(unique)} work as steps: {'; '.join(broken) or 'ok'}"


def _made(broken: list[str], what: str, name: str, make: Callable[[str], T]) -> T | None:
    """Make something of a name, or note that it was refused by an error that is not typed."""
    try:
        return make(name)
    except RoostError as error:
        _check_words(broken, what, name, error)
    except Exception as error:  # noqa: BLE001 -- any other error is the finding
        broken.append(f"{what} {name!r}: {error!r}")
    return None


def _check_words(broken: list[str], what: str, name: str, error: RoostError) -> None:
    try:
        str(error).encode("utf-8")
    except UnicodeEncodeError:
        broken.append(f"{what} {name!r}: the error {type(error).__name__} can't be printed: {str(error)!r}")


def _step(name: str) -> MigrationStep:
    return MigrationStep(name, name, up="SELECT 1", version="1.0.0")


def _plugin(name: str) -> Plugin:
    service = make_plugin("x", MigrationStep("one", "One", up="SELECT 1", version="1.0.0")).services[0]
    return Plugin(name=name, services=[type("Named", (service,), {"service_name": f"{name}-migration"})])


def _together(plugins: list[Plugin]) -> list[Plugin]:
    """Return the plugins that one runtime takes."""
    taken: list[Plugin] = []
    for plugin in plugins:
        try:
            make_runtime("postgresql://localhost/none", *taken, plugin).plan()
        except RoostError:
            continue
        taken.append(plugin)
    return taken


async def _found(place: Place, *plugins: Plugin) -> list[str]:
    """Migrate plugins with hostile names, and return what is not found in the ledger under those names."""
    try:
        await migrate(place.url, *plugins)
    except Exception as error:  # noqa: BLE001 -- what was not refused when it was made must work
        return [f"steps and plugins that were accepted do not run: {error!r}"]
    wanted = {(plugin.name, step.id) for plugin in plugins for step in plugin.services[0].steps}
    connection = await asyncpg.connect(place.direct)
    try:
        found = {(row[0], row[1]) for row in await connection.fetch("SELECT plugin, step FROM roost.applied WHERE state = 'done'")}
        told = {(row[0], row[1]) for row in await connection.fetch("SELECT plugin, step FROM roost.history WHERE success")}
    finally:
        await connection.close()
    return [f"not in the ledger, or as another name: {sorted(wanted ^ seen)[:3]}" for seen in (found, told) if seen != wanted]


async def _in_schema(place: Place, name: str) -> list[str]:
    """Migrate a plugin into a schema of this name, and return what is wrong; a schema of the server's own may be refused by the server."""
    plugin = make_plugin("x", MigrationStep("one", "One", up="CREATE TABLE it (id int)", version="1.0.0"), schema=name)
    connection = await asyncpg.connect(place.direct)
    try:
        await connection.execute("DROP SCHEMA IF EXISTS roost CASCADE; DROP TABLE IF EXISTS public.it")
        broken: list[str] = []
        refused: RoostError | None = None
        try:
            await migrate(place.url, plugin)
        except RoostError as error:
            refused = error
            _check_words(broken, "schema", name, error)
        except Exception as error:  # noqa: BLE001 -- any other error is the finding
            return [f"schema {name!r}: {error!r}"]
        tables = "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'it' AND c.relkind = 'r'"
        places = [row[0] for row in await connection.fetch(tables)]
        wanted = [] if refused is not None else [name or "public"]
        if places != wanted:
            broken.append(f"schema {name!r}: the table is in {places} and not in {wanted}")
        if refused is None and name not in ("public", "roost", ""):
            await connection.execute(f"DROP SCHEMA {await connection.fetchval('SELECT quote_ident($1)', name)} CASCADE")
        return broken
    finally:
        await connection.close()
