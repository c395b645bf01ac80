"""The schema of a PostgreSQL database that Caxton's tables are in: looked at, or created and migrated.

Rules:
- Tables of another program, and those of a later Caxton, are refused untouched.
"""

from __future__ import annotations

import logging

import psycopg
from caxton_core.errors import DatabaseTooNew, Unreadable
from peewee import PostgresqlDatabase

from caxton_plugins.storages.migrations import SCHEMA, migrate, version
from caxton_plugins.storages.postgres_locks import Refused
from caxton_plugins.storages.postgres_sessions import set_up
from caxton_plugins.storages.postgres_waits import ANSWER_SECONDS, PATIENT_SECONDS, Connection

_log = logging.getLogger(__name__)


class _Lent(PostgresqlDatabase):
    """Peewee's view of a connection that is open already; it is never closed through it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__("lent", prefer_psycopg3=True)
        self._connection = connection

    def _connect(self) -> Connection:
        return self._connection


def look(connection: Connection, schema: str, place: str) -> int:
    """Return the version of the tables; raises `Refused` unless they are those that this Caxton reads."""
    found = _version(_lent(connection), schema, place)
    if found != SCHEMA:
        said = (
            f"its tables have version {found}, not {SCHEMA}: `caxton db migrate` brings them there"
        )
        raise Refused(Unreadable(place, said if found else "it has no tables"))
    return found


def prepare(connection: Connection, schema: str, place: str) -> int:
    """Create or migrate the tables; return the version they had, 0 for none, or raise `Refused`."""
    connection.patience = PATIENT_SECONDS
    exists = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
    if connection.execute(exists, (schema,)).fetchone() is None:
        create = psycopg.sql.SQL("CREATE SCHEMA {}").format(psycopg.sql.Identifier(schema))
        connection.execute(create)
    set_up(connection, "search_path", schema)
    set_up(connection, "client_min_messages", "warning")
    database = _lent(connection)
    found = _version(database, schema, place)
    migrate(database, found)
    if connection.execute("SHOW fsync").fetchone() == ("off",):
        _log.warning("%s has fsync off: a power cut may lose what it has committed", place)
    connection.patience = ANSWER_SECONDS
    return found


def _lent(connection: Connection) -> _Lent:
    database = _Lent(connection)
    database.connect()
    return database


def _version(database: _Lent, schema: str, place: str) -> int:
    found = version(database)
    if found < 0:
        raise Refused(
            Unreadable(f"{place}, schema {schema}", "the tables in it are another program's")
        )
    if found > SCHEMA:
        raise Refused(DatabaseTooNew(place, found, SCHEMA))
    return found
