"""The checksums by which a SQL storage knows that what it reads is what it wrote.

Rules:
- A group's blob has the checksum that the journal gave it. Everything else has one of its own: over the other columns of
  its row in the database, so that a changed number or key is noticed like a changed body.
- What is computed here is in databases: it never changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

import msgspec

_encode = msgspec.msgpack.Encoder().encode


def of_row(table: str, key: str, columns: Iterable[str | int | None], body: bytes) -> int:
    """Compute the checksum of a row of a projected table; `columns` in the order of the port."""
    return crc32(body, crc32(_encode((table, key, *columns))))


def of_entry(key: str, first: int, last: int, groups: bytes) -> int:
    """Compute the checksum of an index entry."""
    return crc32(groups, crc32(_encode((key, first, last))))


def of_mark(name: str, value: int) -> int:
    """Compute the checksum of a number to remember."""
    return crc32(_encode((name, value)))


def of_header(seq: int, first_time: int, last_time: int, count: int, checksum: int) -> int:
    """Compute the checksum of what stands beside a group's blob."""
    return crc32(_encode((seq, first_time, last_time, count, checksum)))
