"""A small server for agents: tasks in a queue, memories to search, and an inbox, each a plugin with its own tables."""
