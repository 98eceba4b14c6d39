"""Encrypted lines: what each `sslmode` proves, for a run's own session and for the pool of the `Database` service alike."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from roost import Database, MigrationOrchestrator, MigrationStep
from roost.errors import CertificateRefused, DatabaseUnreachable, TLSFileUnusable, TLSNotOffered
from roost.postgres import MigrationSession, parse_url
from tests.plugins.build import applied, make_plugin, make_runtime, migrate, query, residue
from tests.plugins.tls_server import SSL_REQUEST, Authority, tls_server

STEP = MigrationStep("make", "Make", up="CREATE TABLE things (id int)", version="1.0.0")
HERE = "127.0.0.1"
LOCALHOST = "localhost"

Use: TypeAlias = Callable[[str], Awaitable[object]]


async def by_session(url: str) -> object:
    """Migrate: the run's own session connects."""
    return await migrate(url, make_plugin("p", STEP))


async def by_pool(url: str) -> object:
    """Ask by the `Database` service: its pool connects."""
    database = Database(url)
    await database.start()
    try:
        return await database.fetchval("SELECT 1")
    finally:
        await database.stop()


both_ways = pytest.mark.parametrize("use", [by_session, by_pool], ids=["session", "pool"])


@both_ways
@pytest.mark.asyncio
@pytest.mark.parametrize("host", [HERE, LOCALHOST])
async def test_a_whole_life_over_a_line_that_proves_everything(database_url: str, authority: Authority, use: Use, host: str) -> None:
    """With sslmode=verify-full, the right authority and a name of the certificate, everything goes over encrypted lines only."""
    async with tls_server(database_url, authority.server(HERE, LOCALHOST)) as server:
        await use(server.url(host, sslmode="verify-full", sslrootcert=authority.ca))
        assert server.connections == server.asked == len(server.protocols) > 0
    assert set(server.protocols) <= {"TLSv1.2", "TLSv1.3"}


@pytest.mark.asyncio
async def test_a_migration_with_lock_ledger_and_steps_over_an_encrypted_line(database_url: str, authority: Authority) -> None:
    """Python steps, SQL steps, a failure and the run after it, status and rollback work as on any other line; nothing is left behind."""

    async def fill(ctx: Any) -> None:
        await ctx.copy_records_to_table("things", records=[(n,) for n in range(20_000)])

    bad = MigrationStep("bad", "Bad", up="SELECT 1 / 0", version="1.2.0")
    good = MigrationStep("good", "Good", up="ALTER TABLE things ADD note text", down="ALTER TABLE things DROP note", version="1.2.0")
    filled = MigrationStep("fill", "Fill", up=fill, version="1.1.0")
    async with tls_server(database_url, authority.server(HERE)) as server:
        url = server.url(sslmode="verify-full", sslrootcert=authority.ca)
        with pytest.raises(Exception, match="division by zero"):
            await migrate(url, make_plugin("p", STEP, filled, bad))
        runtime = make_runtime(url, make_plugin("p", STEP, filled, good))
        await MigrationOrchestrator(runtime).run_all_migrations()
        (service,) = runtime.get_services_by_type("migration")
        status = await MigrationOrchestrator(runtime).get_migration_status()
        assert (status.services[0].version, status.services[0].pending) == ("1.2.0", 0)
        await service.rollback("1.1.0")
        assert len(server.protocols) == server.connections
    assert await applied(database_url) == [("p", "make"), ("p", "fill")]
    assert await query(database_url, "SELECT count(*) FROM things") == [20_000]
    assert await residue(database_url) == []


@both_ways
@pytest.mark.asyncio
async def test_a_certificate_for_another_name(database_url: str, authority: Authority, use: Use) -> None:
    """With verify-full it is refused at the first attempt, by an error that says so; with verify-ca the name does not matter."""
    async with tls_server(database_url, authority.server("db.example")) as server:
        with pytest.raises(CertificateRefused, match=r"not valid for '127\.0\.0\.1'") as caught:
            await use(server.url(sslmode="verify-full", sslrootcert=authority.ca))
        assert server.connections == 1
        assert "name that is in the certificate" in caught.value.hint
        await use(server.url(sslmode="verify-ca", sslrootcert=authority.ca))


