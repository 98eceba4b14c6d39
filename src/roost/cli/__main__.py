"""Makes ``python -m roost.cli`` the same as ``roost``."""

from __future__ import annotations

import sys

from roost.cli._main import main

if __name__ == "__main__":
    sys.exit(main())
