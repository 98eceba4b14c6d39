"""Where settings come from: mappings, TOML files and the environment. Each gives raw values that know their origin."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from roost.errors import InvalidSettings

_NO_WORD = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Raw:
    """A value as its source has it.

    Attributes:
        value: The value.
        origin: Where it comes from, in words.
        is_text: Whether it is written as text whatever its type, as in the environment.
    """

    value: Any
    origin: str
    is_text: bool = False


Tree: TypeAlias = "dict[str, Raw | Tree]"


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A TOML file whose tables are sections: ``[mail]`` holds the settings of the plugin or service ``mail``.

    Args:
        path: The file.
        table: The table that holds the sections, such as ``"tool.myapp"``; by default they are the file's own tables.
        optional: Whether it may be missing.
    """

    path: str | os.PathLike[str]
    table: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Environment:
    """Environment variables: with the prefix ``APP`` the variable ``APP_MAIL__PORT`` is the field ``port`` of the section ``mail``.

    In a section's name everything but letters and digits becomes ``_``. A field of a nested dataclass is written after another
    ``__``. Lists are written with commas or in JSON, mappings in JSON.

    Args:
        prefix: What all variables begin with, without its ``_``; by default nothing.
        variables: The variables; by default those of the process, when the settings are read.
    """

    prefix: str = ""
    variables: Mapping[str, str] | None = field(default=None, repr=False)


Source: TypeAlias = "Mapping[str, Mapping[str, Any]] | str | os.PathLike[str] | SettingsFile | Environment"


class Sections:
    """What all sources hold, read once; of two that hold the same value the later one wins.

    Args:
        sources: One source, or several.

    Raises:
        InvalidSettings: A file can't be read, or a section is no table.
    """

    def __init__(self, sources: Source | Sequence[Source]) -> None:
        """Read the sources."""
        several = [sources] if isinstance(sources, Mapping | str | os.PathLike | SettingsFile | Environment) else list(sources)
        self._sources: list[dict[str, Tree] | Environment] = [_read(source) for source in several]

    def names(self) -> set[str]:
        """Return the names of all sections, but for those of the environment, which can't be told from other variables."""
        return {name for source in self._sources if not isinstance(source, Environment) for name in source}

    def strays(self, known: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the variables with a prefix of ours that no known section reads, each with what its section is called.

        Args:
            known: The names of the sections.
        """
        heads = {in_variables(name) for name in known}
        for source in self._sources:
            if isinstance(source, Environment) and source.prefix:
                prefix = f"{source.prefix.strip('_')}_"
                for variable in sorted(source.variables if source.variables is not None else os.environ):
                    section = variable.removeprefix(prefix).partition("__")[0]
                    if variable.startswith(prefix) and section not in heads:
                        yield variable, section

    def section(self, name: str) -> Tree:
        """Return the raw values of a section."""
        merged: Tree = {}
        for source in self._sources:
            _merge(merged, _variables(source, name) if isinstance(source, Environment) else source.get(name, {}))
        return merged


def _read(source: Source) -> dict[str, Tree] | Environment:
    match source:
        case Environment():
            return source
        case Mapping():
            return _sections(source, origin="Runtime(settings=…)")
        case SettingsFile():
            return _file(source)
        case _:
            return _file(SettingsFile(source))


def _file(file: SettingsFile) -> dict[str, Tree]:
    name = os.fspath(file.path)
    try:
        document: Any = tomllib.loads(Path(file.path).read_text("utf-8"))
    except FileNotFoundError:
        if file.optional:
            return {}
        raise InvalidSettings(section=name, settings="", reason="there is no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(section=name, settings="", reason=f"it can't be read: {error}") from error
    for part in filter(None, file.table.split(".")):
        document = document.get(part, {}) if isinstance(document, dict) else document
    return _sections(document, origin=name)


def _sections(document: object, *, origin: str) -> dict[str, Tree]:
    if not isinstance(document, Mapping):
        raise InvalidSettings(section=origin, settings="", reason=f"it holds no sections but {type(document).__name__}")
    for name, values in document.items():
        if not isinstance(values, Mapping):
            reason = f"it is no section of settings but {type(values).__name__}; write them as a table under a plugin's or service's name"
            raise InvalidSettings(section=str(name), settings="", reason=f"{reason} ({origin})")
    return {name: _tree(values, origin) for name, values in document.items()}


def _tree(values: Mapping[str, Any], origin: str) -> Tree:
    return {name: _tree(value, origin) if isinstance(value, Mapping) else Raw(value, origin) for name, value in values.items()}


def in_variables(section: str) -> str:
    """Return how a section is written in the name of a variable."""
    return _NO_WORD.sub("_", section).strip("_").upper()


def _variables(environment: Environment, section: str) -> Tree:
    variables = os.environ if environment.variables is None else environment.variables
    head = "_".join(filter(None, (environment.prefix.strip("_"), in_variables(section)))) + "__"
    found: Tree = {}
    for name in sorted(variables):
        if name.startswith(head) and name != head:
            branch: Any = Raw(variables[name], f"environment variable {name}", is_text=True)
            for part in reversed(name[len(head) :].lower().split("__")):
                branch = {part: branch}
            _merge(found, branch)
    return found


def _merge(into: Tree, more: Tree) -> None:
    for name, value in more.items():
        there = into.get(name)
        if isinstance(there, dict) and isinstance(value, dict):
            _merge(there, value)
        else:
            into[name] = _copy(value) if isinstance(value, dict) else value


def _copy(tree: Tree) -> Tree:
    return {name: _copy(value) if isinstance(value, dict) else value for name, value in tree.items()}
