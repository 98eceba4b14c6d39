"""The plugin `inbox`: what people wrote to the agents. It needs the plugin `memory`."""

from examples.agent_server.inbox.migrations import InboxMigrations
from examples.agent_server.inbox.routes import routes
from examples.agent_server.inbox.service import Inbox
from roost import Plugin

__all__ = ["Inbox", "plugin", "routes"]

plugin = Plugin(
    "inbox",
    version="1.0.0",
    description="What people wrote to the agents",
    services=[InboxMigrations, Inbox],
    dependencies=["memory>=2"],
)
