"""Tables read from one end to the other, page by page, whatever single rows are like.

Rules:
- No more than a page is held; what is put or removed meanwhile is seen or not, everything else is.
- A row that can't be read is passed over: its sentence stands in its place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from struct import unpack
from typing import TYPE_CHECKING, Final

from caxton_core.errors import StorageFault, StorageUnavailable

if TYPE_CHECKING:
    from caxton_core.ports import Row, Storage

PAGE: Final = 500


def pages(storage: Storage, table: str) -> Iterator[list[Row]]:
    """Yield the rows of a table in the order of their keys."""
    after: str | None = None
    while page := storage.list(table, {}, after=after, limit=PAGE):
        yield page
        if len(page) < PAGE:
            return
        after = page[-1].key


def index_of(storage: Storage) -> Iterator[tuple[str, list[int]]]:
    """Yield the keys of the index in their order, each with the groups to which it leads, ascending."""
    after: tuple[str, int] | None = None
    key: str | None = None
    numbers: set[int] = set()
    while page := storage.entries(after, PAGE):
        for entry in page:
            if key is not None and entry.key != key:
                yield key, sorted(numbers)
                numbers = set()
            key = entry.key
            count = len(entry.groups) // 4
            numbers.update(unpack(f"<{count}I", entry.groups[: 4 * count]))
        after = page[-1].key, page[-1].first
    if key is not None:
        yield key, sorted(numbers)


class Reading:
    """One pass over a table; `expected` are keys it should have, ascending, and `unreadable` those that can't be read."""

    def __init__(self, storage: Storage, table: str, expected: Sequence[str]) -> None:
        self._storage, self._table, self._expected = storage, table, expected
        self.unreadable: list[str] = []

    def __iter__(self) -> Iterator[Row | str]:
        after: str | None = None
        limit = PAGE
        while True:
            try:
                page = self._storage.list(self._table, {}, after=after, limit=limit)
            except StorageFault as fault:
                if isinstance(fault.error, StorageUnavailable):
                    raise
                if limit > 1:
                    limit //= 2
                    continue
                yield str(fault.error)
                # Nobody says which row it was: it is the next one, or lies before it.
                after = self._next(after)
                if after is None:
                    return
                yield from self._one(after)
                continue
            yield from page
            if len(page) < limit:
                return
            after = page[-1].key
            limit = min(2 * limit, PAGE)

    def _next(self, after: str | None) -> str | None:
        at = 0 if after is None else bisect_right(self._expected, after)
        return self._expected[at] if at < len(self._expected) else None

    def _one(self, key: str) -> Iterator[Row | str]:
        try:
            row = self._storage.get(self._table, key)
        except StorageFault as fault:
            self.unreadable.append(key)
            yield str(fault.error)
        else:
            if row is not None:
                yield row
