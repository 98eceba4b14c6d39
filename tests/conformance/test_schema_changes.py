"""Single changes of a declared schema, each judged by ``pg_dump`` against what the new declaration makes by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from roost import errors
from tests.plugins.build import query, residue
from tests.plugins.declared import apply, ask, causes, check, dump, fill, refusal
from tests.plugins.fix_postgres import MakeDatabase

FOLDER = Path(__file__).parent / "schema_changes"
SECTION = re.compile(r"^-- (before|data|keeps|after)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a schema.

    Attributes:
        name: What the file is called.
        expect: ``"equal"``, or ``"refused"`` and the error's class.
        allow: What may be lost.
        before: What is declared first.
        data: Statements that write rows.
        keeps: A query of those rows; it gives the same before and after.
        after: What is declared then.
        since: The first version of PostgreSQL that knows what is declared then; older ones refuse it.
    """

    name: str
    expect: str
    allow: tuple[str, ...]
    before: str
    after: str
    data: str = ""
    keeps: str = "SELECT 'no rows'"
    since: int = 0


def read_changes() -> Iterator[Change]:
    for path in sorted(FOLDER.glob("*.sql")):
        head, *parts = SECTION.split(path.read_text(encoding="utf-8"))
        (expect,) = re.findall(r"^-- expect: (.+)$", head, re.MULTILINE)
        allow = tuple(re.findall(r"^-- allow: (.+)$", head, re.MULTILINE))
        since = int((re.findall(r"^-- since: (.+)$", head, re.MULTILINE) or ["0"])[0])
        sections = dict(zip(parts[::2], parts[1::2], strict=True))
        yield Change(name=path.stem, expect=expect, allow=allow, since=since, **sections)


CHANGES = list(read_changes())
EQUAL = [change for change in CHANGES if change.expect == "equal"]
REFUSED = [change for change in CHANGES if change.expect != "equal"]


async def begin(url: str, change: Change) -> list[object]:
    """Bring about what is declared first, write the rows, and return what is to be kept of them."""
    await apply(url, change.before)
    await fill(url, change.data)
    kept = await ask(url, change.keeps)
    assert kept
    return kept


async def refused(url: str, change: Change, expected: str) -> None:
    """See a change refused by an error of this class, and the schema and its rows as they were."""
    kept = await begin(url, change)
    before = await dump(url)
    error = await refusal(url, change.after, allow=change.allow)
    assert expected in [type(cause).__name__ for cause in causes(error)]
    assert await dump(url) == before
    assert await ask(url, change.keeps) == kept
    assert await residue(url) == []


def test_none_is_silently_different() -> None:
    """All but one end as the declaration by itself would, and that is refused by an error of roost's."""
    assert (len(CHANGES), len(EQUAL)) == (71, 70)
    for change in REFUSED:
        kind = getattr(errors, change.expect.removeprefix("refused "))
        assert issubclass(kind, errors.SchemaError)


@pytest.mark.asyncio
@pytest.mark.parametrize("change", EQUAL, ids=lambda change: change.name)
async def test_ends_as_the_declaration_by_itself(change: Change, new_database: MakeDatabase) -> None:
    """The catalogue is as if the new declaration had been the first, the rows are kept, and nothing is left to do.

    A server that is too old for what is declared has it refused as a whole.
    """
    changed, alone = await new_database(), await new_database()
    (major,) = await query(changed, "SELECT current_setting('server_version_num')::int / 10000")
    if major < change.since:
        await refused(changed, change, "InvalidSchema")
        return
    kept = await begin(changed, change)
    await apply(changed, change.after, allow=change.allow)
    await apply(alone, change.after)
    assert await dump(changed) == await dump(alone)
    assert await ask(changed, change.keeps) == kept
    again = await apply(changed, change.after)
    assert (again.steps, again.run_id) == ((), None)
    assert (await check(changed, f"{change.after}\n-- read anew")).statements == ()
    assert await residue(changed) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.name)
async def test_is_refused_as_a_whole(change: Change, new_database: MakeDatabase) -> None:
    """What can't be brought about is refused by an error that says so, and the schema and its rows are as they were."""
    await refused(await new_database(), change, change.expect.removeprefix("refused "))
