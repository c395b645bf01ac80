"""Connections to one PostgreSQL database: one that writes and holds the database for its node, and a pool that reads.

Rules:
- Who writes holds an advisory lock of the server, for the schema. It is free as soon as the server knows that the
  connection is gone; one of this node's own earlier connections that the server still has is ended.
- Nothing waits for ever: to connect, to be answered and to get a lock have their limits, on this side of the network
  and, where it can, on the server's.
- What was written on a connection that broke is written once more on a new one, then given back as a failure. All that
  is written may be written twice.
- A caller sees no `psycopg.Error`: it gets a storage error as a value, or `StorageFault` where no Result fits.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import psycopg
from caxton_core.errors import StorageError, StorageFault, StorageUnavailable
from caxton_core.ports import Durability
from peewee import PeeweeException
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout
from returns.result import Failure, Result, Success

from caxton_plugins.storages import postgres_schemas
from caxton_plugins.storages.migrations import SCHEMA
from caxton_plugins.storages.postgres_errors import Sayings, was_lost
from caxton_plugins.storages.postgres_locks import Refused, take_lock
from caxton_plugins.storages.postgres_sessions import set_up, set_up_reader, set_up_writer
from caxton_plugins.storages.postgres_statements import Statement
from caxton_plugins.storages.postgres_waits import (
    CONNECT_SECONDS,
    KEPT_ALIVE,
    PATIENT_SECONDS,
    Connection,
    was_slow,
)

T = TypeVar("T")

READERS: Final = 4
_DONE: Result[None, StorageError] = Success(None)
_CLOSED = StorageUnavailable("it is closed")
_READING = StorageUnavailable("it was opened only to be read")


class _Broken(Refused):
    """The connection broke under what was written."""


class Connections:
    """Everything Caxton has open of one database; safe to use from several threads."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        sayings: Sayings,
        schema: str,
        durability: Durability,
        *,
        read_only: bool = False,
    ) -> None:
        self._read_only = read_only
        name = f"{parameters.get('application_name', 'caxton')}"[:40]
        self._name = f"{name} {secrets.token_hex(6)}"
        self._parameters = {**KEPT_ALIVE, **parameters, "application_name": self._name}
        self._sayings = sayings
        self._schema = schema
        self._durability: Durability = durability
        self._lock = threading.Lock()
        self._writer: Connection | None = None
        self._pool: ConnectionPool[Connection] | None = None
        self.migrated = (0, SCHEMA)
        """The version of the tables that `open` found, and the one they have now."""

    # Life

    def open(self) -> Result[None, StorageError]:
        """Connect, get the lock, create or migrate the tables, and open the pool; only the last, to read."""
        with self._lock:
            try:
                if self._read_only:
                    self._look()
                else:
                    self._writer = self._connect(self._prepare)
            except (Refused, psycopg.Error, PeeweeException) as error:
                return Failure(self._error(error))
        self._pool = ConnectionPool(
            connection_class=Connection,
            kwargs={**self._parameters, "autocommit": True},
            configure=lambda connection: set_up_reader(connection, self._schema),
            min_size=0,
            max_size=READERS,
            max_idle=60.0,
            timeout=CONNECT_SECONDS,
            reconnect_timeout=CONNECT_SECONDS,
            name="caxton",
            open=True,
        )
        return _DONE

    def close(self) -> None:
        """Close every connection, which frees the lock."""
        if self._pool is not None:
            self._pool.close(timeout=CONNECT_SECONDS)
            self._pool = None
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # The connection that writes

    def _connect(self, prepare: Callable[[Connection], None] | None = None) -> Connection:
        """Make a connection that holds the lock."""
        connection = Connection.connect(**self._parameters, autocommit=True)
        try:
            take_lock(connection, self._schema, self._name, self._sayings.place)
            if prepare is not None:
                prepare(connection)
            set_up_writer(connection, self._schema, self._durability)
        except BaseException:  # whatever it was, no connection is left behind
            connection.close()
            raise
        return connection

    def _look(self) -> None:
        """See that the tables are those that this Caxton reads, and change nothing."""
        with Connection.connect(**self._parameters, autocommit=True) as connection:
            set_up_reader(connection, self._schema)
            found = postgres_schemas.look(connection, self._schema, self._sayings.place)
        self.migrated = (found, found)

    def _prepare(self, connection: Connection) -> None:
        """Create or migrate the tables."""
        found = postgres_schemas.prepare(connection, self._schema, self._sayings.place)
        self.migrated = (found, SCHEMA)

    def write(
        self,
        make: Callable[[Connection], Sequence[Statement]],
        done: Callable[[Connection], None],
    ) -> Result[None, StorageError]:
        """Run statements as one transaction, once more on a new connection when the old one breaks.

        `make` is called with the connection, which it may ask what is there; `done` when they are committed, before
        anybody else writes.
        """
        with self._lock:
            if self._pool is None:
                return Failure(_CLOSED)
            if self._read_only:
                return Failure(_READING)
            try:
                return self._try(make, done)
            except _Broken:
                try:
                    return self._try(make, done)
                except _Broken as broken:
                    return Failure(broken.error)

    def _try(
        self,
        make: Callable[[Connection], Sequence[Statement]],
        done: Callable[[Connection], None],
    ) -> Result[None, StorageError]:
        """Try once; raises `_Broken` when it is the connection that failed, and a new one may fare better."""
        fresh = self._writer is None
        try:
            if self._writer is None:
                self._writer = self._connect()
            writer = self._writer
            self._transact(writer, make(writer))
        except (Refused, psycopg.Error) as error:
            failed = self._error(error)
            lost = isinstance(error, Refused) or was_lost(error)
            if lost or not self._roll_back():
                self._drop()
            # One that was made just now, or did not answer in time, is no better the second time.
            if lost and not fresh and not was_slow(error):
                raise _Broken(failed) from None
            return Failure(failed)
        except BaseException:  # whatever it was, no transaction stays open
            if not self._roll_back():
                self._drop()
            raise
        done(writer)
        return _DONE

    def _roll_back(self) -> bool:
        """End the transaction that failed; tell whether the connection can be used further."""
        writer = self._writer
        if writer is None or writer.broken:
            return False
        try:
            if writer.info.transaction_status != TransactionStatus.IDLE:
                writer.execute("ROLLBACK")
        except psycopg.Error:
            return False
        return writer.info.transaction_status == TransactionStatus.IDLE

    def _transact(self, writer: Connection, statements: Sequence[Statement]) -> None:
        # One journey to the server and back for all of it.
        with writer.pipeline():
            writer.execute("BEGIN")
            for sql, values in statements:
                writer.execute(sql, values)
            writer.execute("COMMIT")

    @contextmanager
    def apart(self) -> Iterator[Connection]:
        """Lend a connection of its own for work that takes long; raises `StorageFault`."""
        try:
            with Connection.connect(**self._parameters, autocommit=True) as connection:
                connection.patience = PATIENT_SECONDS
                set_up(connection, "search_path", self._schema)
                yield connection
        except psycopg.Error as error:
            raise StorageFault(self._error(error)) from None

    # Reading

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query on a connection of the pool; dead ones in it are passed over."""
        pool = self._pool
        if pool is None:
            raise StorageFault(_CLOSED)
        for tries_left in range(READERS, -1, -1):
            try:
                with pool.connection() as reader:
                    cursor = reader.cursor(binary=True)
                    return cursor.execute(sql, values).fetchall()
            except PoolClosed:
                raise StorageFault(_CLOSED) from None
            except PoolTimeout:
                reason = f"{self._sayings.place}: no connection within {CONNECT_SECONDS} s"
                raise StorageFault(StorageUnavailable(reason)) from None
            except psycopg.Error as error:
                if not tries_left or not was_lost(error) or was_slow(error):
                    # Without its cause, whose text may have the password in it.
                    raise StorageFault(self._error(error)) from None
        raise AssertionError("the last try always ends")

    def _error(self, error: Exception) -> StorageError:
        if isinstance(error, Refused):
            return error.error
        if isinstance(error, PeeweeException):
            inner = error.__context__
            if not isinstance(inner, psycopg.Error):
                raise error
            error = inner
        return self._sayings.of(error)
