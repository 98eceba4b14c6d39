from __future__ import annotations

import asyncio

import pytest

from roost import Database, Runtime
from roost.errors import StepFailed
from roost.postgres import parse_url
from roost.telemetry._attributes import attributes_of_address, attributes_of_database, attributes_of_error


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:hunter2@db.example:6432/app", {"db.namespace": "app", "server.address": "db.example", "server.port": 6432}),
        ("postgresql://u@db.example/app?password=hunter2", {"db.namespace": "app", "server.address": "db.example"}),
        ("postgresql://u@a:1,b:2/app", {"db.namespace": "app"}),
        ("postgresql:///app?host=/run/postgresql&port=5433", {"db.namespace": "app", "server.address": "/run/postgresql"}),
        ("postgresql://", {}),
    ],
)
def test_an_address_tells_where_and_no_secret(url: str, expected: dict[str, str | int]) -> None:
    """Database, host and port, as far as they are known beforehand; which of several hosts answers is not; a socket has no port."""
    assert attributes_of_address(parse_url(url)) == {"db.system.name": "postgresql", **expected}


def test_a_runtime_without_an_address() -> None:
    """None without a database; only the kind of it where a pool is given, or the address is wrong."""

    class Pool:
        def acquire(self) -> None:
            raise NotImplementedError

    assert attributes_of_database(Runtime()) == {}
    assert attributes_of_database(Runtime(database="mysql://x")) == {"db.system.name": "postgresql"}
    assert attributes_of_database(Runtime(database=Database(Pool()))) == {"db.system.name": "postgresql"}  # type: ignore[arg-type]


def test_an_error_is_its_class_and_sqlstate() -> None:
    """No text of it, which may hold data and SQL."""
    failed = StepFailed(service="s", plugin="p", step="x", direction="up", reason="Key (email)=(a@b) exists", sqlstate="23505")
    assert attributes_of_error(failed) == {"error.type": "roost.errors.StepFailed", "db.response.status_code": "23505"}
    assert attributes_of_error(KeyError("hunter2")) == {"error.type": "KeyError"}
    assert attributes_of_error(asyncio.CancelledError()) == {"error.type": "asyncio.exceptions.CancelledError"}
