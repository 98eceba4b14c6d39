from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import InvalidDatabaseURL
from roost.postgres import DatabaseURL, parse_url

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://h/d", DatabaseURL(hosts=(("h", None),), database="d")),
        ("PostgreSQL://h:1/d", DatabaseURL(hosts=(("h", 1),), database="d")),
        ("postgresql://u@h", DatabaseURL(user="u", hosts=(("h", None),))),
        ("postgresql://u:p%40ss@h/d", DatabaseURL(user="u", password="p@ss", hosts=(("h", None),), database="d")),
        ("postgresql://h/d?sslmode=require", DatabaseURL(hosts=(("h", None),), database="d", params=(("sslmode", "require"),))),
        ("postgresql://[::1]:6000/d", DatabaseURL(hosts=(("::1", 6000),), database="d")),
        ("postgresql://a:1,b:2/d", DatabaseURL(hosts=(("a", 1), ("b", 2)), database="d")),
        ("postgresql://u@/d?host=/run/pg", DatabaseURL(user="u", hosts=(("/run/pg", None),), database="d")),
        ("postgresql://h/d?connect_timeout=7", DatabaseURL(hosts=(("h", None),), database="d", connect_timeout=7.0)),
        ("postgresql://h/d?connect_timeout=0", DatabaseURL(hosts=(("h", None),), database="d")),
        ("host=h dbname=d", DatabaseURL(hosts=(("h", None),), database="d")),
        ("host=h port=5 user=u password='a b\\'c' dbname=d", DatabaseURL(user="u", password="a b'c", hosts=(("h", 5),), database="d")),
        ("postgresql://", DatabaseURL()),
        ("postgresql://:5433/d", DatabaseURL(hosts=(("localhost", 5433),), database="d")),
        ("postgresql://a,,b/d", DatabaseURL(hosts=(("a", None), ("localhost", None), ("b", None)), database="d")),
        ("postgresql://h/d?port=7", DatabaseURL(hosts=(("h", 7),), database="d")),
        ("postgresql://a,b:1/d?port=7,8", DatabaseURL(hosts=(("a", 7), ("b", 1)), database="d")),
        ("postgresql://%2Frun%2Fpg/d", DatabaseURL(hosts=(("/run/pg", None),), database="d")),
        ("postgresql://[fe80::1%25eth0]/d", DatabaseURL(hosts=(("fe80::1%eth0", None),), database="d")),
        ("postgresql://h/d?password=a+b", DatabaseURL(password="a+b", hosts=(("h", None),), database="d")),
        ("postgresql://h/d?ssl=true", DatabaseURL(hosts=(("h", None),), database="d", params=(("sslmode", "require"),))),
        ("postgresql://h/d?keepalives_idle=5&channel_binding=prefer", DatabaseURL(hosts=(("h", None),), database="d")),
        ("host=::1 user=u", DatabaseURL(user="u", hosts=(("::1", None),))),
        ("hostaddr=10.0.0.1", DatabaseURL(hosts=(("10.0.0.1", None),))),
        (r"host=h password=a\ b'c\\d user=u", DatabaseURL(user="u", password="a b'c\\d", hosts=(("h", None),))),
        ("host = h  password = '' ", DatabaseURL(password="", hosts=(("h", None),))),
    ],
)
def test_accepted(text: str, expected: DatabaseURL) -> None:
    """Every spelling that libpq knows is read into its parts."""
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("   ", "it is empty"),
        ("sqlite:///x.db", "'sqlite' is not PostgreSQL"),
        ("mysql://h/d", "'mysql' is not PostgreSQL"),
        ("mongodb://h/d", "'mongodb' is not PostgreSQL"),
        (":memory:", "SQLite's"),
        ("/var/lib/data.db", "a file's path"),
        ("./data", "a file's path"),
        ("data.sqlite3", "a file's path"),
        ("just words", "it has no scheme"),
        ("postgresql:h/d", "two slashes"),
        ("postgresql://h h/d", "white space"),
        ("postgresql://u:p#s@h/d", "'#'"),
        ("postgresql://u:p@s@h/d", "two '@'"),
        ("postgresql://u:p/s@h/d", "%2F"),
        ("postgresql://u:p?s@h/d", "%3F"),
        ("postgresql://u:100%@h/d", "%25"),
        ("postgresql://u:%ff@h/d", "not UTF-8"),
        ("postgresql://h:0/d", "port"),
        ("postgresql://h:65536/d", "port"),
        ("postgresql://h:x/d", "malformed"),
        ("postgresql://::1/d", "malformed"),
        ("postgresql://h/d?sslmode", "key=value"),
        ("postgresql://h/d?connect_timeout=soon", "connect_timeout"),
        ("host=h password=a b c", "quotes"),
        ("host=a,b port=1,2,3", "another number of ports"),
        ("postgresql://h/\0", "NUL"),
        ("postgresql://u:%00@h/d", "NUL"),
        ("postgresql://h/d?application_name=%00", "NUL"),
        ("postgresql://u:\ud800@h/d", "surrogate"),
        ("postgresql://[::zz]/d", "malformed"),
        ("postgresql://[h]/d", "malformed"),
        ("postgresql://a%3A1/d", "malformed"),
        ("host=h:5432", "port=…"),
        ("postgresql://h:\u0663/d", "malformed"),
        ("host=h port=\u0663", "port"),
        ("host=h port=" + "9" * 5000, "port"),
        ("host=h connect_timeout=" + "9" * 5000, "connect_timeout"),
        ("postgresql://h/d?=x", "name of a parameter"),
        ("postgresql://h/d?a%20b=x", "name of a parameter"),
        ("postgresql://h/d?sslmode=verify_full", "sslmode is one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("postgresql://h/d?ssl=require", "no parameter ssl but sslmode"),
        ("postgresql://h/d?target_session_attrs=master", "target_session_attrs is one of any, "),
        ("postgresql://h/d?channel_binding=require", "no channel_binding; of its values only disable, prefer"),
        ("postgresql://h/d?require_auth=scram-sha-256", "no require_auth. sslmode"),
        ("postgresql://h/d?sslrootcert=system&sslmode=require", "verify-full only"),
        ("postgresql+asyncpg://h/d", "SQLAlchemy"),
        ("cockroach://h/d", "its scheme"),
    ],
)
def test_refused_with_the_reason(text: str, reason: str) -> None:
    """What is no PostgreSQL URL is refused by what is wrong with it."""
    with pytest.raises(InvalidDatabaseURL) as caught:
        parse_url(text)
    assert reason in caught.value.reason


