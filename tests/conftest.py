"""What every test may ask for; each concern is a plugin of its own."""

from __future__ import annotations

pytest_plugins = [
    "tests.plugins.fix_postgres",
    "tests.plugins.fix_proxy",
    "tests.plugins.fix_replicas",
    "tests.plugins.fix_tls",
    "tests.plugins.left_out",
]
