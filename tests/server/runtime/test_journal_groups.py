"""Groups of the journal: what is in one can be read back from it."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from caxton_core.ports import Group, Row
from caxton_server.runtime.journal_groups import Batch, unpack

from tests.server.runtime.journals import CODEC
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
