"""Ports for servers that must be told where to listen: free a moment ago, and away from those that the system gives to clients."""

from __future__ import annotations

import random
import socket

LOWEST, HIGHEST = 20_000, 32_000
"""Linux gives clients ports from 32768 on, and other systems from 49152 on: only a server may take one of these unasked."""


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on. Somebody else may be quicker to take it: who can't listen there asks for another."""
    chance = random.SystemRandom()
    while True:
        with socket.socket() as probe:
            try:
                probe.bind((address, port := chance.randint(LOWEST, HIGHEST)))
            except OSError:
                continue
            return port
