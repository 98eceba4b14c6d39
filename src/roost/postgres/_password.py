"""Passwords that are given as text, or by a callable that is asked for each new connection, as tokens of clouds need it."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace

from roost.errors import InvalidDatabaseURL, PasswordUnavailable
from roost.postgres._url import DatabaseURL, PasswordSource
from roost.runtime import Secret


def with_password(url: DatabaseURL, source: PasswordSource | None) -> DatabaseURL:
    """Return a URL with another password.

    Args:
        url: The URL.
        source: The password, or a callable that gives it; None leaves the URL as it is.

    Returns:
        The URL with it, in place of its own.

    Raises:
        InvalidDatabaseURL: It is neither text nor callable.
    """
    if source is None:
        return url
    if isinstance(source, (str, Secret)):
        text = _text(source)
        if text is None:
            raise InvalidDatabaseURL(reason="its password holds what PostgreSQL takes for no text: a NUL byte, or half of a surrogate pair")
        return replace(url, password=text, password_callable=None)
    if callable(source):
        return replace(url, password=None, password_callable=source)
    raise InvalidDatabaseURL(reason=f"a password is text, or a callable that returns text, and not {type(source).__name__}")


async def asked_password(url: DatabaseURL, *, seconds: float) -> DatabaseURL:
    """Ask a URL's callable for a password.

    Args:
        url: The URL.
        seconds: How long the callable may take, where it can be awaited.

    Returns:
        The URL with the password; without a callable, as it is.

    Raises:
        PasswordUnavailable: The callable raised an error, took too long, or returned something else than text.
    """
    if url.password_callable is None:
        return url
    try:
        async with asyncio.timeout(seconds) as limit:
            given: object = url.password_callable()
            if inspect.isawaitable(given):
                given = await given
    except Exception as error:
        # The error's own words stay with it: they may be about the secret.
        reason = f"it gave none within {seconds:g} s" if limit.expired() else f"it raised {type(error).__name__}"
        raise PasswordUnavailable(location=url.location, reason=reason) from error
    if not isinstance(given, (str, Secret)):
        raise PasswordUnavailable(location=url.location, reason=f"it returned {type(given).__name__} in place of text")
    text = _text(given)
    if not text:
        raise PasswordUnavailable(location=url.location, reason="it returned no text" if text == "" else "it returned what can be no text")
    return replace(url, password=text, password_callable=None)


def _text(password: str | Secret) -> str | None:
    # The driver would raise an error that holds the password.
    text = password.reveal() if isinstance(password, Secret) else password
    return None if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text) else text
