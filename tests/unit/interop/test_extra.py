from __future__ import annotations

from pathlib import Path

import pytest

from roost.errors import AlembicExtraMissing
from roost.interop import AlembicMigrationService
from roost.interop._alembic_extra import of_extra


def test_a_missing_package_is_named_with_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither alembic nor SQLAlchemy need be there before a directory is read; then the error says what to install."""

    class Migrations(AlembicMigrationService):
        directory = tmp_path

    def absent(name: str) -> None:
        raise ModuleNotFoundError(name="alembic")

    monkeypatch.setattr("roost.interop._alembic_extra.import_module", absent)
    with pytest.raises(AlembicExtraMissing) as caught:
        Migrations().load_steps()
    assert (caught.value.package, caught.value.hint) == ("alembic", "pip install 'roost[alembic]'")


def test_another_missing_module_is_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What alembic itself lacks is not ascribed to the extra."""

    def absent(name: str) -> None:
        raise ModuleNotFoundError(name="mako")

    monkeypatch.setattr("roost.interop._alembic_extra.import_module", absent)
    with pytest.raises(ModuleNotFoundError) as caught:
        of_extra("alembic")
    assert caught.value.name == "mako"