@both_ways
@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require"])
async def test_an_authority_that_is_not_trusted(database_url: str, authority: Authority, tmp_path: Path, use: Use, mode: str) -> None:
    """What another authority signed is refused at the first attempt, also by `require` where an authority is named."""
    async with tls_server(database_url, Authority(tmp_path).server(HERE)) as server:
        with pytest.raises(CertificateRefused) as caught:
            await use(server.url(sslmode=mode, sslrootcert=authority.ca))
        assert server.connections == 1
    assert "sslrootcert" in caught.value.hint


@both_ways
@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["require", "prefer"])
async def test_encryption_without_proof(database_url: str, authority: Authority, use: Use, mode: str) -> None:
    """`require` and `prefer` encrypt, and ask nobody who the server is."""
    async with tls_server(database_url, authority.server("db.example")) as server:
        await use(server.url(sslmode=mode))
        assert len(server.protocols) == server.connections > 0


@both_ways
@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_that_does_not_encrypt(database_url: str, authority: Authority, use: Use, mode: str) -> None:
    """Where encryption is required, its No is final: one attempt, and an error that names the mode."""
    async with tls_server(database_url, None) as server:
        with pytest.raises(TLSNotOffered, match=f"127.0.0.1:{server.port}.*sslmode={mode}"):
            await use(server.url(sslmode=mode, sslrootcert=authority.ca))
        assert server.connections == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(("mode", "asked"), [("disable", 0), ("allow", 0), ("prefer", 1)])
async def test_what_asking_costs(database_url: str, clean_home: Path, mode: str, asked: int) -> None:
    """Without encryption at the server `prefer`, which is the default, asks in vain: one more round trip, and no more connections."""
    async with tls_server(database_url, None) as server:
        await by_session(server.url(sslmode=mode))
        assert (server.connections, server.asked) == (1, asked)
    async with tls_server(database_url, None) as server:
        await by_session(server.url())
        assert (server.connections, server.asked) == (1, 1)


@both_ways
@pytest.mark.asyncio
async def test_certificates_of_clients(database_url: str, authority: Authority, use: Use) -> None:
    """The server is shown sslcert, by the key of sslkey."""
    certificate, key = authority.client("app@roost.example")
    async with tls_server(database_url, authority.server(HERE, wants_certificate=True)) as server:
        await use(server.url(sslmode="verify-full", sslrootcert=authority.ca, sslcert=certificate, sslkey=key))
        assert server.subjects == [["app@roost.example"]] * server.connections


@both_ways
@pytest.mark.asyncio
async def test_a_certificate_that_was_taken_back(database_url: str, authority: Authority, use: Use) -> None:
    """What sslcrl lists is refused at the first attempt."""
    context, revoked = authority.revoking(HERE)
    async with tls_server(database_url, context) as server:
        with pytest.raises(CertificateRefused, match="revoked"):
            await use(server.url(sslmode="verify-full", sslrootcert=authority.ca, sslcrl=revoked))
        assert server.connections == 1


