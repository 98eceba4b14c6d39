"""The table of `inbox`. It points at a table of `memory`; declared schemas are brought about before steps are taken."""

from __future__ import annotations

from roost import MigrationStep, PluginMigrationService


class InboxMigrations(PluginMigrationService):
    """Makes the table of `inbox`, in the PostgreSQL schema `inbox`."""

    service_name = "inbox-migration"
    schema = "inbox"
    steps = (
        MigrationStep(
            "create-messages",
            "Create the messages",
            up="""
                CREATE TABLE messages (
                    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                    sender text NOT NULL,
                    body text NOT NULL,
                    memory_id bigint NOT NULL REFERENCES memory.memories (id),
                    received_at timestamptz NOT NULL DEFAULT now()
                )
            """,
            down="DROP TABLE messages",
            version="1.0.0",
        ),
    )
