"""A plugin: a name, a version, and the services it brings."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeAlias

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from roost.errors import DuplicatePlugin, InvalidPlugin, PluginCycle, PluginMissing, PluginVersionMismatch
from roost.runtime._suggestions import closest

AnyRuntime: TypeAlias = Any
"""The `Runtime`, where a module that it is made of names it."""
Hook: TypeAlias = Callable[[AnyRuntime], Awaitable[None] | None]

_DEPENDENCY = re.compile(r"\s*(@?[A-Za-z0-9][\w./-]*?)\s*((?:[<>=!~].*)?)\s*")

MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Plugin:
    """What one plugin brings into a runtime.

    Args:
        name: Its name, such as ``"memory"`` or ``"@org/plugin-memory"``; unique in a runtime.
        version: Its version; other plugins may require a range of it.
        description: What it is for.
        services: Service classes, or ready instances.
        schema: The database schema that the plugin declares; read by migration services.
        dependencies: Plugins it needs: names or requirements such as ``"memory>=1.2"``.
        priority: Among plugins that don't depend on each other the higher one migrates first.
        init: Called with the runtime before the plugin's services start.
        dispose: Called with the runtime after the plugin's services have stopped.
        run_plugin_migrations: The migration function of old; awaited once, with the `Database`, under the migration lock.

    Raises:
        InvalidPlugin: The name is empty, unprintable or longer than 255 bytes, or the version or a dependency is malformed.
    """

    name: str
    _: KW_ONLY
    version: str | None = None
    description: str = ""
    services: Sequence[Any] = ()
    schema: Any = None
    dependencies: Sequence[str] = ()
    priority: int = 0
    init: Hook | None = None
    dispose: Hook | None = None
    run_plugin_migrations: Callable[..., Awaitable[object]] | None = None

    def __post_init__(self) -> None:
        given: object = self.name  # annotations bind nobody
        if not isinstance(given, str) or not given.strip() or not given.isprintable():
            raise InvalidPlugin(name=repr(given), reason="a plugin's name is a non-empty, printable string")
        if len(given.encode()) > MAX_NAME_BYTES:
            raise InvalidPlugin(name=f"{given[:40]}…", reason=f"its name is longer than {MAX_NAME_BYTES} bytes")
        if self.version is not None:
            _check_version(self.name, self.version)
        if isinstance(self.dependencies, str):
            raise InvalidPlugin(name=self.name, reason=f"its dependencies are a sequence, not {self.dependencies!r}")
        for text in self.dependencies:
            try:
                parse_dependency(text)
            except InvalidPlugin as error:
                raise InvalidPlugin(name=self.name, reason=f"its dependency {text!r}: {error.reason}") from None


def _check_version(name: str, text: str) -> None:
    try:
        version = Version(text)
    except (InvalidVersion, TypeError) as error:
        raise InvalidPlugin(name=name, reason=f"its version {text!r} is no version by PEP 440") from error
    if version.local is not None or version.is_postrelease:
        raise InvalidPlugin(name=name, reason=f"its version {text!r} is a local or post version, whose order surprises people")


def parse_dependency(text: str) -> tuple[str, SpecifierSet]:
    """Read a plugin's dependency on another.

    Args:
        text: A name, or a name and versions: ``"memory"``, ``"memory>=1.2,<2"``, ``"@org/plugin-x>=2"``.

    Returns:
        The name and the versions it accepts.

    Raises:
        InvalidPlugin: It is neither.
    """
    match = _DEPENDENCY.fullmatch(text)
    if match is None:
        raise InvalidPlugin(name=text, reason="a dependency is a plugin's name, or a name and versions such as 'memory>=1.2'")
    try:
        return match[1], SpecifierSet(match[2])
    except InvalidSpecifier as error:
        raise InvalidPlugin(name=text, reason=f"{match[2]!r} is no range of versions") from error


def check_plugins(plugins: Sequence[Plugin]) -> dict[str, frozenset[str]]:
    """Check plugins against each other.

    Returns:
        The names that each plugin depends on, directly.

    Raises:
        DuplicatePlugin: Two have one name.
        PluginMissing: One needs a plugin that is not there.
        PluginVersionMismatch: One needs another version of a plugin.
        PluginCycle: They depend on each other in a circle.
    """
    by_name: dict[str, Plugin] = {}
    for plugin in plugins:
        given: object = plugin  # annotations bind nobody
        if not isinstance(given, Plugin):
            raise InvalidPlugin(name=repr(given), reason=f"it is no Plugin but {type(given).__name__}")
        if plugin.name in by_name:
            raise DuplicatePlugin(name=plugin.name)
        by_name[plugin.name] = plugin
    needs: dict[str, frozenset[str]] = {}
    for plugin in plugins:
        names = []
        for text in plugin.dependencies:
            name, accepted = parse_dependency(text)
            other = by_name.get(name)
            if other is None:
                raise PluginMissing(plugin=plugin.name, needed=text, known=tuple(by_name), suggestions=closest(name, by_name))
            if len(accepted) and (other.version is None or not accepted.contains(other.version, prereleases=True)):
                raise PluginVersionMismatch(plugin=plugin.name, needed=text, found=other.version)
            names.append(name)
        needs[plugin.name] = frozenset(names)
    _refuse_cycle(needs)
    return needs


def _refuse_cycle(needs: dict[str, frozenset[str]]) -> None:
    try:
        TopologicalSorter({name: sorted(needed) for name, needed in needs.items()}).prepare()
    except CycleError as error:
        # It is told from what is needed to what needs it.
        path = list(reversed(error.args[1]))[:-1]
        first = path.index(next(name for name in needs if name in path))
        raise PluginCycle(path=(*path[first:], *path[:first], path[first])) from None
