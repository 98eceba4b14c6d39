"""What every test may ask for; each concern is a plugin of its own."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.plugins.error_outputs",
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


def pytest_configure() -> None:
    """Hear Ctrl-C, and let the processes that tests start hear it, also where a shell runs the tests in its background without it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
