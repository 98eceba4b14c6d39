"""Fails when a package that the pins bring has a licence that users of an MIT library would not expect."""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, distributions

FINE = re.compile(
    r"\b(MIT(-0|-CMU)?|BSD|0BSD|[023]-Clause|Apache|ISC|PSF|Python Software Foundation|Python-2\.0|MPL|Mozilla|PostgreSQL|Unlicense|Zlib)"
    r"\b",
    re.IGNORECASE,
)
WEAK_COPYLEFT = re.compile(r"\bL(esser )?G(NU |eneral |P)", re.IGNORECASE)
LINKED_ONLY = frozenset({"psycopg", "psycopg-binary", "psycopg-pool"})
"""LGPL, used as they are: by the example, and by pgmig, which roost has connect with another driver."""


def licence_of(package: Distribution) -> str:
    """Return what a package says about its licence, in one line."""
    said = [*(package.metadata.get_all("License-Expression") or []), *(package.metadata.get_all("Classifier") or [])]
    texts = [
        text.removeprefix("License :: ").removeprefix("OSI Approved :: ")
        for text in said
        if text and ("::" not in text or "License" in text)
    ]
    return "; ".join(texts) or "".join(package.metadata.get_all("License") or []).partition("\n")[0]


def main() -> int:
    """Look at every installed package, and name those that are not fine."""
    bad, count = [], 0
    for package in distributions():
        name, licence = package.metadata["Name"], licence_of(package)
        count += 1
        weak = name.lower() in LINKED_ONLY and WEAK_COPYLEFT.search(licence)
        if not FINE.search(licence) and not weak:
            bad.append(f"{name}: {licence or 'says nothing'}")
    print(*sorted(bad), f"{count} packages, {len(bad)} with another licence", sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
