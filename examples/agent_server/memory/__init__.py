"""The plugin `memory`: what the agents know."""

from examples.agent_server.memory.migrations import MemoryMigrations
from examples.agent_server.memory.routes import routes
from examples.agent_server.memory.service import Memory, MemoryRecord
from roost import Plugin

__all__ = ["Memory", "MemoryRecord", "plugin", "routes"]

plugin = Plugin("memory", version="2.0.0", description="What the agents know", services=[MemoryMigrations, Memory])
