"""What every test may ask for; each concern is a plugin of its own."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.plugins.fix_patience",
    "tests.plugins.fix_postgres",
    "tests.plugins.fix_proxy",
    "tests.plugins.fix_replicas",
    "tests.plugins.fix_tls",
    "tests.plugins.left_out",
]

# A machine that is busy with others is no reason to fail, and each run tries the same examples.
settings.register_profile("any machine", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
