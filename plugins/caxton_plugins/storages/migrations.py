"""The numbered migrations of SQLite databases.

Rules:
- A migration that was released is never changed; a new one is added behind it.
- All pending migrations run in one transaction, with the new `schema_version`.
- The result is what `models.py` describes, plus the indexes; a test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_plugins.storages.statements import last_of

if TYPE_CHECKING:
    import sqlite3

_FIRST = (
    (
        "CREATE TABLE groups (seq INTEGER NOT NULL PRIMARY KEY, first_time INTEGER NOT NULL, last_time INTEGER NOT NULL,"
        " count INTEGER NOT NULL, checksum INTEGER NOT NULL, blob BLOB NOT NULL)"
    ),
    # A look-up by time goes to the groups that end behind it, no further than the longest group reaches back.
    "CREATE INDEX groups_time ON groups (last_time, first_time)",
    "CREATE INDEX groups_span ON groups (last_time - first_time)",
    (
        "CREATE TABLE entries (key TEXT NOT NULL, first INTEGER NOT NULL, groups BLOB NOT NULL, PRIMARY KEY (key, first))"
        " WITHOUT ROWID"
    ),
    "CREATE TABLE marks (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)",
    "CREATE TABLE blobs (digest TEXT NOT NULL PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE agents (key TEXT NOT NULL PRIMARY KEY, name TEXT, state TEXT, body BLOB NOT NULL)",
    "CREATE INDEX agents_name ON agents (name, key)",
    "CREATE TABLE deployments (key TEXT NOT NULL PRIMARY KEY, agent TEXT, state TEXT, body BLOB NOT NULL)",
    "CREATE INDEX deployments_agent ON deployments (agent, key)",
    (
        "CREATE TABLE conversations (key TEXT NOT NULL PRIMARY KEY, protocol TEXT, state TEXT, phase TEXT,"
        " created INTEGER, body BLOB NOT NULL)"
    ),
    "CREATE INDEX conversations_protocol ON conversations (protocol, key)",
    "CREATE INDEX conversations_state ON conversations (state, key)",
    "CREATE INDEX conversations_phase ON conversations (phase, key)",
    (
        "CREATE TABLE dead_letters (key TEXT NOT NULL PRIMARY KEY, reason TEXT, created INTEGER, receiver TEXT,"
        " body BLOB NOT NULL)"
    ),
    "CREATE INDEX dead_letters_receiver ON dead_letters (receiver, key)",
    (
        "CREATE TABLE events (key TEXT NOT NULL PRIMARY KEY, type TEXT, agent TEXT, conversation TEXT, created INTEGER,"
        " body BLOB NOT NULL)"
    ),
    "CREATE INDEX events_type ON events (type, key)",
    "CREATE INDEX events_agent ON events (agent, key)",
    "CREATE INDEX events_conversation ON events (conversation, key)",
    "CREATE TABLE client_ids (key TEXT NOT NULL PRIMARY KEY, digest TEXT, created INTEGER, body BLOB NOT NULL)",
    "CREATE TABLE modules (key TEXT NOT NULL PRIMARY KEY, profile TEXT, size INTEGER, body BLOB NOT NULL)",
    "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL)",
)

_RETENTION = (
    (
        "CREATE TABLE more (key TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, groups BLOB NOT NULL,"
        " PRIMARY KEY (key, first)) WITHOUT ROWID"
    ),
    "INSERT INTO more SELECT key, first, last_of(groups), groups FROM entries",
    "DROP TABLE entries",
    "ALTER TABLE more RENAME TO entries",
    "CREATE INDEX entries_first ON entries (first, last)",
    "CREATE INDEX conversations_created ON conversations (created, key)",
    "CREATE INDEX dead_letters_created ON dead_letters (created, key)",
    "CREATE INDEX events_created ON events (created, key)",
    "CREATE INDEX client_ids_created ON client_ids (created, key)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _RETENTION)
"""The statements that lead from version `i` to version `i + 1`."""

SCHEMA = len(MIGRATIONS)
"""The version this code writes."""


def version(connection: sqlite3.Connection) -> int:
    """Return the schema's version: 0 for an empty database, -1 when the tables are another program's."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if "schema_version" not in tables:
        return -1 if tables else 0
    found = connection.execute("SELECT max(version) FROM schema_version").fetchone()[0]
    return found if isinstance(found, int) else 0


def migrate(connection: sqlite3.Connection, found: int) -> None:
    """Run what is pending in one transaction; `connection` must be in autocommit mode."""
    if found == SCHEMA:
        return
    connection.create_function("last_of", 1, last_of, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if found == 0:
            connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY)")
        for number, statements in enumerate(MIGRATIONS[found:], start=found + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version VALUES (?)", (number,))
        connection.execute("COMMIT")
    except BaseException:  # whatever it was, no transaction stays open
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
