"""Personal data in text: found by shape and by check digit, told from what only looks like it, masked.

One implementation for every use: the readiness report counts what it finds, logs and feedback are masked with
it. Names and street addresses are left out: they have no check digit, and guessing them would hide half of
what a shop says.
"""

from senmon.pii.finding import DEFAULT_REGIONS, KINDS, Kind, Personal, find_personal, mask_personal

__all__ = ["DEFAULT_REGIONS", "KINDS", "Kind", "Personal", "find_personal", "mask_personal"]
