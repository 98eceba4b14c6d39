"""Reads database URLs itself, so that a malformed one is refused with a reason and its password never shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from roost.errors import InvalidDatabaseURL

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^\[\]:]*)(?::(\d*))?")
_KEYWORD = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']\S*|(?=\s|$))")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MAX_PORT = 65535

_SECRETS = frozenset({"password", "sslpassword"})
_AUTHORITY = frozenset({"host", "hostaddr", "port", "user", "password", "dbname", "database"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseURL:
    """Where a database is and how to get in.

    Attributes:
        user: The role; None leaves it to PGUSER or the system user, as libpq does.
        password: The password; never shown.
        hosts: Names, addresses or socket directories with ports, in the order in which they are tried; empty for the default.
        database: The database; None is the role's name.
        params: Further parameters, such as ``sslmode``.
        connect_timeout: Seconds that one attempt to connect may take; None takes roost's default.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    hosts: tuple[tuple[str, int | None], ...] = ()
    database: str | None = None
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    connect_timeout: float | None = None

    @property
    def location(self) -> str:
        """The address without credentials, such as ``"db.example:5432/app"``."""
        hosts = ",".join(f"{_bracketed(host)}:{port or 5432}" for host, port in self.hosts) or "localhost"
        return f"{hosts}/{self.database or ''}".removesuffix("/")

    @property
    def redacted(self) -> str:
        """The URL with stars for its password."""
        return self._write(secret="***")  # noqa: S106 -- these stars are no secret

    @property
    def dsn(self) -> str:
        """The whole URL in a form that every PostgreSQL client takes. It holds the password."""
        return self._write(secret=None)

    def redact(self, text: str) -> str:
        """Return `text` with stars wherever the password stands in it, as it is or percent-encoded."""
        secrets = [value for key, value in self.params if key in _SECRETS]
        for secret in filter(None, [self.password, *secrets]):
            for form in {secret, quote(secret, safe="")}:
                text = text.replace(form, "***")
        return text

    def __str__(self) -> str:
        """Return the URL with stars for its password."""
        return self.redacted

    def _write(self, *, secret: str | None) -> str:
        user = quote(self.user or "", safe="")
        if self.password is not None:
            user += ":" + (secret or quote(self.password, safe=""))
        sockets = any(host.startswith("/") for host, _ in self.hosts)
        params = [(key, secret if secret and key in _SECRETS else value) for key, value in self.params]
        authority = ""
        if sockets:
            params.insert(0, ("host", ",".join(host for host, _ in self.hosts)))
            params.insert(1, ("port", ",".join(str(port or 5432) for _, port in self.hosts)))
        else:
            authority = ",".join(_bracketed(host) + (f":{port}" if port else "") for host, port in self.hosts)
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        return f"postgresql://{user}{'@' if user else ''}{authority}/{quote(self.database or '', safe='')}{query}"


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
    scheme = _SCHEME.match(text)
    if scheme is None or (scheme[1].lower() not in ("postgres", "postgresql") and "://" not in text and "=" in text):
        if "=" in text and _KEYWORD.match(text):
            return _from_keywords(text)
        raise InvalidDatabaseURL(reason=_why_no_scheme(text))
    if scheme[1].lower() not in ("postgres", "postgresql"):
        raise InvalidDatabaseURL(reason=f"{scheme[1].lower()!r} is not PostgreSQL; only postgresql:// URLs work")
    rest = text[scheme.end() :]
    if not rest.startswith("//"):
        raise InvalidDatabaseURL(reason="after 'postgresql:' come two slashes")
    return _from_url(rest[2:])


def _why_no_scheme(text: str) -> str:
    if text.strip() == ":memory:":
        return "':memory:' is SQLite's; roost needs PostgreSQL"
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
    credentials, at, hostlist = authority.rpartition("@")
    if "@" in credentials:
        raise InvalidDatabaseURL(reason="there are two '@'; write an '@' in the password as %40")
    user, colon, password = credentials.partition(":")
    params = dict(_query(query))
    hosts = tuple(_host(one) for one in hostlist.split(",")) if hostlist else ()
    own = {
        "user": _decode(user) if at and user else None,
        "password": _decode(password) if colon else None,
        "database": _decode(path) or None,
    }
    return _build(hosts, own, params)


def _from_keywords(text: str) -> DatabaseURL:
    params: dict[str, str] = {}
    position = 0
    while position < len(text.rstrip()):
        match = _KEYWORD.match(text, position)
        if match is None:
            raise InvalidDatabaseURL(reason="in the key=value form each value that holds a space stands in quotes: 'a value'")
        value = match[2]
        if value.startswith("'"):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        params[match[1].lower()] = value
        position = match.end()
    return _build((), {"user": None, "password": None, "database": None}, params)


def _build(hosts: tuple[tuple[str, int | None], ...], own: dict[str, str | None], params: dict[str, str]) -> DatabaseURL:
    ports = [_port(port) for port in params["port"].split(",")] if params.get("port") else []
    names = (params.get("host") or params.get("hostaddr") or "").split(",")
    if not hosts and (names != [""] or ports):
        names = ["localhost"] if names == [""] else names
        if len(ports) not in (0, 1, len(names)):
            raise InvalidDatabaseURL(reason="it has more ports than hosts")
        hosts = tuple((name, ports[0] if len(ports) == 1 else ports[index] if ports else None) for index, name in enumerate(names))
    timeout = params.get("connect_timeout")
    if timeout is not None and not timeout.isdecimal():
        raise InvalidDatabaseURL(reason="connect_timeout is a number of seconds")
    return DatabaseURL(
        user=own["user"] or params.get("user"),
        password=own["password"] if own["password"] is not None else params.get("password"),
        hosts=hosts,
        database=own["database"] or params.get("dbname") or params.get("database"),
        params=tuple((key, value) for key, value in params.items() if key not in _AUTHORITY | {"connect_timeout"}),
        connect_timeout=float(timeout) if timeout and timeout != "0" else None,
    )


def _query(query: str) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidDatabaseURL(reason="what follows the '?' is not of the form key=value&key=value") from error
    return pairs


def _host(text: str) -> tuple[str, int | None]:
    match = _HOST.fullmatch(text)
    if match is None:
        raise InvalidDatabaseURL(reason="its host is malformed; an IPv6 address stands in brackets, a port is a number")
    return _decode(match[1].strip("[]")), _port(match[2])


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) <= _MAX_PORT:
        raise InvalidDatabaseURL(reason=f"its port is no number from 1 to {_MAX_PORT}")
    return int(text)


def _decode(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise InvalidDatabaseURL(reason="a '%' is not followed by two hexadecimal digits; write a '%' as %25")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidDatabaseURL(reason="its percent-encoded bytes are not UTF-8") from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("/") else quote(host, safe="/") if not host.startswith("/") else host
