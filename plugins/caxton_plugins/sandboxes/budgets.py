"""What host calls may cost: the same for core modules and components."""

from __future__ import annotations

from typing import Final

HOST_CALLS: Final = 10_000  # a step
HOST_TIME: Final = 200e-6  # seconds a slice, then it ends at the guest's next loop or function
MANY_CALLS: Final = 200  # of a step; beyond them a flood would slow others for all its length
HOST_TIME_OF_MANY: Final = 30e-6
HOST_TIME_MOST: Final = 5e-3  # of CPU, for code that has neither
LOG_LINE: Final = 8192
STATE_KEY: Final = 1024
RANDOM: Final = 64 * 1024
TOO_LARGE: Final = -6


class Ended(Exception):
    """The guest asked to be ended, in order."""


class Refused(Exception):
    """The guest asked for what ends its call: most often bytes that are not in its memory."""