def test_what_is_no_text() -> None:
    """None, as from an unset variable, is refused by its type."""
    with pytest.raises(InvalidDatabaseURL, match="NoneType"):
        parse_url(None)  # type: ignore[arg-type]  # what os.environ.get gives


@pytest.mark.parametrize("text", ["postgresql://u:sekret@h/d?sslpassword=sekret", "host=h password=sekret", "postgresql://u:sek%20ret@h/d"])
def test_a_password_is_never_shown(text: str) -> None:
    """Neither str nor repr nor the location of a URL holds a password, and a text is cleaned of it in each form."""
    url = parse_url(text)
    shown = f"{url} {url!r} {url.location} {url.redacted}"
    assert "sek" not in shown
    assert "sek" not in url.redact(f"failed for {text} with {url.password}")


@given(WORDS, WORDS, WORDS, st.sampled_from(["h", "10.0.0.1", "::1", "/run/pg"]), st.integers(1, 65535))
def test_written_and_read_again(user: str, password: str, database: str, host: str, port: int) -> None:
    """Whatever the parts hold, the DSN that is written of them is read into the same parts."""
    url = DatabaseURL(user=user, password=password, hosts=((host, port),), database=database, connect_timeout=7.0)
    assert parse_url(url.dsn) == url
    assert parse_url(url.redacted) == replace(url, password="***")


@pytest.mark.parametrize(
    "url", [DatabaseURL(), DatabaseURL(password="p"), DatabaseURL(hosts=(("/run/pg", 5432),)), DatabaseURL(hosts=(("fe80::1%eth0", 1),))]
)
def test_what_is_left_open_stays_open(url: DatabaseURL) -> None:
    """A DSN says nothing of what was not given, so that defaults and services can fill it in."""
    assert parse_url(url.dsn) == url
