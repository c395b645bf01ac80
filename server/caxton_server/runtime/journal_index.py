"""The journal's index: in which groups a conversation or an agent occurs.

Rules:
- Entries of many groups are written at once, as one row for each key: a label that occurs in every group costs one row
  in 256 groups. What is not written yet is kept here, and every look-up merges both.
- A look-up asks what is kept here before it asks the storage: an entry on its way is found twice, never missed.
- `add` and `build` are called by one thread, the writer; without a writer groups are left out until `catch_up` reads
  and adds them. `find` is called by any thread.
- A key is a conversation's id or an agent's handle; the storage knows them as `c:<id>` and `a:<handle>`.
"""

from __future__ import annotations

import sys
import threading
from array import array
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from caxton_core.ports import IndexEntry
from returns.result import Success

if TYPE_CHECKING:
    from caxton_core.errors import StorageError
    from caxton_core.ports import Storage
    from returns.result import Result

Key: TypeAlias = str | int

MOST_GROUPS = 256
MOST_KEYS = 20_000


class Index:
    """The index of one storage; `read` gives the keys of a group that was left out."""

    def __init__(self, storage: Storage, read: Callable[[int], Iterable[Key]]) -> None:
        self._storage = storage
        self._read = read
        self._lock = threading.Lock()
        self._catching_up = threading.Lock()
        self._tail: dict[Key, array[int]] = {}
        self._building: dict[Key, array[int]] = {}
        self._stored = self._added = max(storage.indexed_upto(), storage.first_group() - 1)

    @property
    def pending(self) -> int:
        """How many groups are here but not in the storage's index yet."""
        return self._added - self._stored

    @property
    def due(self) -> bool:
        """Whether there is enough to write."""
        return self.pending >= MOST_GROUPS or len(self._tail) >= MOST_KEYS

    def add(self, seq: int, keys: Iterable[Key]) -> None:
        """Note the keys of the next group."""
        with self._lock:
            tail = self._tail
            for key in keys:
                if key in tail:
                    tail[key].append(seq)
                else:
                    tail[key] = array("I", (seq,))
            self._added = seq

    def catch_up(self, upto: int) -> None:
        """Read and add the groups that were left out, up to `upto`."""
        if self._added >= upto:
            return
        with self._catching_up:
            for seq in range(self._added + 1, upto + 1):
                self.add(seq, self._read(seq))
                if self.due:
                    self.build()

    def build(self) -> Result[None, StorageError]:
        """Write what is not written yet; after a failure it is kept for the next time."""
        with self._lock:
            upto = self._added
            building = self._building
            for key, numbers in self._tail.items():
                if key in building:
                    building[key].extend(numbers)
                else:
                    building[key] = numbers
            self._tail = {}
        entries = [
            IndexEntry(stored_key(key), numbers[0], _packed(numbers))
            for key, numbers in building.items()
        ]
        done = self._storage.index(entries, upto)
        if isinstance(done, Success):
            with self._lock:
                self._building = {}
                self._stored = upto
        return done

    def find(self, key: Key) -> list[int]:
        """Return the numbers of all groups in which `key` occurs, ascending."""
        with self._lock:
            found = {*self._building.get(key, ()), *self._tail.get(key, ())}
        found.update(self._storage.find(stored_key(key)))
        return sorted(found)


def stored_key(key: Key) -> str:
    """Return what a storage knows a key as."""
    return f"a:{key:d}" if isinstance(key, int) else f"c:{key}"


def _packed(numbers: array[int]) -> bytes:
    if sys.byteorder == "little":
        return numbers.tobytes()
    swapped = numbers[:]
    swapped.byteswap()
    return swapped.tobytes()
