"""The SQL by which a storage writes many rows at once, and rows to and from values.

Rules:
- One statement carries up to `MOST_ROWS` rows; the text for each number of rows is made once.
- A row that is there already is updated in place, so indexes of unchanged columns stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias, TypeVar
from zlib import crc32

from caxton_core.errors import Corrupt, StorageFault
from caxton_core.ports import TABLES, Group, IndexEntry, Row

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
    return (
        "INSERT INTO groups VALUES (?,?,?,?,?,?)",
        (group.seq, group.first_time, group.last_time, group.count, group.checksum, group.blob),
    )


def put_entries(entries: Sequence[IndexEntry]) -> Iterator[Statement]:
    """Write the statements that store index entries."""
    for part in _parts(entries):
        values = [v for e in part for v in (e.key, e.first, last_of(e.groups), e.groups)]
        yield _upsert("entries", ("key", "first", "last", "groups"), 2, len(part)), values


def last_of(groups: bytes) -> int:
    """Return the last of the group numbers that an index entry packs."""
    return int.from_bytes(groups[-4:], "little")


def forget_groups(upto: int) -> Iterator[Statement]:
    """Write the statements that remove groups, and the index entries that lead to no others."""
    yield "DELETE FROM groups WHERE seq <= ?", (upto,)
    yield "DELETE FROM entries WHERE first <= ? AND last <= ?", (upto, upto)


def forget_projections() -> Iterator[Statement]:
    """Write the statements that remove every row and the whole index."""
    for table in ("entries", "marks", *TABLES):
        yield f"DELETE FROM {table}", ()


def put_mark(name: str, value: int) -> Statement:
    """Write the statement that remembers a number."""
    return _upsert("marks", ("name", "value"), 1, 1), (name, value)


def put_blob(digest: str, data: bytes) -> Statement:
    """Write the statement that keeps a module's bytes."""
    return _upsert("blobs", ("digest", "data"), 1, 1), (digest, data)


def put_rows(rows: Sequence[Row]) -> Iterator[Statement]:
    """Write the statements that put and remove rows; of several with one key the last one counts."""
    tables: dict[str, dict[str, Row]] = {}
    for row in rows:
        tables.setdefault(row.table, {})[row.key] = row
    for table, latest in tables.items():
        columns = TABLES[table]
        known = frozenset(columns)
        for row in latest.values():
            if not known.issuperset(row.columns):
                raise KeyError(f"{table} has no column {set(row.columns) - known}")
        put = [row for row in latest.values() if not row.deleted]
        gone = [row.key for row in latest.values() if row.deleted]
        for part in _parts(put):
            values: list[Any] = []
            for row in part:
                values.append(row.key)
                values.extend(map(row.columns.get, columns))
                values.append(row.body)
            yield _upsert(table, ("key", *columns, "body"), 1, len(part)), values
        for keys in _parts(gone):
            yield f"DELETE FROM {table} WHERE key IN ({','.join('?' * len(keys))})", keys


def to_row(table: str, values: Sequence[Any]) -> Row:
    """Read a row back."""
    columns: Mapping[str, Any] = dict(zip(TABLES[table], values[1:-1], strict=True))
    return Row(
        table, values[0], {name: v for name, v in columns.items() if v is not None}, values[-1]
    )


def to_group(values: Sequence[Any]) -> Group:
    """Read a group back, or raise `StorageFault` when it does not match its checksum."""
    group = Group(*values)
    if crc32(group.blob) != group.checksum:
        raise StorageFault(Corrupt(group.seq, "its bytes do not match its checksum"))
    return group
