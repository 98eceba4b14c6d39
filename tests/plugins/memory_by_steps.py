"""The example's `memory` as its release 2.0.0 was: the same tables, made by steps."""

from __future__ import annotations

import re

from examples.agent_server.memory import Memory
from roost import MigrationContext, MigrationStep, Plugin, PluginMigrationService

_KIND = re.compile(r"([a-z]+): (.+)", re.DOTALL)


async def split_kinds(ctx: MigrationContext) -> None:
    """Take "fact: the sky is blue" apart; what has no kind becomes a note."""
    parts = []
    for row in await ctx.fetch("SELECT id, said FROM memories WHERE body IS NULL"):
        match = _KIND.fullmatch(row["said"])
        parts.append((row["id"], match[1], match[2]) if match else (row["id"], "note", row["said"]))
    await ctx.executemany("UPDATE memories SET kind = $2, body = $3 WHERE id = $1", parts)


async def join_kinds(ctx: MigrationContext) -> None:
    """Write kind and body as one text again."""
    await ctx.execute("UPDATE memories SET said = kind || ': ' || body WHERE body IS NOT NULL")


class MemoryMigrations(PluginMigrationService):
    """Makes and changes the tables of `memory`, in the PostgreSQL schema `memory`."""

    service_name = "memory-migration"
    schema = "memory"
    steps = (
        MigrationStep(
            "create-memories",
            "Create the memories",
            up="""
                CREATE TABLE memories (
                    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                    said text NOT NULL,
                    source text UNIQUE,
                    created_at timestamptz NOT NULL DEFAULT now()
                )
            """,
            down="DROP TABLE memories",
            version="1.0.0",
        ),
        MigrationStep(
            "add-kind-and-body",
            "Add columns for kind and body",
            up="ALTER TABLE memories ADD kind text, ADD body text",
            down="ALTER TABLE memories DROP kind, DROP body",
            version="1.1.0",
        ),
        MigrationStep("split-kinds", "Move kind and body to their columns", up=split_kinds, down=join_kinds, version="1.1.0"),
        MigrationStep(
            "drop-said",
            "Drop the text that held both",
            up="ALTER TABLE memories ALTER kind SET NOT NULL, ALTER body SET NOT NULL, DROP said",
            down="""
                ALTER TABLE memories ADD said text, ALTER kind DROP NOT NULL, ALTER body DROP NOT NULL;
                UPDATE memories SET said = kind || ': ' || body;
                ALTER TABLE memories ALTER said SET NOT NULL
            """,
            version="2.0.0",
            breaking=True,
        ),
        MigrationStep(
            "add-search",
            "Make the bodies searchable",
            up="""
                ALTER TABLE memories ADD words tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED;
                CREATE INDEX memories_words ON memories USING gin (words)
            """,
            down="ALTER TABLE memories DROP words",
            version="2.0.0",
        ),
    )


plugin = Plugin("memory", version="2.0.0", services=[MemoryMigrations, Memory])
