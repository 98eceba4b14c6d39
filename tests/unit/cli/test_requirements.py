from __future__ import annotations

import importlib.metadata

import pytest

from roost.cli._requirements import installed_extras

DECLARED = [
    "asyncpg>=0.30",
    'odd; python_version < "3"',
    'pgmig<2,>=1.1; extra == "schema"',
    'roost[sql]; extra == "schema"',
    'postgast<0.3,>=0.2; extra == "sql"',
    'squawk-cli>=2; extra == "sql"',
]


def test_each_extra_by_what_the_distribution_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing and what is of another version is found, also through another extra; other requirements are not its."""
    versions = {"postgast": "0.3.1", "squawk-cli": "2.70.0"}

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "requires", lambda _: DECLARED)
    monkeypatch.setattr(importlib.metadata, "version", version)
    states = {state.name: state for state in installed_extras()}
    assert (states["schema"].missing, states["schema"].unfit) == (("pgmig",), ("postgast 0.3.1",))
    assert (states["sql"].missing, states["sql"].unfit) == ((), ("postgast 0.3.1",))
    assert (states["otel"].missing, states["otel"].unfit) == ((), ())
    assert states["sql"].requirement == "'roost[sql]'"


def test_without_a_distribution_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout on the path is no installed distribution: nothing can be said about its extras."""

    def requires(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    assert installed_extras() == []
