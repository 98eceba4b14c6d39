"""A server that encrypts, in front of one that can't: PostgreSQL from a wheel is built without OpenSSL."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from roost.postgres import parse_url

SSL_REQUEST = struct.pack("!II", 8, 80877103)
_CHUNK = 65536


@dataclass(slots=True)
class TLSServer:
    """Ends the encryption of its clients and passes what they say to a server.

    Attributes:
        target: The URL of the server behind it.
        context: Its certificate, and what it asks of clients; None answers No to who wants encryption.
        port: Where it listens on loopback.
        connections: How many clients came.
        asked: How many of them asked for encryption.
        subjects: For each client that showed a certificate the certificate's names.
        protocols: For each encrypted client the version that was agreed upon.
    """

    target: str
    context: ssl.SSLContext | None
    port: int = 0
    connections: int = 0
    asked: int = 0
    subjects: list[list[str]] = field(default_factory=list)
    protocols: list[str] = field(default_factory=list)

    def url(self, host: str = "127.0.0.1", **params: str | Path) -> str:
        """Return the URL of the same database through this server."""
        pairs = tuple((name, str(value)) for name, value in params.items())
        return replace(parse_url(self.target), hosts=((host, self.port),), params=pairs).dsn

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until one side hangs up."""
        self.connections += 1
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(8)
            if first == SSL_REQUEST:
                self.asked += 1
                writer.write(b"S" if self.context else b"N")
                await writer.drain()
                if self.context is not None:
                    await writer.start_tls(self.context)
                    self._note(writer)
                first = b""
            (host, port), *_ = parse_url(self.target).hosts
            if host.startswith("/"):
                behind, ahead = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port or 5432}")
            else:
                behind, ahead = await asyncio.open_connection(host, port or 5432)
            with contextlib.closing(ahead):
                ahead.write(first)
                ways = [asyncio.create_task(_pass(reader, ahead)), asyncio.create_task(_pass(behind, writer))]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)

    def _note(self, writer: asyncio.StreamWriter) -> None:
        protocol: ssl.SSLObject = writer.get_extra_info("ssl_object")
        self.protocols.append(protocol.version() or "")
        shown: dict[str, Any] = protocol.getpeercert() or {}
        if shown:
            self.subjects.append([name for _, name in shown["subjectAltName"]])


@asynccontextmanager
async def tls_server(target: str, context: ssl.SSLContext | None) -> AsyncIterator[TLSServer]:
    """Serve on loopback, in front of the server of `target`, for as long as the block lasts."""
    served = TLSServer(target, context)
    clients: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(served.serve(reader, writer))
        clients.add(task)
        task.add_done_callback(clients.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    served.port = listener.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        listener.close()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()


class Authority:
    """An authority that signs certificates, and the files of what it signed.

    Attributes:
        directory: Where the files are.
        ca: The authority's own certificate.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = directory / "ca.pem"
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(str(self.ca))

    def server(self, *names: str, wants_certificate: bool = False) -> ssl.SSLContext:
        """Return what a server of these names has."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names).configure_cert(context)
        if wants_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            self._authority.configure_trust(context)
        return context

    def client(self, name: str) -> tuple[Path, Path]:
        """Write a client's certificate and its key, and return both paths."""
        issued = self._authority.issue_cert(name)
        certificate, key = self.directory / "client.pem", self.directory / "client.key"
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key

    def revoking(self, *names: str) -> tuple[ssl.SSLContext, Path]:
        """Return what a server of these names has, and the list that takes its certificate back."""
        issued = self._authority.issue_cert(*names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(context)
        signer = x509.load_pem_x509_certificate(self._authority.cert_pem.bytes())
        key = serialization.load_pem_private_key(self._authority.private_key_pem.bytes(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        now = datetime.now(UTC)
        serial = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).serial_number
        taken_back = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = x509.CertificateRevocationListBuilder().issuer_name(signer.subject).add_revoked_certificate(taken_back)
        builder = builder.last_update(now - timedelta(days=1)).next_update(now + timedelta(days=1))
        path = self.directory / "revoked.pem"
        path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return context, path
