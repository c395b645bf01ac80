"""What storages in SQL databases have in common: everything that is read, and the checks of all that is stored.

Rules:
- Peewee writes the queries, in the dialect of the back-end; the back-end runs them.
- Whatever is read is held against its checksum, and against what was asked for: an index of the database that leads to
  another row, or leaves a group out, is a `StorageFault` and no answer.
"""

from __future__ import annotations

import abc
import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from struct import unpack
from typing import Any, TypeVar

from caxton_core.errors import Corrupt, CorruptRow, StorageFault
from caxton_core.ports import TABLES, Group, IndexEntry, Row
from peewee import Tuple, fn

from caxton_plugins.storages.models import PROJECTIONS, Blobs, Entries, Groups, Marks
from caxton_plugins.storages.values import to_group, to_groups, to_mark, to_module, to_row

T = TypeVar("T")

_PAGE = 8
"""Groups fetched by one query."""
_MANY = 500
"""Small rows fetched by one query."""
_FORGOTTEN, _FORGOTTEN_BYTES = 64, 8 * 1024 * 1024
"""The most groups, and bytes of them, that are forgotten in one transaction."""
_MISLED = "an index leads to it by mistake"


class SqlReader(abc.ABC):
    """The reading half of a storage in a SQL database."""

    dialect: Any
    """A database of peewee's, never connected: it only lends its way of writing SQL."""

    @abc.abstractmethod
    def read(self, sql: str, values: Sequence[Any] = ()) -> builtins.list[tuple[Any, ...]]:
        """Run a query, or raise `StorageFault`."""

    @abc.abstractmethod
    def last_group(self) -> int:
        """Return the number of the newest group."""

    @abc.abstractmethod
    def examine(self) -> Iterator[str]:
        """Yield a sentence for each thing that the database itself finds wrong with its structure."""

    def to_text(self, text: str) -> str:
        """Return a text as it is stored."""
        return text

    def to_key(self, stored: str) -> str | None:
        """Return a text as it was given, None where only a part of it is stored."""
        return stored

    def to_row(self, table: str, values: Sequence[Any]) -> Row:
        """Read a row back."""
        return to_row(table, values)

    def ask(self, query: Any) -> builtins.list[tuple[Any, ...]]:
        """Run a query of peewee's."""
        sql, values = self.dialect.get_sql_context().sql(query).query()
        return self.read(sql, values)

    # The index

    def indexed_upto(self) -> int:
        """Return the last group the index covers."""
        found = self.ask(Marks.select().where(Marks.name == "indexed_upto"))
        return to_mark(found[0]) if found else 0

    def find(self, key: str) -> builtins.list[int]:
        """Return the numbers of the indexed groups in which `key` occurs."""
        stored = self.to_text(key)
        numbers: set[int] = set()
        for values in self.ask(Entries.select().where(Entries.key == stored)):
            packed = to_groups(values)
            if values[0] != stored:
                raise StorageFault(CorruptRow("entries", key, "another key is in its place"))
            numbers.update(unpack(f"<{len(packed) // 4}I", packed))
        first = self.first_group()
        return sorted(number for number in numbers if number >= first)

    def entries(self, after: tuple[str, int] | None, limit: int) -> builtins.list[IndexEntry]:
        """Return the index as it is kept, without the keys that can't be read back whole."""
        query = Entries.select().order_by(Entries.key, Entries.first).limit(limit)
        behind = None if after is None else (self.to_text(after[0]), after[1])
        while True:
            place = Tuple(Entries.key, Entries.first)
            page = self.ask(query if behind is None else query.where(place > behind))
            whole = [
                IndexEntry(key, values[1], to_groups(values))
                for values in page
                if (key := self.to_key(values[0])) is not None
            ]
            if whole or not page:
                return whole
            behind = page[-1][0], page[-1][1]

    # Groups

    def first_group(self) -> int:
        """Return the number of the oldest group that is kept."""
        return int(self.read("SELECT coalesce(min(seq), 0) FROM groups")[0][0])

    def oldest(self, upto: int) -> builtins.list[tuple[int, int]]:
        """Return the number and size of the oldest groups, no more than are to be forgotten in one transaction."""
        query = Groups.select(Groups.seq, fn.length(Groups.blob)).where(Groups.seq <= upto)
        found: builtins.list[tuple[int, int]] = []
        room = _FORGOTTEN_BYTES
        for seq, size in self.ask(query.order_by(Groups.seq).limit(_FORGOTTEN)):
            if found and size > room:
                break
            room -= size
            found.append((seq, size))
        return found

    def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
        """Yield groups in order, those committed meanwhile included."""
        while True:
            query = Groups.select().where(Groups.seq > after).order_by(Groups.seq).limit(_PAGE)
            page = self.ask(query if upto is None else query.where(Groups.seq <= upto))
            for values in page:
                group = to_group(values)
                # What was pruned is no gap.
                if group.seq != after + 1 and group.seq > self.first_group() <= after + 1:
                    raise StorageFault(Corrupt(after + 1, "it is missing"))
                yield group
                after = group.seq
            if len(page) < _PAGE:
                return

    def group(self, seq: int) -> Group | None:
        """Return one group."""
        found = self.ask(Groups.select().where(Groups.seq == seq))
        if found:
            group = to_group(found[0])
            if group.seq == seq:
                return group
        elif not 0 < self.first_group() <= seq <= self.last_group():
            return None
        raise StorageFault(Corrupt(seq, "it is missing"))

    def groups_between(self, first_time: int, last_time: int) -> Iterator[Group]:
        """Yield the groups that touch a span of time, in order."""
        longest = self.read("SELECT max(last_time - first_time) FROM groups")[0][0] or 0
        query = Groups.select(Groups.seq).where(
            Groups.last_time.between(first_time, last_time + longest),
            Groups.first_time <= last_time,
        )
        for (seq,) in sorted(self.ask(query)):
            group = self.group(seq)
            if group is not None:
                yield group

    # Tables

    def get(self, table: str, key: str) -> Row | None:
        """Return one row."""
        model: Any = PROJECTIONS[table]
        found = self.ask(model.select().where(model.key == self.to_text(key)))
        return self._asked_for(self.to_row(table, found[0]), {}, key) if found else None

    def list(
        self,
        table: str,
        where: Mapping[str, str | int],
        *,
        after: str | None,
        limit: int,
        newest_first: bool = False,
    ) -> builtins.list[Row]:
        """Return rows in key order, beginning behind `after`."""
        if unknown := set(where) - set(TABLES[table]):
            raise KeyError(f"{table} has no column {unknown}")
        model: Any = PROJECTIONS[table]
        query = model.select().order_by(model.key.desc() if newest_first else model.key)
        for column, value in where.items():
            stored = self.to_text(value) if isinstance(value, str) else value
            query = query.where(getattr(model, column) == stored)
        if after is not None:
            key = self.to_text(after)
            query = query.where(model.key < key if newest_first else model.key > key)
        found = self.ask(query.limit(limit))
        return [self._asked_for(self.to_row(table, values), where) for values in found]

    def _asked_for(self, row: Row, where: Mapping[str, str | int], key: str | None = None) -> Row:
        if key not in (None, row.key) or any(row.columns.get(c) != v for c, v in where.items()):
            raise StorageFault(CorruptRow(row.table, row.key, _MISLED))
        return row

    def older(self, table: str, before: int, *, limit: int) -> builtins.list[str]:
        """Return the keys of the rows with a `created` before a time, the oldest first."""
        if "created" not in TABLES[table]:
            raise KeyError(f"{table} has no column created")
        model: Any = PROJECTIONS[table]
        query = model.select().where(model.created < before)
        found = self.ask(query.order_by(model.created, model.key).limit(limit))
        rows = [self.to_row(table, values) for values in found]
        for row in rows:
            created = row.columns.get("created")
            if not isinstance(created, int) or created >= before:
                raise StorageFault(CorruptRow(table, row.key, _MISLED))
        return [row.key for row in rows]

    # Modules

    def modules(self) -> builtins.list[str]:
        """Return the digests of the modules kept."""
        return [digest for (digest,) in self.ask(Blobs.select(Blobs.digest).order_by(Blobs.digest))]

    def module(self, digest: str) -> bytes | None:
        """Return a module's bytes."""
        found = self.ask(Blobs.select().where(Blobs.digest == digest))
        return to_module((digest, found[0][1])) if found else None

    # Checks

    def verify(self) -> Iterator[str]:
        """Yield a sentence for each thing that is wrong with the database, and with what is in it."""
        parts = [self.examine, self._verify_groups, self._verify_index, self._verify_modules]
        for part in parts:
            yield from _sentences(part())
        for table in PROJECTIONS:
            yield from _sentences(self._verify_table(table))

    def _verify_groups(self) -> Iterator[str]:
        due = first = self.first_group()
        for page in self._pages(Groups, (Groups.seq,), Groups.seq):
            for (seq,) in page:
                if seq > due >= first > 0:
                    missing = (
                        f"group {due} is" if seq == due + 1 else f"groups {due} to {seq - 1} are"
                    )
                    yield f"Of the journal {missing} missing."
                due = seq + 1
                yield from _verdict(self.group, seq)

    def _verify_index(self) -> Iterator[str]:
        for page in self._pages(Entries, (), Entries.key, Entries.first):
            for values in page:
                yield from _verdict(to_groups, values)
        for values in self.ask(Marks.select()):
            yield from _verdict(to_mark, values)

    def _verify_modules(self) -> Iterator[str]:
        for digest in self.modules():
            yield from _verdict(self.module, digest)

    def _verify_table(self, table: str) -> Iterator[str]:
        model: Any = PROJECTIONS[table]
        for page in self._pages(model, (), model.key):
            for values in page:
                yield from _verdict(lambda read: self.to_row(table, read), values)

    def _pages(
        self, model: Any, columns: tuple[Any, ...], *key: Any
    ) -> Iterator[builtins.list[tuple[Any, ...]]]:
        """Yield all rows of a table, some at a time; ends where keys don't ascend, which `examine` tells of."""
        query = model.select(*columns).order_by(*key).limit(_MANY)
        page = self.ask(query)
        while page:
            yield page
            behind = page[-1][: len(key)]
            page = self.ask(
                query.where(Tuple(*key) > behind if len(key) > 1 else key[0] > behind[0])
            )
            if page and page[0][: len(key)] <= behind:
                return


def _verdict(read: Callable[[Any], object], what: Any) -> Iterator[str]:
    try:
        read(what)
    except StorageFault as fault:
        yield str(fault.error)


def _sentences(found: Iterable[str]) -> Iterator[str]:
    """Pass sentences on, and end with one more where the database can't be read further."""
    try:
        yield from found
    except StorageFault as fault:
        yield str(fault.error)
