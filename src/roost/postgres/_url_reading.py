"""Reads database URLs itself, so that a malformed one is refused with a reason and its password never shown.

No refusal repeats a part of the text that could belong to a password, nor has an exception behind it that does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path
from urllib.parse import unquote_to_bytes

from roost.errors import InvalidDatabaseURL
from roost.postgres._url import DatabaseURL
from roost.postgres._url_parameters import known_parameters

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]*))?")
_KEYWORD = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?!')(?:[^\s\\]|\\.)*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MAX_PORT = 65535
_MAX_DIGITS = 9

_OWN_SCHEMES = ("postgres", "postgresql")
_OTHERS = frozenset(
    {"sqlite", "sqlite3", "mysql", "mariadb", "mongodb", "mongodb+srv", "redis", "oracle", "mssql", "jdbc", "file", "http", "https", "tcp"}
)
"""Only these are named in a refusal: what else stands in front of a colon may be a password."""
_AUTHORITY = frozenset({"host", "hostaddr", "port", "user", "password", "dbname", "database"})


def parse_url(text: str) -> DatabaseURL:
    """Read a database URL, or libpq's ``key=value`` form.

    Args:
        text: Such as ``postgresql://user:password@host:5432/database?sslmode=require``; special characters in the password
            are percent-encoded (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING).

    Returns:
        Its parts.

    Raises:
        InvalidDatabaseURL: It is none; the reason never shows a password.
    """
    if not isinstance(text, str):
        raise InvalidDatabaseURL(reason=f"it is {type(text).__name__}, not text")
    if not text.strip():
        raise InvalidDatabaseURL(reason="it is empty")
    if "\0" in text:
        raise InvalidDatabaseURL(reason="it holds a NUL byte")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidDatabaseURL(reason="it holds half of a surrogate pair, which is no character")
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else ""
    if match is not None and scheme in _OWN_SCHEMES:
        rest = text[match.end() :]
        if not rest.startswith("//"):
            raise InvalidDatabaseURL(reason="after 'postgresql:' come two slashes")
        return _from_url(rest[2:])
    if _KEYWORD.match(text):
        return _from_keywords(text)
    raise InvalidDatabaseURL(reason=_why_not(text, scheme))


def from_parameters(
    params: Mapping[str, str],
    *,
    hosts: tuple[tuple[str, int | None], ...] = (),
    user: str = "",
    password: str | None = None,
    path: str = "",
) -> DatabaseURL:
    """Put an address together.

    Args:
        params: libpq's parameters by their names, the address's own among them.
        hosts: The hosts that stand in the URL itself; these four go before `params`.
        user: The role, or "".
        password: The password, or None.
        path: The database, or "".

    Returns:
        The address.

    Raises:
        InvalidDatabaseURL: A parameter is malformed, or asks for what can't be had.
    """
    ports = [_port(port) for port in params["port"].split(",")] if params.get("port") else []
    names = (params.get("host") or params.get("hostaddr") or "").split(",")
    if not hosts and (names != [""] or ports):
        hosts = tuple((_checked_host(name), None) for name in names)
    if ports and len(ports) not in (1, len(hosts)):
        raise InvalidDatabaseURL(reason="it has another number of ports than of hosts")
    hosts = tuple((name, port or (ports[index % len(ports)] if ports else None)) for index, (name, port) in enumerate(hosts))
    seconds = _seconds(params.get("connect_timeout", ""))
    kept = {key: value for key, value in params.items() if key not in _AUTHORITY and key != "connect_timeout"}
    return DatabaseURL(
        user=user or params.get("user") or None,
        password=password if password is not None else params.get("password"),
        hosts=hosts,
        database=path or params.get("dbname") or params.get("database") or None,
        params=known_parameters(kept),
        connect_timeout=seconds,
    )


def _why_not(text: str, scheme: str) -> str:
    if text.strip() == ":memory:":
        return "':memory:' is SQLite's; roost needs PostgreSQL"
    if scheme.startswith(("postgres+", "postgresql+")):
        return "'postgresql+' and a driver's name is SQLAlchemy's form; write postgresql://"
    if scheme in _OTHERS:
        return f"{scheme!r} is not PostgreSQL; only postgresql:// URLs work"
    if "://" in text:
        return "its scheme is not PostgreSQL's; it begins with postgresql://"
    if text.startswith(("/", "./", "../", "~")) or Path(text).suffix in (".db", ".sqlite", ".sqlite3"):
        return "it looks like a file's path; roost needs a PostgreSQL server"
    return "it has no scheme; it begins with postgresql://"


def _from_url(rest: str) -> DatabaseURL:
    if any(character.isspace() for character in rest):
        raise InvalidDatabaseURL(reason="it holds white space; write a space as %20")
    if "#" in rest:
        raise InvalidDatabaseURL(reason="it holds a '#'; write it as %23, in a password too")
    address, _, query = rest.partition("?")
    authority, _, path = address.partition("/")
    if "@" in path:
        raise InvalidDatabaseURL(reason="there is an '@' behind a '/'; write a '/' in the password as %2F and an '@' as %40")
    if "@" in query and "@" not in authority and ":" in authority:
        raise InvalidDatabaseURL(reason="there is an '@' behind a '?'; write a '?' in the password as %3F")
    credentials, _, hostlist = authority.rpartition("@")
    if "@" in credentials:
        raise InvalidDatabaseURL(reason="there are two '@'; write an '@' in the password as %40")
    user, colon, password = credentials.partition(":")
    return from_parameters(
        _query(query),
        hosts=tuple(_host(one) for one in hostlist.split(",")) if hostlist else (),
        user=_decode(user),
        password=_decode(password) if colon else None,
        path=_decode(path),
    )


def _from_keywords(text: str) -> DatabaseURL:
    params: dict[str, str] = {}
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _KEYWORD.match(text, position)
        if match is None:
            raise InvalidDatabaseURL(reason="in the key=value form each value that holds a space stands in quotes: 'a value'")
        value = match[2][1:-1] if match[2].startswith("'") else match[2]
        params[match[1].lower()] = _ESCAPED.sub(r"\1", value)
        position = match.end()
    return from_parameters(params)


def _query(query: str) -> dict[str, str]:
    # Not by urllib: there a '+' means a space, which libpq does not know, and errors repeat the text.
    params: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidDatabaseURL(reason="what follows the '?' is not of the form key=value&key=value")
        params[_decode(key)] = _decode(value)
    return params


def _host(text: str) -> tuple[str, int | None]:
    match = _HOST.fullmatch(text)
    if match is None or (match[1].startswith("[") and not _is_ipv6(_decode(match[1][1:-1]))):
        raise InvalidDatabaseURL(reason="its host is malformed; an IPv6 address stands in brackets, a port is a number")
    return _checked_host(_decode(match[1].strip("[]"))), _port(match[2])


def _checked_host(name: str) -> str:
    if ":" in name and not name.startswith("/") and not _is_ipv6(name):
        raise InvalidDatabaseURL(reason="its host is malformed; beside host=… the port stands in port=…")
    return name or "localhost"


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not _is_number(text) or not 0 < int(text) <= _MAX_PORT:
        raise InvalidDatabaseURL(reason=f"its port is no number from 1 to {_MAX_PORT}")
    return int(text)


def _seconds(text: str) -> float | None:
    if text and not _is_number(text):
        raise InvalidDatabaseURL(reason="connect_timeout is a number of seconds")
    return float(text or 0) or None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS


def _decode(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise InvalidDatabaseURL(reason="a '%' is not followed by two hexadecimal digits; write a '%' as %25")
    decoded = _utf8(unquote_to_bytes(text))
    if decoded is None:
        raise InvalidDatabaseURL(reason="its percent-encoded bytes are not UTF-8")
    if "\0" in decoded:
        raise InvalidDatabaseURL(reason="it holds a NUL byte")
    return decoded


def _utf8(encoded: bytes) -> str | None:
    # The error itself goes no further: it holds the text.
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        return None
