"""Which of libpq's parameters mean something here. What the driver doesn't know it would send to the server as a setting. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from roost.errors import InvalidDatabaseURL

SYSTEM = "system"
"""As `sslrootcert`: the authorities that the system trusts."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")

_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}

_SUPERFLUOUS = frozenset(
    {
        "fallback_application_name",
        "gssdelegation",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    }
)
"""About what roost does by itself, or what costs nobody anything where it is not done."""

_DONE_ONLY = {
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "require_auth": (),
    "requirepeer": (),
    "requiressl": ("0",),
    "sslcertmode": ("allow",),
}
"""Values that ask for nothing which the driver can't do; any other would be a promise that nobody keeps."""


def known_parameters(params: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the parameters that the driver, or the server, is to see.

    Args:
        params: All that an address holds beside hosts, user, password and database.

    Returns:
        Those that count, in their order.

    Raises:
        InvalidDatabaseURL: One is malformed, or asks for what can't be had. No value is repeated: it may be part of a password.
    """
    if not all(_NAME.fullmatch(name) for name in params):
        raise InvalidDatabaseURL(reason="the name of a parameter is malformed; write a '&' or a '?' in the password as %26 or %3F")
    for name, choices in _CHOICES.items():
        if params.get(name, choices[0]) not in choices:
            raise InvalidDatabaseURL(reason=f"{name} is one of {', '.join(choices)}")
    for name, done in _DONE_ONLY.items():
        if name in params and params[name] not in done:
            other = f"; of its values only {', '.join(done)} can be had" if done else ""
            raise InvalidDatabaseURL(reason=f"the driver has no {name}{other}. sslmode=verify-full proves who answers")
    kept = {name: value for name, value in params.items() if name not in _SUPERFLUOUS and name not in _DONE_ONLY}
    if kept.get("ssl") == "true":  # as JDBC writes it, and libpq reads it
        kept = {"sslmode": "require", **{name: value for name, value in kept.items() if name != "ssl"}}
    elif "ssl" in kept:
        raise InvalidDatabaseURL(reason=f"there is no parameter ssl but sslmode, which is one of {', '.join(_CHOICES['sslmode'])}")
    if kept.get("sslrootcert") == SYSTEM and kept.setdefault("sslmode", "verify-full") != "verify-full":
        raise InvalidDatabaseURL(reason="sslrootcert=system goes with sslmode=verify-full only, as anybody can have a certificate")
    return tuple(kept.items())
