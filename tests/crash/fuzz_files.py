"""Broken SQL files: reading them raises typed errors only, and so does running them, which keeps what was before and runs nothing after."""

from __future__ import annotations

import asyncio
import random
import tempfile
from functools import partial
from pathlib import Path

from roost import MigrationConfig, MigrationStep
from roost.errors import RoostError
from roost.migrations import load_sql_steps
from tests.crash.cases import Case, Place
from tests.plugins.build import applied, make_plugin, migrate, residue

IN_A_CASE = 200
IN_A_DATABASE = 8
"""How many of them are run on the server; all are read."""

RUN_SECONDS = 20.0
CONFIG = MigrationConfig(max_retries=1, retry_delay=0.01, statement_timeout=2.0, lock_wait_budget=0.5)
BEFORE = MigrationStep("before", "Before", up="CREATE TABLE before (id int)", version="0.1.0")
AFTER = MigrationStep("after", "After", up="CREATE TABLE after (id int)", version="9.0.0")

SOUND = (
    b"CREATE TABLE t (id int PRIMARY KEY, body text DEFAULT 'a;b', n numeric(10,2));\nCREATE INDEX i ON t (body);\n",
    b"-- migrate:up\nCREATE TYPE mood AS ENUM ('sad', 'happy');\n-- migrate:down\nDROP TYPE mood;\n",
    b"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $body$\nBEGIN\n  NEW.id := 1; -- it's fine\n  RETURN NEW;\nEND $body$;\n",
    b"DO $$BEGIN PERFORM 1; END$$;\nINSERT INTO t VALUES (1, E'it\\'s', 2.5) ON CONFLICT DO NOTHING;\n",
    b'/* a comment /* within */ another */ ALTER TABLE t ADD COLUMN "weird ""name" jsonb NOT NULL DEFAULT \'{}\';\n',
    b"CREATE VIEW v AS SELECT $q$a $$ b$q$ AS text, U&'\\0041' AS more, 1::int;\n",
)
PIECES = (
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\xc3\x28", b"\xf0\x9f\x90\xa6", b"\x1a"),
    *(b"'", b'"', b"$$", b"$q$", b"--", b"/*", b"*/", b";", b";;", b"\\", b"(", b")"),
    *(b"\n\\i other.sql\n", b"\n\\copy t from 'x.csv'\n", b"\n\\connect other\n", b"COPY t FROM STDIN;\n1\t2\n\\.\n"),
    *(b"COMMIT;", b"ROLLBACK;", b"BEGIN;", b"SAVEPOINT a;", b"COMMIT AND CHAIN;", b"PREPARE TRANSACTION 'x';"),
    *(b"\n-- migrate:up\n", b"\n-- migrate:down\n", b"-- migrate:up transaction:maybe\n"),
    *(b"SET ROLE nobody;", b"RESET ALL;", b"SET search_path = nowhere;", b"SET SESSION AUTHORIZATION x;", b"DISCARD ALL;"),
    *(b"LISTEN a;", b"SELECT pg_advisory_unlock_all();", b"LOCK TABLE t;", b"VACUUM;", b"SET CONSTRAINTS ALL DEFERRED;"),
)


def files(count: int) -> list[Case]:
    """Return cases that try so many files together."""
    return [
        Case(kind="files", name=f"files {start} to {start + IN_A_CASE - 1}", attempt=partial(_files, range(start, start + IN_A_CASE)))
        for start in range(1, count + 1, IN_A_CASE)
    ]


def content_of(number: int) -> bytes:
    """Return the content of the file of a number; pure."""
    chance = random.Random(number)
    data = bytearray(b"".join(chance.choices(SOUND, k=chance.randint(0, 3))))
    for _ in range(chance.randint(0, 5)):
        at = chance.randint(0, len(data))
        match chance.randrange(3):
            case 0:
                data[at:at] = chance.choice(PIECES)
            case 1:
                del data[at : at + chance.randint(1, 30)]
            case _:
                data[at : at + 1] = bytes([chance.randrange(256)])
    return bytes(data)


async def _files(numbers: range, place: Place) -> str:
    broken: list[str] = []
    read: list[tuple[int, MigrationStep]] = []
    with tempfile.TemporaryDirectory() as directory:
        for number in numbers:
            path = Path(directory) / "fuzz.sql"
            path.write_bytes(content_of(number))
            try:
                read += [(number, step) for step in load_sql_steps(directory, version="1.0.0")]
            except RoostError as error:
                str(error).encode()
            except Exception as error:  # noqa: BLE001 -- any other error is the finding
                broken.append(f"reading file {number}: {error!r}")
    for number, step in random.Random(numbers.start).sample(read, min(IN_A_DATABASE, len(read))):
        broken += [f"running file {number}: {what}" for what in await _run(place, step, plugin=f"p{number}")]
    broken += [f"left behind: {left}" for left in await residue(place.direct)]
    return f"{len(read)} of {len(numbers)} can be read: {'; '.join(broken) or 'ok'}"


async def _run(place: Place, step: MigrationStep, *, plugin: str) -> list[str]:
    """Run a step between two sound ones, and return what is wrong."""
    # Each plugin has a schema of its own, so that one file's tables are not in the way of the next one's.
    ended: RoostError | None = None
    try:
        async with asyncio.timeout(RUN_SECONDS):
            await migrate(place.url, make_plugin(plugin, BEFORE, step, AFTER, schema=plugin), config=CONFIG)
    except RoostError as error:
        ended = error
    except Exception as error:  # noqa: BLE001 -- any other error is the finding
        return [repr(error)]
    steps = [name for owner, name in await applied(place.direct) if owner == plugin]
    wanted = ["before"] if ended is not None else ["before", step.id, "after"]
    return [] if steps == wanted else [f"applied are {steps} and not {wanted}, after {ended!r}"]
