"""The lines of a `jsonlines:` file: a checksum and a JSON value each.

Rules:
- A line is written with one call; what it says happened all at once or not at all.
- The first line says only which `schema` the others follow.
"""

from __future__ import annotations

from zlib import crc32

import msgspec
from caxton_core.ports import Group, IndexEntry, Row

SCHEMA = 1


class Line(msgspec.Struct, omit_defaults=True):
    """What one line says.

    `pruned` forgets the groups up to a number, `truncated` those behind one, `cleared` every row and the index.
    """

    schema: int = 0
    groups: tuple[Group, ...] = ()
    rows: tuple[Row, ...] = ()
    entries: tuple[IndexEntry, ...] = ()
    upto: int | None = None
    modules: dict[str, bytes | None] = {}
    pruned: int = 0
    cleared: bool = False
    truncated: int | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def to_text(line: Line) -> bytes:
    """Write a line."""
    body = _encode(line)
    return b"%08x %s\n" % (crc32(body), body)


def from_text(text: bytes) -> Line | None:
    """Read a line; None when it is broken or incomplete."""
    checksum, _, body = text.removesuffix(b"\n").partition(b" ")
    if not text.endswith(b"\n") or b"%08x" % crc32(body) != checksum:
        return None
    try:
        return _decode(body)
    except msgspec.MsgspecError:
        return None
