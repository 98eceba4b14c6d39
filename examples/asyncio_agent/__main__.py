"""``DATABASE_URL=postgresql://… python -m examples.asyncio_agent``: answer notes until Ctrl-C or SIGTERM."""

from __future__ import annotations

import logging
import os
import sys

from examples.asyncio_agent.agent import make_runtime


def main() -> int:
    """Migrate, answer, and return the exit code."""
    database_url = os.environ.get("DATABASE_URL")
    if not database_url:
        sys.stderr.write("DATABASE_URL is missing, such as postgresql://user:password@host/database\n")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    return make_runtime(database_url).main()


if __name__ == "__main__":
    raise SystemExit(main())
