"""The fold of a journal: what its groups say that every table and the index must hold.

Rules:
- Of rows in their order the last one for a table and key counts; a group of the first format says nothing of rows.
- Only digests are kept, so that the memory a fold takes follows the number of live keys and not the bytes behind them.
- Pure: nothing here reads or writes a storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from struct import Struct
from typing import Final
from zlib import crc32

import msgspec
from caxton_core.ports import TABLES, Row

from caxton_server.runtime.journal_index import Key, stored_key
from caxton_server.runtime.unfinished import UNFINISHED

_GONE: Final = b""
"""Stands for a row that was removed, where rows are kept of which the journal says nothing."""
_encode = msgspec.msgpack.Encoder().encode
_NUMBER: Final = Struct("<I")
ARCHIVE: Final = "archive"
"""The key of the row of `meta` in which a backup describes itself."""
CHECKPOINT: Final = ("meta", "checkpoint")
"""The table and key of the row that names the group from which a node recovers."""
OWN: Final = frozenset({("meta", UNFINISHED), ("meta", ARCHIVE)})
"""Rows that no group holds: they speak of the database itself."""


def digest(row: Row) -> bytes:
    """Return what tells a row from any other.

    >>> digest(Row("meta", "a", {}, b"1")) == digest(Row("meta", "a", {}, b"2"))
    False
    """
    return blake2b(canonical(row), digest_size=16).digest()


def canonical(row: Row) -> bytes:
    """Return a row as bytes that are the same whatever storage it comes from."""
    values = [row.columns.get(column) for column in TABLES[row.table]]
    return _encode((row.table, row.key, values, row.body))


class Fold:
    """The rows of the groups seen so far."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, bytes]] = {table: {} for table in TABLES}
        self.groups_without_rows = 0
        """Groups of the format that has no rows: of what they put into tables nothing is known."""

    def add(self, rows: Iterable[Row], *, known: bool = True) -> None:
        """Take the rows of the next group; `known` is False when its format has none."""
        self.groups_without_rows += not known
        for row in rows:
            table = self.tables[row.table]
            if not row.deleted:
                table[row.key] = digest(row)
            elif self.groups_without_rows:
                table[row.key] = _GONE
            else:
                table.pop(row.key, None)

    @property
    def complete(self) -> bool:
        """Whether all that tables hold must have come from the groups seen."""
        return not self.groups_without_rows

    def expected(self, table: str) -> int:
        """Return how many rows a table must have at least."""
        return sum(found != _GONE for found in self.tables[table].values())


class Difference(msgspec.Struct, frozen=True):
    """A row that is not as the journal says: `how` is missing, different or unknown to it."""

    table: str
    key: str
    how: str

    def __str__(self) -> str:
        return f"Row {self.key!r} of {self.table} {_HOW[self.how]}."


_HOW: Final = {
    "missing": "is missing",
    "different": "is not the one that the journal holds",
    "unknown": "is in no group of the journal",
}


class Comparison:
    """Compares the rows of one table with a fold, in one pass over them; `left` counts rows that can't be compared."""

    def __init__(self, fold: Fold, table: str) -> None:
        self._table = table
        self._rest = dict(fold.tables[table])
        self._complete = fold.complete
        self.left = 0
        self.seen = 0

    def see(self, row: Row) -> Difference | None:
        """Compare one row."""
        if (row.table, row.key) in OWN:
            return None
        self.seen += 1
        expected = self._rest.pop(row.key, None)
        if expected is None and not self._complete:
            self.left += 1
            return None
        if expected is None or expected == _GONE:
            return Difference(self._table, row.key, "unknown")
        if expected != digest(row):
            return Difference(self._table, row.key, "different")
        return None

    def skip(self, key: str) -> None:
        """Pass over a row that can't be read."""
        self._rest.pop(key, None)

    def rest(self) -> Iterator[Difference]:
        """Yield what the table should have and was not seen."""
        for key, expected in self._rest.items():
            if expected != _GONE:
                yield Difference(self._table, key, "missing")


class Occurrences:
    """In which groups each key of the index, as a storage knows it, occurs: as a checksum over their numbers."""

    def __init__(self) -> None:
        self.sums: dict[str, int] = {}

    def add(self, seq: int, keys: Iterable[Key]) -> None:
        """Note the keys of the next group."""
        packed, sums = _NUMBER.pack(seq), self.sums
        for key in keys:
            known = stored_key(key)
            sums[known] = crc32(packed, sums.get(known, 0))

    @staticmethod
    def sum_of(groups: Iterable[int]) -> int:
        """Return the checksum over some groups, ascending.

        >>> seen = Occurrences()
        >>> seen.add(3, {"c"}), seen.add(9, {"c"})
        (None, None)
        >>> seen.sums["c:c"] == Occurrences.sum_of([3, 9]) != Occurrences.sum_of([3])
        True
        """
        total = 0
        for seq in groups:
            total = crc32(_NUMBER.pack(seq), total)
        return total
