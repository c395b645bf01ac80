"""Groups of the journal: what is in one can be read back from it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest
from caxton_core.errors import Corrupt, StorageFault
from caxton_core.ports import Group, Row
from caxton_server.runtime.journal_groups import Batch, Turn, pack, size, unpack

from tests.server.runtime.journals import CODEC, Note
from tests.server.runtime.test_journal import make_journal, make_storage, note


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_rows_are_in_their_group_too(kind: str, tmp_path: Path) -> None:
    """Rows come back from the group they were committed with, of one key the last one; memory keeps them in tables alone."""
    journal = await make_journal(make_storage(kind, tmp_path))
    second, gone = Row("meta", "a", {}, b"2"), Row("agents", "7", {"name": "x"}, deleted=True)
    journal.put_row(Row("meta", "a", {}, b"1"))
    journal.put_row(gone)
    await journal.wait(journal.put_row(second))
    journal.settle()
    assert journal.storage.get("meta", "a") == second
    groups = list(journal.storage.groups(0))
    batches = [unpack(group, CODEC, rows=True) for group in groups]
    kept = [] if journal.storage.name == "memory" else [second, gone]
    assert [row for batch in batches for row in batch.rows] == kept
    await journal.close()


def test_a_group_without_rows_can_still_be_read() -> None:
    """A group of the first format, whose records follow its after-images, is read as it was written."""
    images, records = [note(1)], [note(2), note(3)]
    parts = [msgspec.msgpack.encode(part) for part in (images, records)]
    blob = b"\x01" + b"".join(len(part).to_bytes(4, "little") + part for part in parts)
    batch = unpack(Group(1, 5, 9, 2, crc32(blob), blob), CODEC, rows=True)
    assert batch == Batch(1, 5, 9, records, images, [])


def turn(records: list[Any]) -> Turn:
    """Return a turn of some records."""
    return Turn(1, CODEC.encode(records), len(records), {}, {}, 5, 9)


@pytest.mark.parametrize(
    ("text", "version"),
    [("x" * 100, 2), ("x" * 100_000, 3), (random.Random(1).randbytes(50_000).hex(), 2)],
    ids=["small", "repetitive", "random"],
)
def test_a_group_is_compressed_where_that_saves_something(text: str, version: int) -> None:
    """Small groups, and those that would not be smaller, are stored as they are; all are read back alike."""
    records = [Note(5, text=text), note(2)]
    group = pack(1, [turn(records)], CODEC)
    assert group.blob[0] == version
    assert version == 2 or len(group.blob) < len(text) / 10
    assert size(group) > len(text)
    assert unpack(group, CODEC).records == records
    assert unpack(group, CODEC, holding=text.encode()).records == records
    assert unpack(group, CODEC, holding=b"elsewhere").records == []


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\x04" + bytes(8),
        b"\x03",
        b"\x03\x00\x01",
        b"\x03\xff\xff\xff\xff" + bytes(100),
        b"\x03\x10\x00\x00\x00" + b"\xff" * 100,
        b"\x03\x10\x00\x00\x00",
    ],
)
def test_what_is_no_group_is_corrupt(blob: bytes) -> None:
    """Whatever stands in a group's place is named, and no memory is taken on its word."""
    with pytest.raises(StorageFault) as told:
        unpack(Group(7, 5, 9, 2, crc32(blob), blob), CODEC)
    assert isinstance(told.value.error, Corrupt)
    assert told.value.error.group == 7


def test_a_compressed_group_that_is_cut_is_corrupt() -> None:
    """A block that ends early is not read as a shorter group."""
    whole = pack(1, [turn([Note(5, text="x" * 100_000)])], CODEC).blob
    for end in range(1, len(whole), 7):
        with pytest.raises(StorageFault):
            unpack(Group(1, 5, 9, 1, 0, whole[:end]), CODEC)
