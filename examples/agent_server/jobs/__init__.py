"""The plugin `jobs`: a queue of agent tasks, on the tables of procrastinate. It needs the plugin `memory`."""

from examples.agent_server.jobs.migrations import PROCRASTINATE_VERSION, JobsMigrations
from examples.agent_server.jobs.queue import TaskQueue
from examples.agent_server.jobs.routes import routes
from examples.agent_server.jobs.worker import TaskWorker
from roost import Plugin

__all__ = ["JobsMigrations", "TaskQueue", "TaskWorker", "plugin", "routes"]

plugin = Plugin(
    "jobs",
    version=PROCRASTINATE_VERSION,
    description="A queue of agent tasks",
    services=[JobsMigrations, TaskQueue, TaskWorker],
    dependencies=["memory>=2"],
)
