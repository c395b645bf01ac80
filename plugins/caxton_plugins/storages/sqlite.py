"""The default storage: one SQLite file in WAL mode.

Rules:
- `disk` is synchronous=FULL (a commit is on the disk when it returns), `process` is NORMAL (survives kill -9, not a
  power cut), `memory` is OFF.
- Every group read is checked against its checksum.
- While the interpreter is busy, its lock costs the writing thread up to a switch interval at each call of sqlite3:
  so a commit is as few statements as possible, with many rows in one.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from struct import unpack
from typing import Any

from caxton_core.errors import InvalidSetting, StorageError, StorageFault
from caxton_core.hookspecs import StorageKind, StorageOptions, hookimpl
from caxton_core.ids import ModuleDigest
from caxton_core.ports import TABLES, Durability, Group, IndexEntry, Row, Storage
from peewee import fn
from returns.result import Failure, Result, Success

from caxton_plugins.storages.connections import Connections
from caxton_plugins.storages.models import PROJECTIONS, Blobs, Entries, Groups, Marks
from caxton_plugins.storages.statements import (
    forget_groups,
    forget_projections,
    insert_group,
    put_blob,
    put_entries,
    put_mark,
    put_rows,
    to_group,
    to_row,
)

caxton_api = 1

_PAGE = 8
"""Groups fetched by one query."""
_FORGOTTEN, _FORGOTTEN_BYTES = 64, 8 * 1024 * 1024
"""The most groups, and bytes of them, that are forgotten in one transaction."""
_GIVEN_BACK = 128
"""The most pages that are given back in one transaction."""
_PAUSE = 0.001
"""Seconds in which a commit that waits gets its turn."""


class SqliteStorage:
    """Journal, index and tables in the file `path`."""

    name = "sqlite"
    blocks = True

    def __init__(self, path: str | Path, *, durability: Durability = "disk") -> None:
        self.path = Path(path)
        self.durability: Durability = durability
        self._db = Connections(self.path, durability)
        self._last = 0

    def open(self) -> Result[None, StorageError]:
        """Open the file, creating or migrating the tables."""
        opened = self._db.open()
        if isinstance(opened, Success):
            self._last = self._db.read("SELECT coalesce(max(seq), 0) FROM groups")[0][0]
        return opened

    @property
    def migrated(self) -> tuple[int, int]:
        """Return the version of the tables that `open` found, and the one they have now."""
        return self._db.migrated

    def close(self) -> None:
        """Close the file; reads fail from then on."""
        self._db.close()

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Result[None, StorageError]:
        """Commit groups and rows in one transaction; groups that are there already are passed over."""
        new = [group for group in groups if group.seq > self._last]
        for number, group in enumerate(new, start=self._last + 1):
            if group.seq != number:
                raise ValueError(f"group {group.seq} does not follow {number - 1}")
        done = self._db.commit([*map(insert_group, new), *put_rows(rows)])
        if new and isinstance(done, Success):
            self._last = new[-1].seq
        return done

    def index(self, entries: Sequence[IndexEntry], upto: int) -> Result[None, StorageError]:
        """Store index entries that cover every group up to `upto`."""
        return self._db.commit([*put_entries(entries), put_mark("indexed_upto", upto)])

    def indexed_upto(self) -> int:
        """Return the last group the index covers."""
        found = self._ask(Marks.select(Marks.value).where(Marks.name == "indexed_upto"))
        return int(found[0][0]) if found else 0

    def find(self, key: str) -> list[int]:
        """Return the numbers of the indexed groups in which `key` occurs."""
        numbers: set[int] = set()
        for (packed,) in self._ask(Entries.select(Entries.groups).where(Entries.key == key)):
            numbers.update(unpack(f"<{len(packed) // 4}I", packed))
        first = self.first_group()
        return sorted(number for number in numbers if number >= first)

    def last_group(self) -> int:
        """Return the number of the newest group."""
        return self._last

    def first_group(self) -> int:
        """Return the number of the oldest group that is kept."""
        return int(self._db.read("SELECT coalesce(min(seq), 0) FROM groups")[0][0])

    def prune(self, upto: int) -> Result[None, StorageError]:
        """Forget the groups up to `upto`, but for the newest, in transactions short enough not to hold commits up."""
        upto = min(upto, self._last - 1)
        while numbers := self._next_to_forget(upto):
            forgotten = self._db.commit([*forget_groups(numbers[-1])])
            if isinstance(forgotten, Failure):
                return forgotten
            time.sleep(_PAUSE)
        more: Result[bool, StorageError] = Success(True)
        while more == Success(True):
            more = self._db.give_back(_GIVEN_BACK)
            time.sleep(_PAUSE)
        return more.map(lambda _: None)

    def _next_to_forget(self, upto: int) -> builtins.list[int]:
        query = Groups.select(Groups.seq, fn.length(Groups.blob)).where(Groups.seq <= upto)
        numbers: list[int] = []
        room = _FORGOTTEN_BYTES
        for seq, size in self._ask(query.order_by(Groups.seq).limit(_FORGOTTEN)):
            if numbers and size > room:
                break
            room -= size
            numbers.append(seq)
        return numbers

    def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
        """Yield groups in order, those committed meanwhile included."""
        while True:
            query = Groups.select().where(Groups.seq > after).order_by(Groups.seq).limit(_PAGE)
            page = self._ask(query if upto is None else query.where(Groups.seq <= upto))
            for values in page:
                yield to_group(values)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def group(self, seq: int) -> Group | None:
        """Return one group."""
        found = self._ask(Groups.select().where(Groups.seq == seq))
        return to_group(found[0]) if found else None

    def groups_between(self, first_time: int, last_time: int) -> Iterator[Group]:
        """Yield the groups that touch a span of time, in order."""
        longest = self._db.read("SELECT max(last_time - first_time) FROM groups")[0][0] or 0
        query = Groups.select(Groups.seq).where(
            Groups.last_time.between(first_time, last_time + longest),
            Groups.first_time <= last_time,
        )
        for (seq,) in sorted(self._ask(query)):
            group = self.group(seq)
            if group is not None:
                yield group

    def get(self, table: str, key: str) -> Row | None:
        """Return one row."""
        model: Any = PROJECTIONS[table]
        found = self._ask(model.select().where(model.key == key))
        return to_row(table, found[0]) if found else None

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
            query = query.where(getattr(model, column) == value)
        if after is not None:
            query = query.where(model.key < after if newest_first else model.key > after)
        return [to_row(table, values) for values in self._ask(query.limit(limit))]

    def older(self, table: str, before: int, *, limit: int) -> builtins.list[str]:
        """Return the keys of the rows with a `created` before a time, the oldest first."""
        if "created" not in TABLES[table]:
            raise KeyError(f"{table} has no column created")
        model: Any = PROJECTIONS[table]
        query = model.select(model.key).where(model.created < before)
        return [key for (key,) in self._ask(query.order_by(model.created, model.key).limit(limit))]

    def clear_projections(self) -> Result[None, StorageError]:
        """Forget every row and the whole index."""
        return self._db.commit([*forget_projections()])

    def verify(self) -> Iterator[str]:
        """Yield a sentence for each thing that is wrong with the file, its groups and its modules."""
        try:
            for (said,) in self._db.read("PRAGMA integrity_check"):
                if said != "ok":
                    yield f"{self.path} is damaged: {said}."
            for (seq,) in self._ask(Groups.select(Groups.seq).order_by(Groups.seq)):
                try:
                    self.group(seq)
                except StorageFault as fault:
                    yield str(fault.error)
            for digest in self.modules():
                data = self.module(digest)
                if data is not None and ModuleDigest.of(data) != digest:
                    yield f"Module {digest} is corrupt: its bytes do not match its digest."
        except StorageFault as fault:
            yield str(fault.error)

    def modules(self) -> builtins.list[str]:
        """Return the digests of the modules kept."""
        return [
            digest for (digest,) in self._ask(Blobs.select(Blobs.digest).order_by(Blobs.digest))
        ]

    def put_module(self, digest: str, data: bytes) -> Result[None, StorageError]:
        """Keep a module's bytes."""
        return self._db.commit([put_blob(digest, data)])

    def module(self, digest: str) -> bytes | None:
        """Return a module's bytes."""
        found = self._ask(Blobs.select(Blobs.data).where(Blobs.digest == digest))
        return bytes(found[0][0]) if found else None

    def delete_module(self, digest: str) -> Result[None, StorageError]:
        """Forget a module's bytes."""
        return self._db.commit([Blobs.delete().where(Blobs.digest == digest).sql()])

    def size(self) -> int:
        """Return the bytes of the pages in use."""
        sizes = [
            self._db.read(f"PRAGMA {of}")[0][0]
            for of in ("page_count", "freelist_count", "page_size")
        ]
        return int((sizes[0] - sizes[1]) * sizes[2])

    def _ask(self, query: Any) -> builtins.list[tuple[Any, ...]]:
        return self._db.read(*query.sql())


def make(options: StorageOptions) -> Result[Storage, StorageError | InvalidSetting]:
    """Make the storage for a URL: `sqlite:///relative/path`, `sqlite:////absolute/path`."""
    path = options.url.partition(":")[2].removeprefix("///")
    if not path or path.startswith("//"):
        return Failure(InvalidSetting("storage", "url", f"{options.url!r} is not sqlite:///PATH"))
    return Success(SqliteStorage(path, durability=options.durability))


@hookimpl
def caxton_storages() -> Sequence[StorageKind]:
    """Add the storage for URLs that begin with `sqlite:`."""
    return [StorageKind("sqlite", ("sqlite",), make)]
