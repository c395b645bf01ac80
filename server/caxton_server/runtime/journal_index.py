"""The journal's index: in which groups a conversation or an agent occurs.

Rules:
- Entries of many groups are written at once, as one row for each key: a label that occurs in every group costs one row
  in 256 groups. What is not written yet is kept here, and every look-up merges both.
- A look-up asks what is kept here before it asks the storage: an entry on its way is found twice, never missed.
- `add` and `build` are called by one thread, `find` by any.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

from caxton_core.ports import IndexEntry
from returns.result import Failure, Success

if TYPE_CHECKING:
    from caxton_core.errors import StorageError
    from caxton_core.ports import Storage
    from returns.result import Result

MOST_GROUPS = 256
MOST_KEYS = 20_000


class Index:
    """The index of one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._tail: dict[str, array[int]] = {}
        self._first = self._upto = storage.indexed_upto()
        self._building: dict[str, array[int]] = {}

    @property
    def pending(self) -> int:
        """How many groups are not in the storage's index yet."""
        return self._upto - self._first

    @property
    def due(self) -> bool:
        """Whether there is enough to write."""
        return self.pending >= MOST_GROUPS or len(self._tail) >= MOST_KEYS

    def add(self, seq: int, keys: Iterable[str]) -> None:
        """Note the keys of the next group."""
        with self._lock:
            tail = self._tail
            for key in keys:
                numbers = tail.get(key)
                if numbers is None:
                    tail[key] = array("I", (seq,))
                else:
                    numbers.append(seq)
            self._upto = seq

    def build(self) -> Result[None, StorageError]:
        """Write what is not written yet; after a failure it is kept for the next time."""
        upto = self._upto
        with self._lock:
            if not self._building:
                self._building, self._tail = self._tail, {}
            else:
                for key, numbers in self._tail.items():
                    self._building.setdefault(key, array("I")).extend(numbers)
                self._tail = {}
        entries = [
            IndexEntry(key, numbers[0], _packed(numbers)) for key, numbers in self._building.items()
        ]
        done = self._storage.index(entries, upto)
        match done:
            case Success():
                with self._lock:
                    self._building = {}
                    self._first = upto
            case Failure():
                pass
        return done

    def find(self, key: str) -> list[int]:
        """Return the numbers of all groups in which `key` occurs, ascending."""
        with self._lock:
            found = {*self._building.get(key, ()), *self._tail.get(key, ())}
        found.update(self._storage.find(key))
        return sorted(found)


def _packed(numbers: array[int]) -> bytes:
    return b"".join([number.to_bytes(4, "little") for number in numbers])
