"""What was committed without waiting for the server's disk, and could be lost with the server.

Rules:
- It is kept until a commit that is waited for has made it safe. That is asked for after `_UNSAFE_SECONDS` or
  `_UNSAFE_BYTES`, so what is kept is bounded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from caxton_core.ports import Durability, Group, Row

_UNSAFE_BYTES, _UNSAFE_SECONDS = 16 * 1024 * 1024, 1.0
"""How much, and for how long, is kept here that the server could lose."""


class Unsafe:
    """What was appended and could be lost with the server; nothing at durability `disk`."""

    def __init__(self, durability: Durability) -> None:
        self._used = durability != "disk"
        self._kept: list[tuple[Sequence[Group], Sequence[Row]]] = []
        self._bytes = 0
        self._since = 0.0

    def __iter__(self) -> Iterator[tuple[Sequence[Group], Sequence[Row]]]:
        return iter(self._kept)

    def __bool__(self) -> bool:
        return bool(self._kept)

    def too_many(self, groups: Sequence[Group], rows: Sequence[Row]) -> bool:
        """Tell whether, with these, it is time to have all of them on the server's disk."""
        if not self._used:
            return False
        late = bool(self._kept) and time.monotonic() > self._since + _UNSAFE_SECONDS
        return late or self._bytes + _size(groups, rows) > _UNSAFE_BYTES

    def keep(self, groups: Sequence[Group], rows: Sequence[Row], *, safe: bool) -> None:
        """Keep what was committed, or forget all of it when it is safe."""
        if safe:
            self.forget()
        elif self._used:
            if not self._kept:
                self._since = time.monotonic()
            self._kept.append((groups, rows))
            self._bytes += _size(groups, rows)

    def forget(self) -> None:
        """Forget what is safe by now."""
        self._kept, self._bytes = [], 0

    def first_group(self) -> int:
        """Return the number of the oldest group kept, 0 when there is none."""
        return next((groups[0].seq for groups, _ in self._kept if groups), 0)


def _size(groups: Sequence[Group], rows: Sequence[Row]) -> int:
    return sum(len(group.blob) for group in groups) + sum(len(row.body) + 100 for row in rows)