@both_ways
@pytest.mark.asyncio
async def test_what_the_system_trusts(database_url: str, authority: Authority, use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """sslrootcert=system proves authority and name by the system's certificates, also with a certificate of the client."""
    certificate, key = authority.client("app@roost.example")
    system: dict[str, Any] = {"sslrootcert": "system", "sslcert": certificate, "sslkey": key}
    async with tls_server(database_url, authority.server("db.example", LOCALHOST, wants_certificate=True)) as server:
        with pytest.raises(CertificateRefused):
            await use(server.url(LOCALHOST, **system))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        await use(server.url(LOCALHOST, **system))
        with pytest.raises(CertificateRefused, match=r"not valid for '127\.0\.0\.1'"):
            await use(server.url(HERE, **system))
        assert server.subjects


@both_ways
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("params", "setting"),
    [
        ({"sslmode": "verify-full", "sslrootcert": "/no/such/ca.pem"}, "sslrootcert"),
        ({"sslmode": "verify-full"}, "sslrootcert"),
        ({"sslmode": "verify-ca", "sslrootcert": "{junk}"}, "sslrootcert"),
        ({"sslmode": "require", "sslrootcert": "{ca}", "sslcrl": "/no/such/list.pem"}, "sslcrl"),
        ({"sslmode": "require", "sslcert": "/no/such/cert.pem"}, "sslcert"),
        ({"sslmode": "require", "sslcert": "{ca}", "sslkey": "/no/such/key.pem"}, "sslkey"),
        ({"sslmode": "require", "sslcert": "{ca}", "sslkey": "{junk}"}, "sslcert"),
        ({"sslrootcert": "system", "sslcert": "/no/such/cert.pem"}, "sslcert"),
    ],
)
async def test_a_file_that_cannot_be_used(
    database_url: str, authority: Authority, tmp_path: Path, use: Use, params: dict[str, str], setting: str
) -> None:
    """It is named, with the setting it stands in, before anybody connects."""
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    files = {name: value.format(ca=authority.ca, junk=junk) for name, value in params.items()}
    async with tls_server(database_url, authority.server(HERE)) as server:
        with pytest.raises(TLSFileUnusable) as caught:
            await use(server.url(**files))
        assert server.connections == 0
    expected = files.get(setting, str(tmp_path / ".postgresql/root.crt"))
    assert (caught.value.setting, caught.value.path) == (setting, expected)


@pytest.mark.asyncio
async def test_files_that_play_no_part_are_not_blamed(clean_home: Path) -> None:
    """Without encryption nobody reads them; who does not answer is told as ever."""
    with socket.socket() as taken:
        taken.bind((HERE, 0))  # bound and not listening: refused at once
        url = f"postgresql://u@{HERE}:{taken.getsockname()[1]}/d?sslmode=disable&sslrootcert=/no/such/ca.pem"
        with pytest.raises(DatabaseUnreachable):
            await MigrationSession.open(parse_url(url), application_name="test", attempts=1)


@pytest.mark.asyncio
async def test_a_server_that_speaks_something_else(clean_home: Path) -> None:
    """What is no handshake ends the first attempt, and the error says that it was one."""
    came: list[str] = []
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append("client")
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            await reader.readexactly(len(SSL_REQUEST))
            writer.write(b"S")
            await reader.read(1)  # the handshake has begun
            writer.write(b"220 mail.example at your service\r\n")
            await reader.read()
        gone.set()

    async with await asyncio.start_server(answer, HERE, 0) as listener:
        url = f"postgresql://u@{HERE}:{listener.sockets[0].getsockname()[1]}/d?sslmode=require"
        with pytest.raises(DatabaseUnreachable) as caught:
            await by_session(url)
        await gone.wait()
        assert (len(came), caught.value.attempts) == (1, 1)


@pytest.mark.asyncio
async def test_a_dead_peer_is_noticed_on_an_encrypted_line_too(database_url: str, authority: Authority) -> None:
    """The socket below the encryption has keepalives."""
    async with tls_server(database_url, authority.server(HERE)) as server:
        session = await MigrationSession.open(parse_url(server.url(sslmode="require")), application_name="test")
        driver: Any = session._driver
        raw = driver._transport.get_extra_info("socket")
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        session.terminate()


@pytest.mark.asyncio
async def test_a_cancelled_run_leaves_nothing_on_an_encrypted_line(database_url: str, authority: Authority) -> None:
    """In the middle of a step it ends at once, and leaves no lock and no open transaction."""
    begun = asyncio.Event()

    async def wait(ctx: Any) -> None:
        begun.set()
        await ctx.execute("SELECT pg_sleep(60)")

    async with tls_server(database_url, authority.server(HERE)) as server:
        url = server.url(sslmode="verify-full", sslrootcert=authority.ca)
        run = asyncio.create_task(migrate(url, make_plugin("p", MigrationStep("wait", "Wait", up=wait, version="1.0.0"))))
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert await residue(database_url) == []
    assert await applied(database_url) == []
