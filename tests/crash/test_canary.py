"""A password is in nothing that anybody may read: not in logs at their most talkative, errors, the ledger, or the server's own view."""

from __future__ import annotations

import asyncio
import logging
import traceback
from urllib.parse import quote

import asyncpg
import pytest

from roost import MigrationConfig, MigrationStep
from roost.errors import DatabaseRefused, DatabaseUnreachable, MigrationLockTimeout, RoostError, SessionLost, StepFailed
from roost.postgres import advisory_lock_key
from tests.plugins.build import make_plugin, migrate
from tests.plugins.own_server import OwnServer

CANARY = "canary-7f3a"
PASSWORD = f"{CANARY}/#?@:%2f 'quoted\""
IMPATIENT = MigrationConfig(max_retries=2, retry_delay=0.01, run_lock_timeout=0.1)
SOUND = MigrationStep("sound", "Sound", up="CREATE TABLE sound (id int)", version="1.0.0")


async def ways_to_fail(server: OwnServer) -> list[BaseException]:
    """Go through what can go wrong with a password in the URL, and return the errors."""
    wrong = server.url.replace(quote(PASSWORD, safe=""), quote(f"{PASSWORD}!", safe=""))
    closed = server.url.replace(f":{server.url.rsplit(':', 1)[1].split('/')[0]}/", ":1/")
    ending = MigrationStep("ending", "Ends its connection", up="SELECT pg_terminate_backend(pg_backend_pid())", version="2.0.0")
    failing = MigrationStep("failing", "Fails", up="SELECT nothing", version="2.0.0")
    errors: list[BaseException] = []
    await migrate(server.url, make_plugin("p", SOUND))
    holder = await asyncpg.connect(server.socket_url)
    try:
        for url, step, expected in (
            (server.url, failing, StepFailed),
            (server.url, ending, SessionLost),
            (wrong, failing, DatabaseRefused),
            (closed, failing, DatabaseUnreachable),
            (server.url, ending, MigrationLockTimeout),
        ):
            if expected is MigrationLockTimeout:
                await holder.execute(f"SELECT pg_advisory_lock({advisory_lock_key('roost:roost')})")
            with pytest.raises(expected) as caught:
                await migrate(url, make_plugin("p", SOUND, step), config=IMPATIENT)
            errors.append(caught.value)
    finally:
        await holder.close()
    return errors


async def what_the_server_knows(server: OwnServer) -> str:
    """Return what stands in the ledger, in the view of its sessions and in its log."""
    connection = await asyncpg.connect(server.socket_url)
    try:
        tables = [
            str(await connection.fetch(f"SELECT t::text FROM {table} AS t"))
            for table in ("roost.run", "roost.applied", "roost.history", "roost.plugin", "pg_stat_activity")
        ]
    finally:
        await connection.close()
    return "\n".join([*tables, server.log])


def test_a_password_is_nowhere(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Success, a failing step, a broken connection, a refused password, a closed port and a lock that is not to be had."""
    caplog.set_level(logging.DEBUG)

    async def all_of_it() -> str:
        async with OwnServer(password=PASSWORD, settings={"log_min_messages": "debug1"}) as server:
            errors = await ways_to_fail(server)
            said = [str(error) + repr(error) + "".join(traceback.format_exception(error)) for error in errors]
            assert all(isinstance(error, RoostError) for error in errors)
            return "\n".join([*said, await what_the_server_knows(server)])

    seen = asyncio.run(all_of_it(), debug=True)
    out, err = capfd.readouterr()
    assert "sound" in seen
    assert CANARY not in seen + out + err + caplog.text
