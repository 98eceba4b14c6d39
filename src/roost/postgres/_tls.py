"""What encryption needs of files, and what its failures mean to people."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from roost.errors import CertificateRefused, DatabaseError, TLSFileUnusable, TLSNotOffered
from roost.postgres._url import DatabaseURL
from roost.postgres._url_parameters import SYSTEM

_VERIFYING = ("verify-ca", "verify-full")
_REQUIRING = ("require", *_VERIFYING)
_DEFAULT_ROOT = "~/.postgresql/root.crt"

_NOT_OFFERED = "rejected SSL upgrade"
"""The driver's words for a server's No; their kind is that of a connection that broke."""

# https://docs.openssl.org/3.0/man1/openssl-verification-options/ and <openssl/x509_vfy.h>
_OTHER_NAME = (62, 64)
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)


def system_context(url: DatabaseURL) -> ssl.SSLContext | None:
    """Return how to prove the server's name by what the system trusts, if the URL asks for that; the driver has no word for it.

    Raises:
        OSError: The client's certificate can't be loaded.
    """
    params = dict(url.params)
    if params.get("sslrootcert") != SYSTEM:
        return None
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    if params.get("sslcert"):
        context.load_cert_chain(params["sslcert"], params.get("sslkey"), password=lambda: params.get("sslpassword", ""))
    return context


def meaning_of_tls_error(error: Exception, url: DatabaseURL) -> DatabaseError | None:
    """Return what a failure to connect means, if it came of encryption.

    Args:
        error: What the driver raised.
        url: Where it was to connect.

    Returns:
        An error that names the setting and the next thing to do; None where encryption has no part in it.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateRefused(location=url.location, reason=error.verify_message, remedy=_remedy(error.verify_code))
    if type(error) is ConnectionError and _NOT_OFFERED in str(error):
        return TLSNotOffered(location=url.location, sslmode=_mode(url))
    if isinstance(error, (OSError, ValueError)):
        return _unusable_file(url)
    return None


def _remedy(code: int) -> str:
    if code in _OTHER_NAME:
        return "connect by a name that is in the certificate; with sslmode=verify-ca only its authority is proved, not the name"
    if code in _UNKNOWN_AUTHORITY:
        return "name the certificate of the authority that signed it, as ?sslrootcert=/path/to/ca.pem"
    return "give the server a certificate that is valid"


def _mode(url: DatabaseURL) -> str:
    return dict(url.params).get("sslmode") or os.environ.get("PGSSLMODE") or "prefer"


def _unusable_file(url: DatabaseURL) -> TLSFileUnusable | None:
    """Load what the driver would load, and tell which file it fails at; the driver's own error names none."""
    params, mode = dict(url.params), _mode(url)
    paths = {name: params.get(name) or os.environ.get(f"PG{name.upper()}") for name in ("sslrootcert", "sslcrl", "sslcert", "sslkey")}
    if mode == "disable":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name in ("sslrootcert", "sslcrl") if mode in _REQUIRING else ():
        path = paths[name]
        if name == "sslrootcert" and path is None and mode in _VERIFYING:
            path = os.path.expanduser(_DEFAULT_ROOT)  # noqa: PTH111 -- Path.expanduser raises where a user has no home
        if path is None or path == SYSTEM:
            continue
        try:
            context.load_verify_locations(cafile=path)
        except OSError as error:
            return TLSFileUnusable(setting=name, path=path, reason=_words(error))
    return _unusable_pair(context, paths["sslcert"], paths["sslkey"], params.get("sslpassword", ""))


def _unusable_pair(context: ssl.SSLContext, certificate: str | None, key: str | None, password: str) -> TLSFileUnusable | None:
    if certificate is None:
        return None
    for name, path in (("sslcert", certificate), ("sslkey", key or certificate)):
        try:
            Path(path).open("rb").close()
        except OSError as error:
            return TLSFileUnusable(setting=name, path=path, reason=_words(error))
    try:
        context.load_cert_chain(certificate, key, password=lambda: password)
    except OSError as error:
        return TLSFileUnusable(setting="sslcert", path=certificate, reason=_words(error))
    return None


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"it can't be used: {error.reason or error}"
    return error.strerror or type(error).__name__
