"""Groups: how journal records are packed into the blob of a group, and back.

Rules:
- A blob is a version byte, then frames of a u32 length (little-endian) and that many bytes: first the after-images,
  then the rows that went into tables with this group, then the records in order, one frame for each turn of the
  scheduler, so a reader can decode a part of a group and other threads get their turn between frames.
- From 4 KiB on all frames together are compressed with LZ4 (version 3: a u32 of their length, then the block), if that
  makes them smaller: the writer's time goes into bytes that reach the disk, and compressing holds up no other thread.
- Version 1, which is still read, had no frame of rows.
- What records are, and how they become bytes, is the business of the `Codec` that is passed in.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from struct import Struct
from typing import Any
from zlib import crc32

import lz4.block
import msgspec
from caxton_core.errors import Corrupt, StorageFault
from caxton_core.ports import Group, Row

from caxton_server.runtime.journal_index import Key

_WITHOUT_ROWS, _PLAIN, _COMPRESSED = b"\x01", b"\x02", b"\x03"
_WORTH_IT = 4096
"""Bytes from which on frames are compressed; a commit writes whole pages, so for less there would be no gain."""
_LENGTH = Struct("<I")
_time = attrgetter("time")
_encode = msgspec.msgpack.Encoder().encode
_decode_rows = msgspec.msgpack.Decoder(list[Row]).decode

_MOST_RATIO = 255
"""How many times larger than its block LZ4 can make data: memory for more is not asked for."""


def _no_keys(_records: Sequence[Any]) -> set[Key]:
    return set()


def _span(records: Sequence[Any]) -> tuple[int, int]:
    times = list(map(_time, records))
    return min(times), max(times)


class Codec(msgspec.Struct, frozen=True):
    """What the journal must know about its records.

    `keys` gives the conversations (ids) and agents (handles) in some records at once; `span` the first and the last
    time (epoch ms) that is in them: an id made by a step is no older than the step.
    """

    decode: Callable[[bytes | memoryview], list[Any]] = msgspec.msgpack.decode
    decode_images: Callable[[bytes | memoryview], list[Any]] = msgspec.msgpack.decode
    encode: Callable[[Sequence[Any]], bytes] = msgspec.msgpack.Encoder().encode
    keys: Callable[[Sequence[Any]], set[Key]] = _no_keys
    span: Callable[[Sequence[Any]], tuple[int, int]] = _span


class Mark(enum.IntFlag):
    """What a turn is to the writer beside what it changes."""

    NONE = 0
    BEGINS_CHECKPOINT = 1
    ENDS_CHECKPOINT = 2
    BEGINS_CARRYING = 4
    CARRIES = 8
    """Its rows were read from tables since carrying began: those that were put meanwhile are left out."""


class Turn(msgspec.Struct, frozen=True, gc=False):
    """What one turn of the scheduler changed: the smallest thing that is committed or lost."""

    position: int
    frame: bytes
    count: int
    """The records in the frame."""
    images: dict[str, Any]
    rows: dict[tuple[str, str], Row]
    first_time: int
    last_time: int
    keys: AbstractSet[Key] = frozenset()
    """Under which the records are found again."""
    mark: Mark = Mark.NONE


class Batch(msgspec.Struct, frozen=True):
    """A group read back; `images` and `rows` are the last values given in it, one for each key, as far as asked for."""

    seq: int
    first_time: int
    last_time: int
    records: list[Any]
    images: list[Any]
    rows: list[Row] = []


def pack(seq: int, turns: Sequence[Turn], codec: Codec) -> Group:
    """Pack turns into a group."""
    images: dict[str, Any] = {}
    for turn in turns:
        images.update(turn.images)
    frames = [codec.encode(list(images.values())) if images else b""]
    projected = rows(turns)
    frames.append(_encode(projected) if projected else b"")
    frames += [turn.frame for turn in turns if turn.count]
    parts = []
    for frame in frames:
        parts.append(_LENGTH.pack(len(frame)))
        parts.append(frame)
    blob = _compress(b"".join(parts))
    first = min([turn.first_time for turn in turns])
    last = max([turn.last_time for turn in turns])
    count = sum([turn.count for turn in turns])
    return Group(seq, first, last, count, crc32(blob), blob)


def rows(turns: Sequence[Turn]) -> list[Row]:
    """Collect the rows of some turns, the last one for each key, as they are read back: without columns that are None."""
    latest: dict[tuple[str, str], Row] = {}
    for turn in turns:
        latest.update(turn.rows)
    return [_plain(row) if None in row.columns.values() else row for row in latest.values()]


def _plain(row: Row) -> Row:
    columns: dict[str, str | int | None] = {
        name: value for name, value in row.columns.items() if value is not None
    }
    return Row(row.table, row.key, columns, row.body, row.deleted)


def _compress(frames: bytes) -> bytes:
    if len(frames) >= _WORTH_IT:
        block = lz4.block.compress(frames, store_size=False)
        if len(block) < len(frames):
            return b"".join((_COMPRESSED, _LENGTH.pack(len(frames)), block))
    return _PLAIN + frames


def _frames(group: Group) -> bytes:
    """Return the frames of a group as they were before they were compressed."""
    version, length = group.blob[:1], size(group)
    if version in (_PLAIN, _WITHOUT_ROWS):
        return group.blob[1:]
    if version != _COMPRESSED:
        raise StorageFault(Corrupt(group.seq, "it has a format this Caxton doesn't know"))
    try:
        frames = lz4.block.decompress(group.blob[5:], uncompressed_size=length)
    except lz4.block.LZ4BlockError as error:
        raise StorageFault(Corrupt(group.seq, f"it can't be decompressed: {error}")) from error
    return frames


def size(group: Group) -> int:
    """Return how many bytes the frames of a group are, before they are compressed."""
    if group.blob[:1] != _COMPRESSED:
        return len(group.blob) - 1
    if len(group.blob) < 5:
        raise StorageFault(Corrupt(group.seq, "its length is cut off"))
    (length,) = _LENGTH.unpack_from(group.blob, 1)
    if length > _MOST_RATIO * len(group.blob):
        raise StorageFault(Corrupt(group.seq, "its length can't be right"))
    return int(length)


def has_rows(group: Group) -> bool:
    """Tell whether a group says what went into tables with it."""
    return group.blob[:1] != _WITHOUT_ROWS


def _places(group: Group, frames: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each frame begins and ends: of the images, of the rows, of each turn's records."""
    at = number = 0
    while at < len(frames):
        if number == 1 and not has_rows(group):
            yield at, at
        number += 1
        if at + 4 > len(frames):
            raise StorageFault(Corrupt(group.seq, "its last frame is cut off"))
        (length,) = _LENGTH.unpack_from(frames, at)
        start, at = at + 4, at + 4 + length
        if at > len(frames):
            raise StorageFault(Corrupt(group.seq, "its last frame is cut off"))
        yield start, at


def unpack(
    group: Group, codec: Codec, *, images: bool = True, rows: bool = False, holding: bytes | None = b""
) -> Batch:  # fmt: skip
    """Read a group back, the after-images and the rows only when asked for.

    Only frames of records whose bytes contain `holding` are decoded, none for None.
    """
    frames = _frames(group)
    view = memoryview(frames)
    kept: list[Any] = []
    projected: list[Row] = []
    records: list[Any] = []
    try:
        for number, (start, end) in enumerate(_places(group, frames)):
            if number == 0:
                if images and end > start:
                    kept = codec.decode_images(view[start:end])
            elif number == 1:
                if rows and end > start:
                    projected = _decode_rows(view[start:end])
            elif holding is not None and frames.find(holding, start, end) >= 0:
                records += codec.decode(view[start:end])
    except msgspec.MsgspecError as error:
        raise StorageFault(Corrupt(group.seq, f"its records can't be read: {error}")) from error
    return Batch(group.seq, group.first_time, group.last_time, records, kept, projected)
