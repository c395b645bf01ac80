"""The watermark: a start says it when the storage lacks groups that were committed."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from caxton_core.testing import FakeClock
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.runtime import watermarks
from caxton_server.runtime.journal import Journal
from caxton_server.runtime.journal_groups import Codec

from tests.server.runtime.test_journal import note


async def commit(path: Path, number: int) -> Journal:
    """Open a journal, watch it, and commit a group."""
    journal = Journal(SqliteStorage(path / "caxton.db"), clock=FakeClock(), codec=Codec())
    journal.open().unwrap()
    mark = watermarks.watch(path / "committed", journal).unwrap()
    journal.start()
    await journal.wait(journal.append(note(number)))
    assert mark.group == journal.reader.last_group() == number
    await journal.close()
    mark.close()
    return journal


async def test_a_storage_that_ends_too_early_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An older copy in the place of the database is told by its last group, once."""
    await commit(tmp_path, 1)
    shutil.copy(tmp_path / "caxton.db", tmp_path / "older")
    await commit(tmp_path, 2)
    assert caplog.messages == []
    shutil.copy(tmp_path / "older", tmp_path / "caxton.db")
    with caplog.at_level(logging.ERROR):
        await commit(tmp_path, 2)
        await commit(tmp_path, 3)
    (said,) = caplog.messages
    assert said.startswith("the storage ends at group 1 of the journal, but 2 were committed: ")


def test_a_weaker_durability_may_lose_some() -> None:
    """Then a power cut is named as a cause, too."""
    assert watermarks.lost(3, 3, "disk") == ""
    assert "after a power cut" in watermarks.lost(4, 3, "process")
