"""An authority for certificates, and no settings of the user's own that would join in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.plugins.tls_server import Authority


@pytest.fixture(scope="session")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def clean_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and an environment without PG*: what a test does not set is not there."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def authority(_authority: Authority, clean_home: Path) -> Authority:
    """An authority that nobody trusts by himself."""
    return _authority
