"""The journal's reader: what was committed, read back by number, by key or by time, and where a start goes on from.

Rules:
- Every read is of the storage, and may block; it is called by any thread, after `Journal.settle` or `Journal.readable`.
- What a storage that does not block is not given yet is packed first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from caxton_core.errors import Corrupt, StorageFault

from caxton_server.runtime.journal_groups import Batch, Codec, size, unpack
from caxton_server.runtime.journal_index import Index, Key
from caxton_server.runtime.journal_writer import CHECKPOINT

if TYPE_CHECKING:
    from caxton_core.ports import Storage

    from caxton_server.runtime.journal_kept import Kept


class Reader:
    """Reads one storage."""

    def __init__(self, storage: Storage, codec: Codec, kept: Kept) -> None:
        self._storage, self._codec, self._kept = storage, codec, kept
        self._index: Index | None = None
        self.recovered = 0
        """How many bytes of groups were recovered, as they were before they were compressed."""

    def open(self) -> None:
        """Complete the index of an open storage; raises `StorageFault` when that can't be done."""
        self._index = Index(self._storage, self._keys)
        self._index.catch_up(self._storage.last_group())

    @property
    def index(self) -> Index:
        """The index; there is one once the journal is open."""
        if self._index is None:
            raise RuntimeError("the journal is not open")
        return self._index

    def _keys(self, seq: int) -> set[Key]:
        group = self._storage.group(seq)
        if group is None:
            return set()
        return self._codec.keys(unpack(group, self._codec, images=False).records)

    def last_group(self) -> int:
        """Return the number of the newest group."""
        self._kept.pack()
        return self._storage.last_group()

    def checkpoint(self) -> int:
        """Return the group in which the latest complete checkpoint begins, 0 when there is none."""
        row = self._storage.get("meta", CHECKPOINT)
        return 0 if row is None else int(row.body)

    def recover(self, after: int | None = None, *, images: bool = True) -> Iterator[Batch]:
        """Yield the batches behind a group, or raise `StorageFault` where one is corrupt or missing.

        Without a group they are those from the latest checkpoint on.
        """
        self._kept.pack()
        if after is None:
            after = max(self.checkpoint() - 1, 0)
        for group in self._storage.groups(after):
            after += 1
            if group.seq != after:
                raise StorageFault(Corrupt(after, "it is missing"))
            self.recovered += size(group)
            yield unpack(group, self._codec, images=images)

    def find(self, key: Key) -> list[int]:
        """Return the groups in which a conversation (its id) or an agent (its handle) occurs, ascending."""
        if not self._storage.blocks:
            self.index.catch_up(self.last_group())
        return self.index.find(key)

    def batches(
        self, numbers: Iterator[int] | list[int], *, holding: bytes = b""
    ) -> Iterator[Batch]:
        """Yield the records of some groups, of frames that contain `holding`."""
        for number in numbers:
            group = self._storage.group(number)
            if group is not None:
                yield unpack(group, self._codec, images=False, holding=holding)

    def around(self, first_time: int, last_time: int, *, holding: bytes = b"") -> Iterator[Batch]:
        """Yield the records of the groups that touch a span of time."""
        self._kept.pack()
        for group in self._storage.groups_between(first_time, last_time):
            yield unpack(group, self._codec, images=False, holding=holding)
