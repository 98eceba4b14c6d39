"""Section J: connection strings."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import asyncpg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roost import Database
from roost.errors import DatabaseRefused, InvalidDatabaseURL, RoostError
from roost.postgres import DatabaseURL, parse_url
from tests.plugins.build import make_plugin, migrate

CANARY = "c4nAry"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)


ACCEPTED: list[tuple[str, DatabaseURL]] = [
    ("postgres://host/db", DatabaseURL(hosts=(("host", None),), database="db")),
    ("postgresql://host/db", DatabaseURL(hosts=(("host", None),), database="db")),
    ("POSTGRES://host/db", DatabaseURL(hosts=(("host", None),), database="db")),
    ("PostgreSQL://host/db", DatabaseURL(hosts=(("host", None),), database="db")),
    ("postgresql://user@host", DatabaseURL(user="user", hosts=(("host", None),))),
    ("postgresql://h/d?sslmode=verify-full", DatabaseURL(hosts=(("h", None),), database="d", params=(("sslmode", "verify-full"),))),
    ("postgresql://[2001:db8::1]:6432/db", DatabaseURL(hosts=(("2001:db8::1", 6432),), database="db")),
    ("postgresql://u:a%40b@host/db", DatabaseURL(user="u", password="a@b", hosts=(("host", None),), database="db")),
    ("host=host dbname=db", DatabaseURL(hosts=(("host", None),), database="db")),
    ("host='host' dbname = db", DatabaseURL(hosts=(("host", None),), database="db")),
]
REFUSED = [
    ("", "it is empty"),
    (" \t\n ", "it is empty"),
    ("sqlite:///x.db", "'sqlite' is not PostgreSQL"),
    ("sqlite::memory:", "'sqlite' is not PostgreSQL"),
    ("mysql://host/db", "'mysql' is not PostgreSQL"),
    ("mongodb://host/db", "'mongodb' is not PostgreSQL"),
    (":memory:", "':memory:' is SQLite's"),
    ("/var/lib/app/data.db", "a file's path"),
    ("./data.db", "a file's path"),
    ("../data", "a file's path"),
    ("~/data", "a file's path"),
    ("data.sqlite", "a file's path"),
    ("file:///data.db", "'file' is not PostgreSQL"),
]


def test_BD_01_addresses() -> None:
    """BD-01: each form that PostgreSQL's own clients take is read into its parts; anything else is refused by what it is."""
    for text, expected in ACCEPTED:
        assert parse_url(text) == expected
    for text, reason in REFUSED:
        with pytest.raises(InvalidDatabaseURL) as caught:
            parse_url(text)
        assert reason in caught.value.reason


@pytest.mark.parametrize(("text", "expected"), ACCEPTED)
def test_what_is_accepted_is_taken_by_a_database(text: str, expected: DatabaseURL) -> None:
    """Each form that PostgreSQL's own clients take is one for a `Database`."""
    assert parse_url(text) == expected
    assert Database(text).url == expected


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_refused_is_refused_with_the_reason(text: str, reason: str) -> None:
    """Anything else is refused by what it is, when the database is named and before anybody connects."""
    with pytest.raises(InvalidDatabaseURL) as caught:
        Database(text)
    assert reason in caught.value.reason
    assert caught.value.hint == "write it as postgresql://user:password@host:5432/database"


@pytest.mark.asyncio
async def test_BD_02_a_name_is_no_scheme(postgres_url: str) -> None:
    """BD-02: a database of such a name is a PostgreSQL database like any other, also when it is there."""
    for name in ("sqlite_migration", "memory_cache"):
        assert parse_url(f"postgresql://host/{name}").database == name
        connection = await asyncpg.connect(postgres_url)
        try:
            await connection.execute(f"CREATE DATABASE {name}")
            await migrate(replace(parse_url(postgres_url), database=name).dsn, make_plugin("p"))
        finally:
            await connection.execute(f"DROP DATABASE IF EXISTS {name}")
            await connection.close()


