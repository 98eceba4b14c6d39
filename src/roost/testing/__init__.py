"""For people who write plugins and services: what proves that they do as they should."""

from roost.testing._faults import InjectedFault, crash_after, fail_start, fail_stop, hang_start, hang_stop
from roost.testing._round_trip_proxy import RoundTripProxy
from roost.testing._stress import LeftBehind, StressReport, stress_lifecycle
from roost.testing._virtual_clock import VirtualClockLoop, run_virtual

__all__ = [
    "InjectedFault",
    "LeftBehind",
    "RoundTripProxy",
    "StressReport",
    "VirtualClockLoop",
    "crash_after",
    "fail_start",
    "fail_stop",
    "hang_start",
    "hang_stop",
    "run_virtual",
    "stress_lifecycle",
]
