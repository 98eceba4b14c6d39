"""The plugin `memory`: what the agents know."""

from pathlib import Path

from examples.agent_server.memory.routes import routes
from examples.agent_server.memory.service import Memory, MemoryRecord
from roost import Plugin

__all__ = ["Memory", "MemoryRecord", "plugin", "routes"]

plugin = Plugin(
    "memory",
    version="2.1.0",
    description="What the agents know",
    schema=Path(__file__).with_name("tables.sql"),
    services=[Memory],
)
