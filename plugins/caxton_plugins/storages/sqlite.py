"""The default storage: one SQLite file in WAL mode.

Rules:
- `disk` is synchronous=FULL (a commit is on the disk when it returns), `process` is NORMAL (survives kill -9, not a
  power cut), `memory` is OFF.
- After a commit that failed the file is asked what it has: a write-ahead log that could not be made safe may hold it.
- While the interpreter is busy, its lock costs the writing thread up to a switch interval at each call of sqlite3:
  so a commit is as few statements as possible, with many rows in one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from caxton_core.errors import InvalidSetting, StorageError, StorageFault
from caxton_core.hookspecs import StorageKind, StorageOptions, hookimpl
from caxton_core.ports import Durability, Group, IndexEntry, Row, Storage
from peewee import SqliteDatabase
from returns.result import Failure, Result, Success

from caxton_plugins.storages.connections import Connections
from caxton_plugins.storages.sql import SqlReader
from caxton_plugins.storages.statements import (
    forget_groups,
    forget_later_groups,
    forget_projections,
    insert_group,
    put_blob,
    put_entries,
    put_mark,
    put_rows,
)

caxton_api = 1

_GIVEN_BACK = 128
"""The most pages that are given back in one transaction."""
_PAUSE = 0.001
"""Seconds in which a commit that waits gets its turn."""


class SqliteStorage(SqlReader):
    """Journal, index and tables in the file `path`."""

    name = "sqlite"
    blocks = True
    dialect = SqliteDatabase(None)

    def __init__(
        self, path: str | Path, *, durability: Durability = "disk", read_only: bool = False
    ) -> None:
        self.path = Path(path)
        self.durability: Durability = durability
        self.read_only = read_only
        self._db = Connections(self.path, durability, read_only=read_only)
        self._last = 0
        self._sure = False

    def open(self) -> Result[None, StorageError]:
        """Open the file, creating or migrating the tables."""
        opened = self._db.open()
        if isinstance(opened, Success):
            opened = self._look()
            if isinstance(opened, Failure):
                self.close()
        return opened

    def _look(self) -> Result[None, StorageError]:
        """Ask the file for its newest group."""
        try:
            self._last = self._newest()
        except StorageFault as fault:
            return Failure(fault.error)
        self._sure = True
        return Success(None)

    def _newest(self) -> int:
        return int(self.read("SELECT coalesce(max(seq), 0) FROM groups")[0][0])

    @property
    def migrated(self) -> tuple[int, int]:
        """Return the version of the tables that `open` found, and the one they have now."""
        return self._db.migrated

    def close(self) -> None:
        """Close the file; reads fail from then on."""
        self._db.close()

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Result[None, StorageError]:
        """Commit groups and rows in one transaction; groups that are there already are passed over."""
        looked = Success(None) if self._sure else self._look()
        if isinstance(looked, Failure):
            return looked
        new = [group for group in groups if group.seq > self._last]
        follows = self._last or (new[0].seq - 1 if new else 0)
        for number, group in enumerate(new, start=follows + 1):
            if group.seq != number:
                raise ValueError(f"group {group.seq} does not follow {number - 1}")
        done = self._db.commit([*map(insert_group, new), *put_rows(rows)])
        self._sure = isinstance(done, Success)
        if new and self._sure:
            self._last = new[-1].seq
        return done

    def index(self, entries: Sequence[IndexEntry], upto: int) -> Result[None, StorageError]:
        """Store index entries that cover every group up to `upto`."""
        return self._db.commit([*put_entries(entries), put_mark("indexed_upto", upto)])

    def last_group(self) -> int:
        """Return the number of the newest group."""
        # Beside somebody who writes only the file knows.
        return self._newest() if self.read_only else self._last

    def prune(self, upto: int) -> Result[None, StorageError]:
        """Forget the groups up to `upto`, but for the newest, in transactions short enough not to hold commits up."""
        upto = min(upto, self._last - 1)
        try:
            while oldest := self.oldest(upto):
                forgotten = self._db.commit([*forget_groups(oldest[-1][0])])
                if isinstance(forgotten, Failure):
                    return forgotten
                time.sleep(_PAUSE)
        except StorageFault as fault:
            return Failure(fault.error)
        more: Result[bool, StorageError] = Success(True)
        while more == Success(True):
            more = self._db.give_back(_GIVEN_BACK)
            time.sleep(_PAUSE)
        return more.map(lambda _: None)

    def truncate(self, after: int) -> Result[None, StorageError]:
        """Forget the groups behind `after`, and that the index covers them."""
        try:
            indexed = min(self.indexed_upto(), after)
        except StorageFault:
            # It can't be read, and is built anew.
            indexed = 0
        self._sure = False
        done = self._db.commit([forget_later_groups(after), put_mark("indexed_upto", indexed)])
        return done.bind(lambda _: self._look())

    def clear_projections(self, rows: Sequence[Row] = ()) -> Result[None, StorageError]:
        """Forget every row but `rows`, and the whole index."""
        return self._db.commit([*forget_projections(), *put_rows(rows)])

    def examine(self) -> Iterator[str]:
        """Yield what SQLite itself finds wrong with the file."""
        for (said,) in self.read("PRAGMA integrity_check"):
            if said != "ok":
                yield f"{self.path} is damaged: {said}."

    def put_module(self, digest: str, data: bytes) -> Result[None, StorageError]:
        """Keep a module's bytes."""
        return self._db.commit([put_blob(digest, data)])

    def delete_module(self, digest: str) -> Result[None, StorageError]:
        """Forget a module's bytes."""
        return self._db.commit([("DELETE FROM blobs WHERE digest = ?", (digest,))])

    def size(self) -> int:
        """Return the bytes of the pages in use."""
        sizes = [
            self.read(f"PRAGMA {of}")[0][0] for of in ("page_count", "freelist_count", "page_size")
        ]
        return int((sizes[0] - sizes[1]) * sizes[2])

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query on a connection of its own."""
        return self._db.read(sql, values)


def make(options: StorageOptions) -> Result[Storage, StorageError | InvalidSetting]:
    """Make the storage for a URL: `sqlite:///relative/path`, `sqlite:////absolute/path`."""
    path = options.url.partition(":")[2].removeprefix("///")
    if not path or path.startswith("//"):
        return Failure(InvalidSetting("storage", "url", f"{options.url!r} is not sqlite:///PATH"))
    return Success(SqliteStorage(path, durability=options.durability, read_only=options.read_only))


@hookimpl
def caxton_storages() -> Sequence[StorageKind]:
    """Add the storage for URLs that begin with `sqlite:`."""
    return [StorageKind("sqlite", ("sqlite",), make)]
