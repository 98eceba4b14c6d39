"""For people who write plugins: what proves that they do as they should."""

from roost.testing._round_trip_proxy import RoundTripProxy

__all__ = ["RoundTripProxy"]
