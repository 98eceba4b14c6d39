from __future__ import annotations

import ssl
from dataclasses import replace

import asyncpg
import pytest

from roost.errors import DatabaseRefused, DatabaseUnreachable
from roost.postgres import client_address, parse_url
from roost.postgres._connect import connect
from roost.runtime import Secret

URL = parse_url("postgresql://db/app")


class Server:
    """Stands for the driver's `connect`: fails with these errors, one a call, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def connect(self, **_arguments: object) -> object:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self


async def attempt(server: Server, monkeypatch: pytest.MonkeyPatch, *, attempts: int) -> object:
    monkeypatch.setattr(asyncpg, "connect", server.connect)
    return await connect(URL, server_settings={}, attempts=attempts, delay=0)


@pytest.mark.asyncio
@pytest.mark.parametrize("failures", [0, 1, 2])
async def test_connects_at_the_first_attempt_that_succeeds(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers late is asked until it answers, and not once more."""
    server = Server(*[ConnectionRefusedError("refused")] * failures)
    assert await attempt(server, monkeypatch, attempts=3) is server
    assert server.calls == failures + 1


@pytest.mark.asyncio
@pytest.mark.parametrize("attempts", [1, 3])
async def test_gives_up_after_so_many_attempts(attempts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never answers is asked exactly as often as was said, and the error is the last attempt's."""
    errors = [ConnectionRefusedError(f"refused {number}") for number in range(5)]
    server = Server(*errors)
    with pytest.raises(DatabaseUnreachable, match=f"refused {attempts - 1}") as caught:
        await attempt(server, monkeypatch, attempts=attempts)
    assert server.calls == attempts
    assert caught.value.__cause__ is errors[attempts - 1]


@pytest.mark.asyncio
async def test_asks_once_where_asking_again_cannot_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that refuses the password is not asked again."""
    server = Server(asyncpg.InvalidPasswordError("wrong password"))
    with pytest.raises(DatabaseRefused):
        await attempt(server, monkeypatch, attempts=3)
    assert server.calls == 1


@pytest.mark.asyncio
async def test_an_address_for_another_library_holds_all_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password that a callable gives, the default role, and what the driver has no word for in words that it has."""
    monkeypatch.setenv("PGUSER", "who")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    url = parse_url("postgresql://db/app?sslmode=verify-full&sslrootcert=system&connect_timeout=3")
    paths = ssl.get_default_verify_paths()
    known = parse_url(await client_address(replace(url, password_callable=lambda: Secret("s/3"))))
    assert (known.user, known.password, known.database, known.hosts) == ("who", "s/3", "app", (("db", None),))
    assert dict(known.params) == {"sslmode": "verify-full", "sslrootcert": paths.cafile or paths.openssl_cafile}
    assert known.connect_timeout is None
