"""For people who write plugins and services: what proves that they do as they should."""

from roost.testing._enumerator import FaultOutcome, try_faults
from roost.testing._fault_proxy import Fault, FaultKind, FaultProxy, WireMessage, faults_at_every_message
from roost.testing._faults import InjectedFault, crash_after, fail_start, fail_stop, hang_start, hang_stop
from roost.testing._round_trip_proxy import RoundTripProxy
from roost.testing._stepper import Stepper
from roost.testing._stress import LeftBehind, StressReport, stress_lifecycle
from roost.testing._virtual_clock import VirtualClockLoop, run_virtual

__all__ = [
    "Fault",
    "FaultKind",
    "FaultOutcome",
    "FaultProxy",
    "InjectedFault",
    "LeftBehind",
    "RoundTripProxy",
    "Stepper",
    "StressReport",
    "VirtualClockLoop",
    "WireMessage",
    "crash_after",
    "fail_start",
    "fail_stop",
    "faults_at_every_message",
    "hang_start",
    "hang_stop",
    "run_virtual",
    "stress_lifecycle",
    "try_faults",
]
