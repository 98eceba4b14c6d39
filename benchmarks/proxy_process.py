"""The process of a `line`: ``python -m benchmarks.proxy_process URL SECONDS``.

It prints its port. Then it answers each line of its input with the number of connections and of round trips since the last one, and
ends with its input.
"""

from __future__ import annotations

import asyncio
import selectors
import sys

from benchmarks.latency_proxy import LatencyProxy
from roost.postgres import parse_url


async def main(url: str, delay: float) -> None:
    """Serve until the input ends."""
    async with LatencyProxy(url, delay=delay) as proxy:
        print(parse_url(proxy.url).hosts[0][1], flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(proxy.connections, proxy.round_trips, flush=True)
            proxy.reset()


if __name__ == "__main__":
    # epoll rounds time-outs up to whole milliseconds, select does not.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(main(sys.argv[1], float(sys.argv[2])))
