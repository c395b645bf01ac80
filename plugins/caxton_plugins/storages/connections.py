"""Connections to one SQLite file: one that writes, and a stack of idle ones that read.

Rules:
- A reader is lent for one query, so no read keeps the log from being checkpointed.
- A caller sees no `sqlite3.Error`: it gets a storage error as a value, or `StorageFault` where no Result fits.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from caxton_core.errors import (
    DatabaseTooNew,
    StorageError,
    StorageFault,
    StorageFull,
    StorageUnavailable,
    Unreadable,
)
from caxton_core.ports import Durability
from peewee import PeeweeException, SqliteDatabase
from returns.result import Failure, Result, Success

from caxton_plugins.storages.migrations import SCHEMA, migrate, version
from caxton_plugins.storages.statements import Statement

_SYNCHRONOUS: Mapping[Durability, str] = {"disk": "FULL", "process": "NORMAL", "memory": "OFF"}
_BUSY_SECONDS = 5.0
# What is appended next would only make the file grow again.
_RESERVE_PAGES = 256
_RESERVE_SHARE = 8
_DONE: Result[None, StorageError] = Success(None)
_CLOSED = StorageUnavailable("it is closed")
_READING = StorageUnavailable("it was opened only to be read")

_FULL = frozenset({sqlite3.SQLITE_FULL})
# A write that a quota or a limit on file sizes refuses is reported like this, not as SQLITE_FULL.
_REFUSED = frozenset({sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
_USELESS = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_AUTH,
    }
)
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class _Lent(SqliteDatabase):
    """Peewee's view of a connection that is open already; it is never closed through it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(":memory:")
        self._connection = connection

    def _connect(self) -> sqlite3.Connection:
        return self._connection


class Connections:
    """Everything Caxton has open of the file `path`; safe to use from several threads."""

    def __init__(self, path: Path, durability: Durability, *, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self._durability: Durability = durability
        self._lock = threading.Lock()
        self._lending = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []
        self._closed = True
        self.migrated = (0, SCHEMA)
        """The version of the tables that `open` found, and the one they have now."""

    def open(self) -> Result[None, StorageError]:
        """Open the file for writing, creating or migrating the tables; or as it is, only to be read."""
        if self._read_only and not self.path.exists():
            return Failure(Unreadable(str(self.path), "there is no such file"))
        try:
            writer = self._connect()
        except sqlite3.Error as error:
            return Failure(self._error(error))
        try:
            refused = self._prepare(writer)
        except sqlite3.Error as error:
            refused = self._error(error)
        except PeeweeException as error:
            # What went wrong in SQLite is inside; anything else is a bug.
            inner = error.__context__
            if not isinstance(inner, sqlite3.Error):
                raise
            refused = self._error(inner)
        if refused is not None:
            writer.close()
            return Failure(refused)
        if self._read_only:
            self._idle.append(writer)
        else:
            self._writer = writer
        self._closed = False
        return _DONE

    def _prepare(self, writer: sqlite3.Connection) -> StorageError | None:
        database = _Lent(writer)
        database.connect()
        found = version(database)
        if found < 0:
            return Unreadable(str(self.path), "it is another program's database")
        if found > SCHEMA:
            return DatabaseTooNew(str(self.path), found, SCHEMA)
        if self._read_only:
            self.migrated = (found, found)
            return None if found == SCHEMA else self._outdated(found)
        if found == 0:
            writer.execute("PRAGMA page_size = 16384")
            writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self._durability]}")
        writer.execute("PRAGMA wal_autocheckpoint = 1024")
        # 8 MiB: it appends, and would not look at more pages again.
        writer.execute("PRAGMA cache_size = -8192")
        migrate(database, found)
        self.migrated = (found, SCHEMA)
        # From here on a transaction begins by itself: fewer calls than by hand.
        writer.isolation_level = "IMMEDIATE"
        return None

    def _outdated(self, found: int) -> StorageError:
        said = (
            f"its tables have version {found}, not {SCHEMA}: `caxton db migrate` brings them there"
        )
        return Unreadable(str(self.path), said if found else "it has no tables")

    def _connect(self) -> sqlite3.Connection:
        place = self.path.absolute().as_uri()
        if self._read_only:
            place += "?mode=ro"
        return sqlite3.connect(
            place,
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )

    @property
    def _shut(self) -> StorageError:
        return _READING if self._read_only else _CLOSED

    def close(self) -> None:
        """Close every connection that is not lent; lent ones close when they come back."""
        with self._lending:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def commit(self, statements: Sequence[Statement]) -> Result[None, StorageError]:
        """Run statements as one transaction."""
        with self._lock:
            writer = self._writer
            if writer is None:
                return Failure(self._shut)
            try:
                for sql, values in statements:
                    writer.execute(sql, values)
                writer.commit()
            except sqlite3.Error as error:
                failed = self._error(error)
                try:
                    writer.rollback()
                except sqlite3.Error as again:
                    failed = self._error(again)
                return Failure(failed)
            except BaseException:  # whatever it was, no transaction stays open
                writer.rollback()
                raise
            return _DONE

    def give_back(self, pages: int) -> Result[bool, StorageError]:
        """Return up to so many free pages to the file system, keeping some in reserve; tell whether there are more."""
        with self._lock:
            writer = self._writer
            if writer is None:
                return Failure(self._shut)
            try:
                free = writer.execute("PRAGMA freelist_count").fetchone()[0]
                used = writer.execute("PRAGMA page_count").fetchone()[0] - free
                spare = free - max(_RESERVE_PAGES, used // _RESERVE_SHARE)
                if spare <= 0:
                    return Success(False)
                # Each step of the statement returns one page, and only a script is run to its end.
                writer.executescript(f"PRAGMA incremental_vacuum({min(spare, pages)})")
                left = writer.execute("PRAGMA freelist_count").fetchone()[0]
            except sqlite3.Error as error:
                return Failure(self._error(error))
            # Files of the first schema were not made for it: there, free pages are only used again.
            return Success(spare > pages and left < free)

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query on a connection of its own."""
        reader = self._borrow()
        try:
            return reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageFault(self._error(error)) from error
        finally:
            with self._lending:
                keep = not self._closed
                if keep:
                    self._idle.append(reader)
            if not keep:
                reader.close()

    def _borrow(self) -> sqlite3.Connection:
        with self._lending:
            if self._closed:
                raise StorageFault(_CLOSED)
            if self._idle:
                return self._idle.pop()
        try:
            reader = self._connect()
        except sqlite3.Error as error:
            raise StorageFault(self._error(error)) from error
        try:
            reader.execute("PRAGMA query_only = 1")
        except sqlite3.Error as error:
            reader.close()
            raise StorageFault(self._error(error)) from error
        return reader

    def _error(self, error: sqlite3.Error) -> StorageError:
        code = getattr(error, "sqlite_errorcode", 0)
        primary = code & 0xFF
        if primary in _FULL or code in _REFUSED:
            return StorageFull(f"{self.path} can't grow ({error})")
        if primary in _USELESS:
            return Unreadable(str(self.path), str(error))
        if primary in _BUSY:
            return StorageUnavailable(f"another program holds {self.path} ({error})")
        return StorageUnavailable(f"{self.path}: {error}")
