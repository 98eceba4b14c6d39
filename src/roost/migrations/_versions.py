"""Versions of plugins and steps: `packaging` versions, with what is ambiguous between them refused."""

from __future__ import annotations

from functools import lru_cache

from packaging.version import Version

from roost.errors import InvalidPluginVersion

UNVERSIONED = "0.0.0"
"""What a plugin's `get_migration_steps` receives as `from_version` when nothing of the plugin was applied."""


@lru_cache(maxsize=1024)
def parse_version(text: str) -> Version:
    """Parse a plugin's version.

    Args:
        text: A version such as ``"1.4.0"`` or ``"2.0.0rc1"``.

    Returns:
        The version, comparable with every other.

    Raises:
        InvalidPluginVersion: The text is no version, or one whose order surprises people: to `packaging` ``"1.0.0-1"`` is a
            post-release and ``"1.0.0+b1"`` comes after ``"1.0.0"``.
    """
    if not isinstance(text, str):
        raise InvalidPluginVersion(version=str(text), reason=f"it is of type {type(text).__name__} and no text; put it in quotes")
    try:
        version = Version(text)
    except ValueError as error:  # InvalidVersion, and what Python says of thousands of digits
        raise InvalidPluginVersion(version=text, reason="it is no version by PEP 440") from error
    if "+" in text:
        raise InvalidPluginVersion(version=text, reason="local versions (+…) have no order that people agree on")
    if version.post is not None:
        raise InvalidPluginVersion(version=text, reason="post-releases (and '-1', which means the same) are not for plugins")
    return version


def compare_versions(a: str | None, b: str | None) -> int:
    """Compare two versions; None, for "nothing applied", sorts below all.

    Args:
        a: A version or None.
        b: A version or None.

    Returns:
        -1, 0 or 1 where `a` is below, equal to or above `b`.

    Raises:
        InvalidPluginVersion: One of them is no version.
    """
    if a is None or b is None:
        return (a is not None) - (b is not None)
    left, right = parse_version(a), parse_version(b)
    return (left > right) - (left < right)
