"""Which of roost's extras are installed, by what the installed distribution says of itself."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DISTRIBUTION = "roost"
FOR_USERS = ("alembic", "cli", "embedded", "metrics", "otel", "schema", "sql")
"""The extras that stand for themselves: others only put them together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraState:
    """One extra.

    Attributes:
        name: Its name.
        missing: The packages of it that are not installed.
        unfit: Those whose version is none that roost was tried with, each with its version.
    """

    name: str
    missing: tuple[str, ...]
    unfit: tuple[str, ...]

    @property
    def requirement(self) -> str:
        """What is to be given to ``pip install``."""
        return f"'{DISTRIBUTION}[{self.name}]'"


def installed_extras() -> list[ExtraState]:
    """Look at each extra; without an installed distribution, as in a checkout on the path, there is nothing to tell."""
    try:
        declared = [Requirement(text) for text in importlib.metadata.requires(DISTRIBUTION) or ()]
    except importlib.metadata.PackageNotFoundError:
        return []
    return [_state(name, declared) for name in FOR_USERS]


def _state(extra: str, declared: list[Requirement]) -> ExtraState:
    missing, unfit = [], []
    for requirement in _of_extra(extra, declared):
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(requirement.name)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            unfit.append(f"{requirement.name} {version}")
    return ExtraState(name=extra, missing=tuple(missing), unfit=tuple(unfit))


def _of_extra(extra: str, declared: list[Requirement]) -> Iterator[Requirement]:
    """Yield what an extra needs, also through other extras of roost."""
    for requirement in declared:
        # A requirement of roost itself has no marker that depends on an extra: evaluated with another extra it is the same.
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}) or not marker.evaluate({"extra": extra}):
            continue
        if canonicalize_name(requirement.name) != DISTRIBUTION:
            yield requirement
            continue
        for other in requirement.extras:
            yield from _of_extra(other, declared)
