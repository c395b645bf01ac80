"""What a storage that does not block is not given yet: records, packed when somebody reads, and after-images.

Rules:
- There is no writer: a turn counts as committed when it was kept. Only the latest `MOST` records are kept.
- `keep` and `pack_images` are called on the loop's thread, `pack` by any reader's, a turn at a time, so that the loop
  need not wait.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from caxton_server.runtime.journal_groups import Codec, Turn, pack

if TYPE_CHECKING:
    from caxton_core.errors import StorageError
    from caxton_core.ports import Clock, Row, Storage
    from returns.result import Result

MOST = 100_000
"""Records kept; what is older and was never read is forgotten."""
IMAGES = 256


class Kept:
    """The turns of one journal that are not in its storage yet; `take` is told how each append went."""

    def __init__(
        self, storage: Storage, codec: Codec, clock: Clock, take: Callable[[Result[None, StorageError]], None],
    ) -> None:  # fmt: skip
        self._storage, self._codec, self._clock, self._take = storage, codec, clock, take
        self._turns: deque[tuple[list[Any], int]] = deque()
        self._count = 0
        self._images: dict[str, Any] = {}
        self._latest = 0
        self._packing = threading.Lock()

    def keep(self, records: list[Any], images: dict[str, Any], rows: Iterable[Row]) -> None:
        """Keep what a turn changed; its rows go to the storage at once."""
        if rows:
            self._take(self._storage.append((), list(rows)))
        if images:
            self._images.update(images)
        with self._packing:
            if records:
                self._turns.append((records, self._clock.time_ms()))
                self._count += len(records)
                while self._count > MOST and len(self._turns) > 1:
                    self._count -= len(self._turns.popleft()[0])
            if len(self._images) >= IMAGES:
                self._pack([], self._clock.time_ms())

    def pack_images(self) -> None:
        """Make a group of the after-images."""
        if self._images:
            with self._packing:
                self._pack([], self._clock.time_ms())

    def pack(self) -> None:
        """Make a group of each turn."""
        while self._turns:
            with self._packing:
                if self._turns:
                    records, committed = self._turns.popleft()
                    self._count -= len(records)
                    self._pack(records, committed)

    def _pack(self, records: list[Any], committed: int) -> None:
        """Make a group of some records, or of the after-images when there are none."""
        images: dict[str, Any] = {}
        if not records:
            images, self._images = self._images, {}
        self._latest = max(self._latest, committed)
        codec = self._codec
        earliest, latest = codec.span(records) if records else (committed, committed)
        frame = codec.encode(records) if records else b""
        first, last = min(earliest, self._latest), max(latest, self._latest)
        turn = Turn(0, frame, len(records), images, {}, first, last)
        seq = self._storage.last_group() + 1
        self._take(self._storage.append((pack(seq, (turn,), codec),), ()))
