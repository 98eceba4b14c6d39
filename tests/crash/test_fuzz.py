"""A sample of hostile names and broken files; `make torture` tries 100,000 of each."""

from __future__ import annotations

import asyncio

import pytest

from tests.crash.cases import Case, Server
from tests.crash.fuzz_files import files
from tests.crash.fuzz_names import names


@pytest.mark.parametrize("case", [names(500)[0], *files(400)], ids=lambda case: case.name)
def test_what_is_hostile_is_refused_or_works(postgres_url: str, case: Case) -> None:
    """Only typed errors, no residue; what is accepted works under its own name, and a broken step keeps those before it."""
    result = asyncio.run(Server(postgres_url).attempt(case))
    assert result.endswith("ok"), result
