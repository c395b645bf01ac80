"""How many instances the machine lets this process map: Linux limits its memory mappings (vm.max_map_count).

Rules:
- wasmtime ends the process when it can neither map nor unmap, so an instance is refused before that can happen.
- An instance is reckoned with all it may ever take. The kernel joins neighbouring mappings, and counts fewer while it
  does; but when instances between them go, it takes them apart again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from caxton_core.errors import LimitExceeded

NAME: Final = "vm.max_map_count"
SPARE: Final = 4_000
"""What is left for everything else: libraries, threads, allocators, compiled code."""

_LIMIT = Path("/proc/sys/vm/max_map_count")


def limit() -> int | None:
    """Read the machine's limit; None where there is none to read."""
    try:
        return int(_LIMIT.read_text())
    except (OSError, ValueError):
        return None


class Mappings:
    """Counts what the instances of a process may map, and refuses what would be too much."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.taken = 0

    def take(self, number: int) -> LimitExceeded | None:
        """Reckon with the mappings of one more instance, or return why there can be none."""
        if self.most is not None and self.taken + number + SPARE > self.most:
            return LimitExceeded(NAME, self.most, self.taken + number + SPARE)
        self.taken += number
        return None

    def give(self, number: int) -> None:
        """Take note that an instance is gone."""
        self.taken -= number


MAPPINGS: Final = Mappings(limit())
"""Those of this process, which all its sandboxes share."""
