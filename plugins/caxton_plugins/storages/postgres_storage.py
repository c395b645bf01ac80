"""A storage in a PostgreSQL database.

Rules:
- `disk` is synchronous_commit on: a commit is on the server's disk when it returns. `process` and `memory` are off: a
  commit survives the end of this process. What the server could lose with it is kept here until it can't any more, and
  appended again when it was lost: only when both end at once the last moments are gone.
- A commit whose answer was lost may have been done: on a new connection the server is asked what it has. Groups that
  are there already are passed over, if they are the same.
- The journal has one writer. Groups that this node has not written are a reason to stop, not to go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import psycopg
from caxton_core.errors import (
    InvalidSetting,
    Locked,
    StorageError,
    StorageFault,
    Unreadable,
)
from caxton_core.ports import TABLES, Durability, Group, IndexEntry, Row, Storage
from peewee import PostgresqlDatabase
from psycopg.conninfo import conninfo_to_dict
from returns.result import Failure, Result, Success

from caxton_plugins.storages import postgres_statements as statements
from caxton_plugins.storages.postgres_connections import Connections
from caxton_plugins.storages.postgres_errors import Sayings, place_of
from caxton_plugins.storages.postgres_statements import Statement
from caxton_plugins.storages.postgres_texts import to_given, to_given_row, to_stored
from caxton_plugins.storages.postgres_unsafe import Unsafe
from caxton_plugins.storages.postgres_waits import Connection
from caxton_plugins.storages.sql import SqlReader
from caxton_plugins.storages.values import check_row, make_row

_PAUSE = 0.001
"""Seconds in which a commit that waits gets its turn."""
_VACUUM_BYTES, _VACUUM_SHARE = 4 * 1024 * 1024, 8
"""So many bytes, and a share so large of what is kept, are forgotten before the space is made usable again."""
_NEWEST = "SELECT coalesce(max(seq), 0) FROM groups"
_SAFELY: Statement = ("SET LOCAL synchronous_commit = on", ())


class PostgresStorage(SqlReader):
    """Journal, index and tables in a schema of a PostgreSQL database."""

    name = "postgres"
    blocks = True
    dialect = PostgresqlDatabase(None, prefer_psycopg3=True)

    def __init__(
        self,
        parameters: dict[str, Any],
        *,
        schema: str,
        durability: Durability,
        read_only: bool = False,
    ) -> None:
        self.durability: Durability = durability
        self.read_only = read_only
        self.place = place_of(parameters)
        sayings = Sayings(self.place, str(parameters.get("password", "")))
        self._db = Connections(parameters, sayings, schema, durability, read_only=read_only)
        self._last = self._there = 0
        self._compared: Connection | None = None
        self._unsafe = Unsafe(durability)
        self._forgotten = 0

    def open(self) -> Result[None, StorageError]:
        """Connect, creating or migrating the tables."""
        opened = self._db.open()
        if isinstance(opened, Failure):
            return opened
        try:
            self._last = self._there = self._newest()
        except StorageFault as fault:
            self.close()
            return Failure(fault.error)
        self._compared = None
        return opened

    @property
    def migrated(self) -> tuple[int, int]:
        """Return the version of the tables that `open` found, and the one they have now."""
        return self._db.migrated

    def close(self) -> None:
        """Close every connection; reads fail from then on."""
        if self._unsafe:
            self._write_safely(())
        self._db.close()

    # Writing

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Result[None, StorageError]:
        """Commit groups and rows in one transaction; groups that are there already are passed over."""
        safe = False

        def make(connection: Connection) -> list[Statement]:
            nonlocal safe
            self._must_follow(groups)
            made: list[Statement] = []
            if connection is not self._compared:
                made += self._again(connection, groups)
            made += self._put(groups, rows)
            safe = self._unsafe.too_many(groups, rows)
            return [*made, _SAFELY] if safe else made

        def done(connection: Connection) -> None:
            self._compared = connection
            if groups:
                self._last = self._there = max(self._last, groups[-1].seq)
            self._unsafe.keep(groups, rows, safe=safe)

        return self._write(make, done)

    def _must_follow(self, groups: Sequence[Group]) -> None:
        new = [group.seq for group in groups if group.seq > self._last]
        follows = self._last + 1 if self._last or not new else new[0]
        if new != list(range(follows, follows + len(new))):
            raise ValueError(f"groups {new} do not follow {self._last}")

    def _put(self, groups: Sequence[Group], rows: Sequence[Row]) -> Iterator[Statement]:
        yield from (statements.insert_group(group) for group in groups if group.seq > self._there)
        yield from statements.put_rows(rows)

    def _again(self, connection: Connection, groups: Sequence[Group]) -> Iterator[Statement]:
        """On a new connection, ask the server what it has; yield what puts there what it has lost."""
        newest = connection.execute(_NEWEST).fetchone()
        self._there = newest[0] if newest else 0
        new = "SELECT seq, checksum FROM groups WHERE seq > %s ORDER BY seq"
        mine = {group.seq: group.checksum for group in groups}
        for seq, checksum in connection.execute(new, (self._last,)):
            if mine.get(seq) != checksum:
                reason = f"another node has written its group {seq}; start this one anew"
                raise StorageFault(Locked(self.place, reason))
        if self._there >= self._last:
            return
        kept = self._unsafe.first_group()
        if not 0 < kept <= self._there + 1:
            reason = (
                f"it has lost the groups {self._there + 1} to {self._last}, which it had committed"
            )
            raise StorageFault(Unreadable(self.place, reason))
        for lost, rows in self._unsafe:
            yield from self._put(lost, rows)

    def _write(
        self,
        make: Callable[[Connection], Sequence[Statement]],
        done: Callable[[Connection], None],
    ) -> Result[None, StorageError]:
        try:
            return self._db.write(make, done)
        except StorageFault as fault:
            return Failure(fault.error)

    def _write_safely(self, made: Iterable[Statement]) -> Result[None, StorageError]:
        """Commit what this node does not keep: it, and all that was committed before it, is on the server's disk."""
        given = [*made, _SAFELY] if self.durability != "disk" else [*made]
        return self._write(lambda _: given, lambda _: self._unsafe.forget())

    def index(self, entries: Sequence[IndexEntry], upto: int) -> Result[None, StorageError]:
        """Store index entries that cover every group up to `upto`."""
        return self._write_safely(
            [*statements.put_entries(entries), statements.put_mark("indexed_upto", upto)]
        )

    def put_module(self, digest: str, data: bytes) -> Result[None, StorageError]:
        """Keep a module's bytes."""
        return self._write_safely([statements.put_blob(digest, data)])

    def delete_module(self, digest: str) -> Result[None, StorageError]:
        """Forget a module's bytes."""
        return self._write_safely([statements.delete_blob(digest)])

    def clear_projections(self, rows: Sequence[Row] = ()) -> Result[None, StorageError]:
        """Forget every row but `rows`, and the whole index."""
        return self._write_safely([statements.forget_projections(), *statements.put_rows(rows)])

    def truncate(self, after: int) -> Result[None, StorageError]:
        """Forget the groups behind `after`, and that the index covers them."""
        try:
            indexed = min(self.indexed_upto(), after)
        except StorageFault:
            # It can't be read, and is built anew.
            indexed = 0
        mark = statements.put_mark("indexed_upto", indexed)
        done = self._write_safely([statements.forget_later_groups(after), mark])
        if isinstance(done, Failure):
            return done
        try:
            self._last = self._there = self._newest()
        except StorageFault as fault:
            return Failure(fault.error)
        return done

    def prune(self, upto: int) -> Result[None, StorageError]:
        """Forget the groups up to `upto`, but for the newest, in transactions short enough not to hold commits up."""
        upto = min(upto, self._last - 1)
        try:
            while oldest := self.oldest(upto):
                forgotten = self._write(partial(_forget, oldest[-1][0]), lambda _: None)
                if isinstance(forgotten, Failure):
                    return forgotten
                self._forgotten += sum(size for _, size in oldest)
                time.sleep(_PAUSE)
            if self._forgotten > _VACUUM_BYTES and self._forgotten > self.size() // _VACUUM_SHARE:
                with self._db.apart() as connection:
                    for table in ("groups", "entries"):
                        connection.execute(f"VACUUM {table}")
                self._forgotten = 0
        except StorageFault as fault:
            return Failure(fault.error)
        return Success(None)

    # Reading

    def last_group(self) -> int:
        """Return the number of the newest group."""
        # Beside somebody who writes only the server knows.
        return self._newest() if self.read_only else self._last

    def _newest(self) -> int:
        return int(self.read(_NEWEST)[0][0])

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query on a connection of the pool."""
        return self._db.read(sql, values)

    def to_text(self, text: str) -> str:
        """Return a text as it is stored."""
        return to_stored(text)

    def to_key(self, stored: str) -> str | None:
        """Return a text as it was given, None where only a part of it is stored."""
        return to_given(stored)

    def to_row(self, table: str, values: Sequence[Any]) -> Row:
        """Read a row back."""
        key, *columns, body, checksum = values
        check_row(table, key, columns, body, checksum)
        (key, *columns), body = to_given_row([key, *columns], body)
        return make_row(table, key, columns, body)

    def examine(self) -> Iterator[str]:
        """Yield what the server has noticed: pages that did not match their checksums."""
        sql = "SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()"
        failures = self.read(sql)[0][0]
        if failures:
            yield f"{self.place} has read {failures} damaged pages since its statistics began."

    def size(self) -> int:
        """Return the bytes of groups, and of the tables and their indexes."""
        tables = ", ".join(f"('{name}')" for name in ("entries", "blobs", *TABLES))
        sql = (
            "SELECT (SELECT coalesce(sum(length(blob)), 0) FROM groups)"
            f" + (SELECT sum(pg_total_relation_size(name::regclass)) FROM (VALUES {tables}) AS t (name))"
        )
        return int(self.read(sql)[0][0])


def _forget(upto: int, _connection: Connection) -> list[Statement]:
    return [*statements.forget_groups(upto)]


def storage_for(
    url: str, schema: str, durability: Durability, *, read_only: bool = False
) -> Result[Storage, StorageError | InvalidSetting]:
    """Make a storage, without connecting."""
    address = url.partition("://")[2].partition("?")[0]
    if address.count("@") > 1 or "@" in address.partition("/")[2]:
        # What follows would be taken for a host or a database, and be named in errors.
        detail = "write what is special in the user's name and password as %40 for @, %2F for / and so on"
        return Failure(InvalidSetting("storage", "url", detail))
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.Error:
        # What is wrong with it may be said in words of the password's.
        detail = (
            "it is no URL as PostgreSQL takes it: postgresql://user:password@host:port/database"
        )
        return Failure(InvalidSetting("storage", "url", detail))
    return Success(
        PostgresStorage(parameters, schema=schema, durability=durability, read_only=read_only)
    )
