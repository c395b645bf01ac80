"""How a SQL storage reads back what it wrote, and sorts what it is given to write.

Rules:
- What does not match its checksum is never returned: it raises `StorageFault`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

from caxton_core.errors import Corrupt, CorruptRow, StorageError, StorageFault
from caxton_core.ids import ModuleDigest
from caxton_core.ports import TABLES, Group, Row

from caxton_plugins.storages import checksums

_WRONG = "it does not match its checksum"


def by_table(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row], list[str]]]:
    """Yield each table with the rows to put into it and the keys to remove; of a key the last row counts."""
    tables: dict[str, dict[str, Row]] = {}
    for row in rows:
        tables.setdefault(row.table, {})[row.key] = row
    for table, latest in tables.items():
        known = frozenset(TABLES[table])
        for row in latest.values():
            if not known.issuperset(row.columns):
                raise KeyError(f"{table} has no column {set(row.columns) - known}")
        put = [row for row in latest.values() if not row.deleted]
        yield table, put, [row.key for row in latest.values() if row.deleted]


def last_of(groups: bytes) -> int:
    """Return the last of the group numbers that an index entry packs."""
    return int.from_bytes(groups[-4:], "little")


def to_row(table: str, values: Sequence[Any]) -> Row:
    """Read a row back from its key, columns, body and checksum."""
    key, *columns, body, checksum = values
    check_row(table, key, columns, body, checksum)
    return make_row(table, key, columns, body)


def check_row(table: str, key: Any, columns: Sequence[Any], body: Any, checksum: Any) -> None:
    """Raise where what is stored of a row does not match its checksum."""
    _check(checksums.of_row, (table, key, columns, body), checksum, CorruptRow(table, key, _WRONG))


def make_row(table: str, key: str, columns: Sequence[Any], body: bytes) -> Row:
    """Make a row of its key, its columns in the order of the port, and its body."""
    given: Mapping[str, Any] = dict(zip(TABLES[table], columns, strict=True))
    return Row(table, key, {name: v for name, v in given.items() if v is not None}, body)


def to_group(values: Sequence[Any]) -> Group:
    """Read a group back from its header, blob and the header's checksum."""
    *header, blob, checksum = values
    detail = "its number, its count or its times do not match their checksum"
    _check(checksums.of_header, header, checksum, Corrupt(header[0], detail))
    seq, first_time, last_time, count, of_blob = header
    group = Group(seq, first_time, last_time, count, of_blob, blob)
    detail = "its bytes do not match its checksum"
    _check(crc32, (blob,), group.checksum, Corrupt(group.seq, detail))
    return group


def to_groups(values: Sequence[Any]) -> bytes:
    """Read an index entry back, from its key, first group, groups, last group and checksum, as its packed groups."""
    key, first, groups, last, checksum = values
    wrong = CorruptRow("entries", key, _WRONG)
    _check(checksums.of_entry, (key, first, last, groups), checksum, wrong)
    return bytes(groups)


def to_mark(values: Sequence[Any]) -> int:
    """Read a number back from its name, value and checksum."""
    name, value, checksum = values
    _check(checksums.of_mark, (name, value), checksum, CorruptRow("marks", name, _WRONG))
    return int(value)


def to_module(values: Sequence[Any]) -> bytes:
    """Read a module back from its digest and its bytes."""
    digest, data = values
    detail = "its bytes do not match its digest"
    _check(ModuleDigest.of, (data,), digest, CorruptRow("blobs", digest, detail))
    return bytes(data)


def _check(
    compute: Callable[..., object], of: Sequence[Any], found: object, wrong: StorageError
) -> None:
    try:
        sound = compute(*of) == found
    except (TypeError, OverflowError, UnicodeError):
        # A value has become one of another type.
        sound = False
    if not sound:
        raise StorageFault(wrong)
