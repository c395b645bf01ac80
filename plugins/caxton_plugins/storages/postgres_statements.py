"""The SQL by which a PostgreSQL storage writes many rows at once.

Rules:
- Rows travel as one array for each column, in binary: the text of a statement is always the same, and the server
  prepares it once.
- A row that is there already is updated in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeAlias

from caxton_core.ports import TABLES, Group, IndexEntry, Row

from caxton_plugins.storages import checksums
from caxton_plugins.storages.models import NUMBERS
from caxton_plugins.storages.postgres_texts import to_stored, to_stored_row
from caxton_plugins.storages.values import by_table, last_of

Statement: TypeAlias = tuple[str, Sequence[Any]]
"""SQL with `%b` for each value, and the values."""

MOST_ROWS = 5000
_TYPES = {
    "first": "bigint",
    "last": "bigint",
    "checksum": "bigint",
    "groups": "bytea",
    "body": "bytea",
    **dict.fromkeys(NUMBERS, "bigint"),
}


@cache
def _upsert(table: str, columns: tuple[str, ...], keys: int) -> str:
    arrays = ", ".join(f"%b::{_TYPES.get(column, 'text')}[]" for column in columns)
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[keys:])
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"
        f" ON CONFLICT ({', '.join(columns[:keys])}) DO UPDATE SET {changes}"
    )


def insert_group(group: Group) -> Statement:
    """Write the statement that adds a group; one that is there already is an error."""
    header = group.seq, group.first_time, group.last_time, group.count, group.checksum
    columns = "seq, first_time, last_time, count, checksum, blob, header"
    sql: str = f"INSERT INTO groups ({columns}) VALUES (%b, %b, %b, %b, %b, %b, %b)"
    return sql, (*header, group.blob, checksums.of_header(*header))


def put_entries(entries: Sequence[IndexEntry]) -> Iterator[Statement]:
    """Write the statements that store index entries."""
    sql = _upsert("entries", ("key", "first", "last", "groups", "checksum"), 2)
    # Of two entries with one key in a statement the server would take neither.
    latest = {(to_stored(entry.key), entry.first): entry.groups for entry in entries}
    rows = [
        (
            key,
            first,
            last_of(groups),
            groups,
            checksums.of_entry(key, first, last_of(groups), groups),
        )
        for (key, first), groups in latest.items()
    ]
    for start in range(0, len(rows), MOST_ROWS):
        yield sql, _arrays(rows[start : start + MOST_ROWS])


def put_mark(name: str, value: int) -> Statement:
    """Write the statement that remembers a number."""
    sql = (
        "INSERT INTO marks (name, value, checksum) VALUES (%b, %b, %b)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, checksum = excluded.checksum"
    )
    return sql, (name, value, checksums.of_mark(name, value))


def put_blob(digest: str, data: bytes) -> Statement:
    """Write the statement that keeps a module's bytes."""
    sql = (
        "INSERT INTO blobs (digest, data) VALUES (%b, %b)"
        " ON CONFLICT (digest) DO UPDATE SET data = excluded.data"
    )
    return sql, (digest, data)


def delete_blob(digest: str) -> Statement:
    """Write the statement that forgets a module's bytes."""
    return "DELETE FROM blobs WHERE digest = %b", (digest,)


def forget_groups(upto: int) -> Iterator[Statement]:
    """Write the statements that remove groups, and the index entries that lead to no others."""
    yield "DELETE FROM groups WHERE seq <= %b", (upto,)
    yield "DELETE FROM entries WHERE first <= %b AND last <= %b", (upto, upto)


def forget_later_groups(after: int) -> Statement:
    """Write the statement that removes the groups behind one."""
    return "DELETE FROM groups WHERE seq > %b", (after,)


def forget_projections() -> Statement:
    """Write the statement that removes every row and the whole index."""
    tables = ", ".join(("entries", "marks", *TABLES))
    return f"TRUNCATE {tables}", ()


def put_rows(rows: Sequence[Row]) -> Iterator[Statement]:
    """Write the statements that put and remove rows; of several with one key the last one counts."""
    for table, put, gone in by_table(rows):
        columns = TABLES[table]
        sql = _upsert(table, ("key", *columns, "body", "checksum"), 1)
        made = []
        for row in put:
            (key, *of), body = to_stored_row([row.key, *map(row.columns.get, columns)], row.body)
            made.append((key, *of, body, checksums.of_row(table, key, of, body)))
        for start in range(0, len(made), MOST_ROWS):
            yield sql, _arrays(made[start : start + MOST_ROWS])
        if gone:
            delete = f"DELETE FROM {table} WHERE key = ANY(%b::text[])"
            yield delete, (list(map(to_stored, gone)),)


def _arrays(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Turn rows into columns."""
    return [list(column) for column in zip(*rows, strict=True)]
