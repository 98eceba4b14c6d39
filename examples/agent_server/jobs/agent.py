"""The agent itself, which here needs no language model: it answers with what the memory holds."""

from __future__ import annotations

import asyncio

from examples.agent_server.memory import Memory

THINKING = 0.05  # seconds; stands for the call of a language model


async def answer(memory: Memory, prompt: str) -> str:
    """Answer a prompt by the memories that hold its words."""
    known = await memory.find(" or ".join(prompt.split()), but_not="answer", limit=3)
    await asyncio.sleep(THINKING)
    return f"I remember: {'; '.join(record.body for record in known)}" if known else "I remember nothing about that"