@given(TEXTS, TEXTS, TEXTS)
@example("u:@/", "p@:/?#[]%41+ &=", "d?&#/")
def test_parts_are_quoted_and_read_again(user: str, password: str, database: str) -> None:
    """Whatever stands in them, quoted user, password and database are read as they were, in each place that they may have."""
    expected = DatabaseURL(user=user, password=password, hosts=(("h", None),), database=database)
    quoted = {"user": quote(user, safe=""), "password": quote(password, safe=""), "dbname": quote(database, safe="")}
    assert parse_url("postgresql://{user}:{password}@h/{dbname}".format(**quoted)) == expected
    assert parse_url("postgresql://h?user={user}&password={password}&dbname={dbname}".format(**quoted)) == expected
    assert parse_url(expected.dsn) == expected
    escaped = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in (("u", user), ("p", password), ("d", database))}
    assert parse_url("host=h user='{u}' password='{p}' dbname='{d}'".format(**escaped)) == expected


FORMS = (
    f"postgresql://user:{CANARY}@db.example:5432/app?sslmode=require&application_name=x",
    f"postgres://user:{CANARY}@[::1]:5432,10.0.0.1/app",
    f"postgresql://user@/app?host=/run/pg&password={CANARY}&sslpassword={CANARY}",
    f"host=db.example port=5432 user=user password={CANARY} dbname=app connect_timeout=3",
    f"host=db.example user=user password='{CANARY}' sslmode=verify-full sslrootcert=/ca.pem",
)
SPICE = st.sampled_from(
    [*"@:/?#[]%&=+,;'\"\\ \t\n\0", "%00", "%ff", "%4", "://", "::", "\ud800", "é", "٣", "9" * 5000, "sslmode=", "port=", "host="]
)


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """Return a connection string with the canary for its password, and one to five faults somewhere else."""
    before, *after = draw(st.sampled_from(FORMS)).split(CANARY)
    parts = [before, *after]
    for _ in range(draw(st.integers(1, 5))):
        which = draw(st.integers(0, len(parts) - 1))
        part = parts[which]
        start = draw(st.integers(0, len(part)))
        end = draw(st.integers(start, min(len(part), start + draw(st.integers(0, 12)))))
        parts[which] = part[:start] + draw(st.one_of(st.just(""), SPICE, st.text(max_size=3))) + part[end:]
    return CANARY.join(parts)


def told_of(error: BaseException) -> str:
    """Return all that could be shown of an error: by itself, in a traceback, by a debugger, and of what lies behind it."""
    told = [*traceback.format_exception(error), pickle.dumps(error).decode("latin-1")]
    behind: BaseException | None = error
    while behind is not None:
        told += [str(behind), repr(behind), repr(behind.args), repr(vars(behind))]
        behind = behind.__cause__ or behind.__context__
    return "\n".join(told)


def shown_of(text: str) -> str:
    """Read a text as a database's URL, and return all that could be shown of the error, or of what the URL keeps to itself."""
    try:
        url = parse_url(text)
    except RoostError as error:
        return told_of(error)
    assert parse_url(url.dsn) == url
    # A fault may have made the password a part of something else, such as the user, which is no secret.
    kept = DatabaseURL(password=url.password, params=tuple((key, value) for key, value in url.params if key == "sslpassword"))
    return f"{kept} {kept!r} {kept.redacted} {kept.location} {kept.redact(f'{url.password}')}"


@settings(max_examples=2000)
@given(mangled())
@example(f"postgresql://user:{CANARY}%ff@h/d")
@example(f"postgresql://user@h/d?password{CANARY}")
@example(f"postgresql://user:{CANARY}@h/d?{CANARY}=x")
@example(f"{CANARY}://user@h")
@example(f"{CANARY}:x")
@example(f"postgresql://user@h/d?sslmode={CANARY}")
def test_no_refusal_shows_a_password(text: str) -> None:
    """A text with any faults is read or refused by an error of roost's; no text, repr, pickle or traceback shows its password."""
    assert CANARY not in shown_of(text)


@pytest.mark.parametrize(
    "form",
    [
        lambda url, password: replace(url, password=password).dsn,
        lambda url, password: replace(url, params=(*url.params, ("password", password))).dsn,
    ],
    ids=["userinfo", "parameter"],
)
@pytest.mark.asyncio
async def test_no_refusal_of_a_server_shows_a_password(postgres_url: str, form: Callable[[DatabaseURL, str], str]) -> None:
    """What a server refuses is told without the password too."""
    url = replace(parse_url(postgres_url), user="nobody_of_that_name")
    with pytest.raises(DatabaseRefused) as caught:
        await Database(form(url, CANARY)).start()
    assert CANARY not in "\n".join([str(caught.value), repr(caught.value), repr(caught.value.__cause__), str(caught.value.__cause__)])
