"""The lock by which a node holds a schema of a PostgreSQL database: an advisory lock of the connection that writes.

Rules:
- It is free as soon as the server knows that the connection is gone.
- An earlier connection of the same node that the server still has is ended: the network broke, and it has not noticed.
"""

from __future__ import annotations

import time
from typing import Any, Final
from zlib import crc32

from caxton_core.errors import Locked, StorageError

from caxton_plugins.storages.postgres_waits import Connection

LOCK_SECONDS: Final = 5.0
"""How long the lock of a node that has just ended may be in the way."""
_CLASS: Final = 0x0CA1


class Refused(Exception):
    """Carries an error of the domain out of where no Result fits."""

    def __init__(self, error: StorageError) -> None:
        super().__init__(str(error))
        self.error = error


def take_lock(connection: Connection, schema: str, name: str, place: str) -> None:
    """Take the lock of a schema for a connection of the node `name`, or raise `Refused`."""
    key = crc32(schema.encode()) - (1 << 31)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        sql = "SELECT pg_try_advisory_lock(%s::int, %s::int)"
        found = connection.execute(sql, (_CLASS, key)).fetchone()
        if found == (True,):
            return
        holder = _holder(connection, key)
        if holder is not None and holder[1] == name:
            # The network broke, and the server has not noticed: this node's own connection is in its own way.
            connection.execute("SELECT pg_terminate_backend(%s)", (holder[0],))
        if time.monotonic() > deadline:
            who = f"{holder[1]!r} at {holder[2]}" if holder else "another connection"
            raise Refused(Locked(place, f"another node is using it ({who})"))
        time.sleep(0.1)


def _holder(connection: Connection, key: int) -> tuple[Any, ...] | None:
    sql = (
        "SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'the same machine')"
        " FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_database d ON d.oid = l.database"
        " WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()"
        " AND l.classid::bigint = %s AND l.objid::bigint = %s AND l.objsubid = 2"
    )
    return connection.execute(sql, (_CLASS, key & 0xFFFFFFFF)).fetchone()
