"""A database's address as a value. It shows no password, and can be written so that every PostgreSQL client reads it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import quote, urlencode

from roost.runtime import Secret

PasswordCallable: TypeAlias = Callable[[], str | Secret | Awaitable[str | Secret]]
"""Returns a password, or what can be awaited for one."""

PasswordSource: TypeAlias = str | Secret | PasswordCallable
"""A password, or what gives one."""

_SECRETS = frozenset({"password", "sslpassword"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseURL:
    """Where a database is and how to get in.

    Attributes:
        user: The role; None leaves it to PGUSER or the system user, as libpq does.
        password: The password; never shown. None leaves it to `password_callable`, then PGPASSWORD and the password file.
        password_callable: Gives the password for each new connection; no part of the URL's text.
        hosts: Names, addresses or socket directories with ports, in the order in which they are tried; empty for the default.
        database: The database; None is the role's name.
        params: Further parameters, such as ``sslmode``.
        connect_timeout: Seconds that one attempt to connect may take; None takes roost's default.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    password_callable: PasswordCallable | None = field(default=None, repr=False)
    hosts: tuple[tuple[str, int | None], ...] = ()
    database: str | None = None
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    connect_timeout: float | None = None

    @property
    def location(self) -> str:
        """The address without credentials, such as ``"db.example:5432/app"``."""
        service = dict(self.params).get("service")
        default = "localhost" if service is None else f"service {service}"
        hosts = ",".join(f"{_bracketed(host)}:{port or 5432}" for host, port in self.hosts) or default
        return f"{hosts}/{self.database or ''}".removesuffix("/")

    @property
    def redacted(self) -> str:
        """The URL with stars for its password."""
        return self._write(secret="***")  # noqa: S106 -- these stars are no secret

    @property
    def dsn(self) -> str:
        """The whole URL in a form that every PostgreSQL client takes. It holds the password, but not what a callable would give."""
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
        if self.connect_timeout is not None:
            params.append(("connect_timeout", f"{self.connect_timeout:.0f}"))
        authority = ""
        if sockets:
            params.insert(0, ("host", ",".join(host for host, _ in self.hosts)))
            if any(port for _, port in self.hosts):
                params.insert(1, ("port", ",".join(str(port or "") for _, port in self.hosts)))
        else:
            authority = ",".join(_bracketed(host) + (f":{port}" if port else "") for host, port in self.hosts)
        # An empty path would name a database without a name, in place of the default.
        path = "" if self.database is None else f"/{quote(self.database, safe='')}"
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        return f"postgresql://{user}{'@' if user else ''}{authority}{path}{query}"


def _bracketed(host: str) -> str:
    if host.startswith("/"):
        return host
    # Behind the '%' of an IPv6 address is its zone, such as eth0.
    return f"[{host.replace('%', '%25')}]" if ":" in host else quote(host, safe="")
