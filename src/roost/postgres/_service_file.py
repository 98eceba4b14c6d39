"""Reads the user's service file (https://www.postgresql.org/docs/current/libpq-pgservice.html)."""

from __future__ import annotations

import os
from configparser import Error as ConfigError
from configparser import RawConfigParser
from dataclasses import replace
from pathlib import Path

from roost.errors import InvalidDatabaseURL
from roost.postgres._url import DatabaseURL
from roost.postgres._url_reading import from_parameters
from roost.postgres._user_directory import user_file


def with_service(url: DatabaseURL) -> DatabaseURL:
    """Fill in what a service says.

    The driver would overlook a service that is missing, and connect to some default. What the URL says itself goes before the service.

    Args:
        url: A URL, perhaps with a parameter ``service``.

    Returns:
        The URL without that parameter.

    Raises:
        InvalidDatabaseURL: No file has the service, or a file is malformed.
    """
    params = dict(url.params)
    name = params.pop("service", None)
    if name is None:
        return url
    found = _read_service(name)
    given = url.password is not None or url.password_callable is not None
    return replace(
        url,
        user=url.user or found.user,
        password=url.password if given else found.password,
        hosts=url.hosts or found.hosts,
        database=url.database or found.database,
        params=tuple({**dict(found.params), **params}.items()),
        connect_timeout=url.connect_timeout or found.connect_timeout,
    )


def _read_service(name: str) -> DatabaseURL:
    own = os.environ.get("PGSERVICEFILE")
    files = [Path(own) if own else user_file("pg_service.conf")]
    if "PGSYSCONFDIR" in os.environ:
        files.append(Path(os.environ["PGSYSCONFDIR"]) / "pg_service.conf")
    for path in files:
        sections = _sections(path)
        if sections is None:
            raise InvalidDatabaseURL(reason=f"the service file {path} is malformed")
        if name in sections:
            if "service" in sections[name]:
                raise InvalidDatabaseURL(reason=f"in {path} the service {name} names a service")
            return from_parameters(sections[name])
    raise InvalidDatabaseURL(reason=f"there is no service {name!r} in {' or '.join(str(path) for path in files)}")


def _sections(path: Path) -> dict[str, dict[str, str]] | None:
    # The parser's errors go no further: they repeat lines of a file that may hold passwords.
    parser = RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",), default_section="", interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (ConfigError, UnicodeDecodeError):
        return None
    return {section: dict(parser[section]) for section in parser.sections()}
