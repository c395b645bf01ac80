"""The tables of the storage in memory: rows in dictionaries, with a sorted list of keys beside each.

Rules:
- The oldest rows of the tables that grow with the traffic go, beyond `most_rows` in each.
- Nothing here is locked: the storage does that.
"""

from __future__ import annotations

import bisect
import builtins
import heapq
from collections.abc import Mapping
from itertools import islice

from caxton_core.ports import TABLES, Row

GROWING = frozenset({"events", "conversations", "dead_letters", "client_ids"})
"""Tables that grow with the traffic."""


class Tables:
    """All rows, by table and key."""

    def __init__(self, most_rows: int) -> None:
        self.rows: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
        self._keys: dict[str, builtins.list[str]] = {name: [] for name in TABLES}
        self._most_rows = most_rows

    def put(self, row: Row) -> None:
        """Keep a row, or forget the one it deletes."""
        table, keys = self.rows[row.table], self._keys[row.table]
        if row.deleted:
            if table.pop(row.key, None) is not None:
                del keys[bisect.bisect_left(keys, row.key)]
            return
        if row.key not in table:
            bisect.insort(keys, row.key)
        table[row.key] = row
        if row.table in GROWING and len(keys) > self._most_rows + self._most_rows // 16:
            # In the order in which they came: keys that agents choose say nothing about age.
            for key in list(islice(table, len(table) - self._most_rows)):
                del table[key]
            keys[:] = sorted(table)

    def clear(self) -> None:
        """Forget every row."""
        for name in TABLES:
            self.rows[name].clear()
            self._keys[name].clear()

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
        keys = self._keys[table]
        if newest_first:
            end = len(keys) if after is None else bisect.bisect_left(keys, after)
            order = reversed(range(end))
        else:
            start = 0 if after is None else bisect.bisect_right(keys, after)
            order = iter(range(start, len(keys)))
        rows = (self.rows[table][keys[i]] for i in order)
        wanted = where.items()
        matching = (r for r in rows if all(r.columns.get(c) == value for c, value in wanted))
        return builtins.list(islice(matching, limit))

    def older(self, table: str, before: int, limit: int) -> builtins.list[str]:
        """Return the keys of the rows with a `created` before a time, the oldest first."""
        found = [
            (created, row.key)
            for row in self.rows[table].values()
            if isinstance(created := row.columns.get("created"), int) and created < before
        ]
        return [key for _, key in heapq.nsmallest(limit, found)]

    def size(self) -> int:
        """Return the bytes of the bodies."""
        return sum(len(row.body) for table in self.rows.values() for row in table.values())
