"""What a `jsonlines:` file says, in memory: where each group is, and all rows, index entries and modules.

Rules:
- It changes only by the lines of the file, in their order.
- `dead` is about how many bytes of the file say something that no longer counts.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from struct import pack, unpack

import msgspec
from caxton_core.ports import TABLES, IndexEntry, Row

from caxton_example.lines import Line

_AT_ONCE = 1000


class Place(msgspec.Struct, frozen=True):
    """Where a group is: its line in the file, its number in that line, its share of it, and its times."""

    offset: int
    length: int
    nth: int
    size: int
    first_time: int
    last_time: int


class Contents:
    """The state after some lines."""

    def __init__(self) -> None:
        self.places: dict[int, Place] = {}
        self.first = self.last = 0
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
        self.index: dict[str, set[int]] = {}
        self.indexed = 0
        self.modules: dict[str, bytes] = {}
        self.dead = 0

    def apply(self, line: Line, offset: int, length: int) -> None:
        """Do what a line of the file says."""
        if line.cleared:
            self._clear()
        if line.truncated is not None:
            self._truncate(line.truncated)
        for nth, group in enumerate(line.groups):
            size = len(group.blob) * 4 // 3
            self.places[group.seq] = Place(
                offset, length, nth, size, group.first_time, group.last_time
            )
            self.first = self.first or group.seq
            self.last = group.seq
        for row in line.rows:
            old = self.tables[row.table].pop(row.key, None)
            self.dead += 0 if old is None else len(old.body) * 4 // 3
            if not row.deleted:
                self.tables[row.table][row.key] = row
        for entry in line.entries:
            numbers = unpack(f"<{len(entry.groups) // 4}I", entry.groups)
            self.index.setdefault(entry.key, set()).update(numbers)
        self.indexed = max(self.indexed, line.upto or 0)
        for digest, data in line.modules.items():
            self.dead += len(self.modules.pop(digest, b"")) * 4 // 3
            if data is not None:
                self.modules[digest] = data
        if 0 < self.first <= line.pruned:
            self._prune(line.pruned)

    def _clear(self) -> None:
        for rows in self.tables.values():
            rows.clear()
        self.index.clear()
        self.indexed = 0

    def _truncate(self, after: int) -> None:
        for seq in [seq for seq in self.places if seq > after]:
            self.dead += self.places.pop(seq).size
        self.first = min(self.places, default=0)
        self.last = max(self.places, default=0)
        self.indexed = min(self.indexed, after)

    def _prune(self, upto: int) -> None:
        for seq in range(self.first, upto + 1):
            self.dead += self.places.pop(seq).size
        self.first = upto + 1
        for key in list(self.index):
            self.index[key] = {number for number in self.index[key] if number > upto}
            if not self.index[key]:
                del self.index[key]

    def lines(self) -> Iterator[Line]:
        """Yield lines that say all of it anew, but for the groups."""
        for rows in self.tables.values():
            kept = list(rows.values())
            for start in range(0, len(kept), _AT_ONCE):
                yield Line(rows=tuple(kept[start : start + _AT_ONCE]))
        yield Line(entries=tuple(map(self.entry, self.index)), upto=self.indexed)
        for digest, data in self.modules.items():
            yield Line(modules={digest: data})

    def entry(self, key: str) -> IndexEntry:
        """Return the index entry of a key: there is one for each."""
        numbers = sorted(self.index[key])
        return IndexEntry(key, numbers[0], pack(f"<{len(numbers)}I", *numbers))

    # Tables

    def list(
        self,
        table: str,
        where: Mapping[str, str | int],
        *,
        after: str | None,
        limit: int,
        newest_first: bool,
    ) -> builtins.list[Row]:
        """Return rows in key order, beginning behind `after`."""
        if unknown := set(where) - set(TABLES[table]):
            raise KeyError(f"{table} has no column {unknown}")
        rows = [
            row
            for row in self.tables[table].values()
            if all(row.columns.get(column) == value for column, value in where.items())
            and (after is None or (row.key < after if newest_first else row.key > after))
        ]
        return sorted(rows, key=lambda row: row.key, reverse=newest_first)[:limit]

    def older(self, table: str, before: int, limit: int) -> builtins.list[str]:
        """Return the keys of the rows with a `created` before a time, the oldest first."""
        if "created" not in TABLES[table]:
            raise KeyError(f"{table} has no column created")
        found = [
            (created, row.key)
            for row in self.tables[table].values()
            if isinstance(created := row.columns.get("created"), int) and created < before
        ]
        return [key for _, key in sorted(found)[:limit]]
