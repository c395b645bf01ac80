"""The SQL by which a SQLite storage writes many rows at once.

Rules:
- One statement carries up to `MOST_ROWS` rows; the text for each number of rows is made once.
- A row that is there already is updated in place, so indexes of unchanged columns stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeAlias, TypeVar

from caxton_core.ports import TABLES, Group, IndexEntry, Row

from caxton_plugins.storages import checksums
from caxton_plugins.storages.values import by_table, last_of

T = TypeVar("T")

Statement: TypeAlias = tuple[str, Sequence[Any]]
"""SQL with `?` for each value, and the values."""

MOST_ROWS = 200


@cache
def _upsert(table: str, columns: tuple[str, ...], keys: int, rows: int) -> str:
    values = ",".join([f"({','.join('?' * len(columns))})"] * rows)
    changes = ",".join(f"{column} = excluded.{column}" for column in columns[keys:])
    return (
        f"INSERT INTO {table} ({','.join(columns)}) VALUES {values}"
        f" ON CONFLICT ({','.join(columns[:keys])}) DO UPDATE SET {changes}"
    )


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), MOST_ROWS):
        yield items[start : start + MOST_ROWS]


def insert_group(group: Group) -> Statement:
    """Write the statement that adds a group; one that is there already is an error."""
    header = group.seq, group.first_time, group.last_time, group.count, group.checksum
    sql = "INSERT INTO groups (seq,first_time,last_time,count,checksum,blob,header) VALUES (?,?,?,?,?,?,?)"
    return sql, (*header, group.blob, checksums.of_header(*header))


def put_entries(entries: Sequence[IndexEntry]) -> Iterator[Statement]:
    """Write the statements that store index entries."""
    columns = ("key", "first", "last", "groups", "checksum")
    for part in _parts(entries):
        values: list[Any] = []
        for entry in part:
            key, first, last, groups = entry.key, entry.first, last_of(entry.groups), entry.groups
            values += (key, first, last, groups, checksums.of_entry(key, first, last, groups))
        yield _upsert("entries", columns, 2, len(part)), values


def forget_groups(upto: int) -> Iterator[Statement]:
    """Write the statements that remove groups, and the index entries that lead to no others."""
    yield "DELETE FROM groups WHERE seq <= ?", (upto,)
    yield "DELETE FROM entries WHERE first <= ? AND last <= ?", (upto, upto)


def forget_later_groups(after: int) -> Statement:
    """Write the statement that removes the groups behind one."""
    return "DELETE FROM groups WHERE seq > ?", (after,)


def forget_projections() -> Iterator[Statement]:
    """Write the statements that remove every row and the whole index."""
    for table in ("entries", "marks", *TABLES):
        yield f"DELETE FROM {table}", ()


def put_mark(name: str, value: int) -> Statement:
    """Write the statement that remembers a number."""
    sql = _upsert("marks", ("name", "value", "checksum"), 1, 1)
    return sql, (name, value, checksums.of_mark(name, value))


def put_blob(digest: str, data: bytes) -> Statement:
    """Write the statement that keeps a module's bytes."""
    return _upsert("blobs", ("digest", "data"), 1, 1), (digest, data)


def put_rows(rows: Sequence[Row]) -> Iterator[Statement]:
    """Write the statements that put and remove rows; of several with one key the last one counts."""
    for table, put, gone in by_table(rows):
        columns = TABLES[table]
        for part in _parts(put):
            values: list[Any] = []
            for row in part:
                key, body, of = row.key, row.body, [*map(row.columns.get, columns)]
                values.append(key)
                values += of
                values.append(body)
                values.append(checksums.of_row(table, key, of, body))
            yield _upsert(table, ("key", *columns, "body", "checksum"), 1, len(part)), values
        for keys in _parts(gone):
            yield f"DELETE FROM {table} WHERE key IN ({','.join('?' * len(keys))})", keys
