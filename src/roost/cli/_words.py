"""How numbers of things are said. Pure."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Say how many there are of something."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
