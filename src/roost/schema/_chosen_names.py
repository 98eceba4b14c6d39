"""The names that the server chooses for what goes with a column. Pure."""

from __future__ import annotations

_LONGEST = 63


def chosen_name(table: str, column: str, label: str) -> str:
    """Return the name that the server chooses for what goes with a column, as its ``makeObjectName`` does.

    Args:
        table: The table.
        column: The column.
        label: What stands behind both, such as ``"seq"``.
    """
    first, second = table.encode(), column.encode()
    room = _LONGEST - len(label) - 2
    while len(first) + len(second) > room:
        if len(first) > len(second):
            first = first[:-1]
        else:
            second = second[:-1]
    return f"{first.decode(errors='ignore')}_{second.decode(errors='ignore')}_{label}"
