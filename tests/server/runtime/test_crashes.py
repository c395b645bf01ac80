"""Nothing acknowledged is lost: not to kill -9, not to a full disk."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from caxton_core.errors import StorageFull
from caxton_core.testing import FakeClock
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.runtime.journal import Journal
from returns.result import Success

from tests.conftest import ROOT
from tests.server.runtime.journals import CODEC, Note

pytestmark = pytest.mark.once

KILLS = 10


def start(path: Path) -> subprocess.Popen[bytes]:
    """Start a process that appends."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.server.runtime.appender", str(path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def acknowledged(process: subprocess.Popen[bytes]) -> int:
    """Kill a process and return the last number it acknowledged."""
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    whole = out.rpartition(b"\n")[0].split(b"\n")
    return int(whole[-1] or b"0")


def test_every_acknowledged_record_survives_kill_9(tmp_path: Path) -> None:
    """After each kill the journal is a gapless prefix that holds all that was acknowledged, and its index agrees."""
    path = tmp_path / "caxton.db"
    for _ in range(KILLS):
        process = start(path)
        assert process.stdout is not None
        first = int(process.stdout.readline())
        time.sleep(random.uniform(0, 0.15))
        last = max(first, acknowledged(process))
        journal = Journal(SqliteStorage(path), clock=FakeClock(), codec=CODEC)
        assert journal.open() == Success(None)
        batches = list(journal.reader.recover())
        numbers = [int(note.text) for batch in batches for note in batch.records]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= last
        for batch in batches:
            assert [image.text for image in batch.images] == [batch.records[-1].text]
        found = [n for b in journal.reader.batches(journal.reader.find("c3")) for n in b.records]
        expected = [n for b in batches for n in b.records if n.conversation == "c3"]
        assert [n for n in found if n.conversation == "c3"] == expected
        journal.storage.close()


async def test_a_file_that_may_not_grow_only_delays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the system refuses to extend the file the journal says the disk is full; then everything is committed."""
    monkeypatch.setattr("caxton_server.runtime.journal_writer._LONGEST_DELAY", 0.02)
    journal = Journal(SqliteStorage(tmp_path / "caxton.db"), clock=FakeClock(), codec=CODEC)
    journal.open().unwrap()
    journal.start()
    await journal.wait(journal.append(Note(0, text="before")))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.storage.size(), limits[1]))
    try:
        position = journal.append(Note(0, text="x" * 3_000_000))
        journal.flush()
        async with asyncio.timeout(60):
            while journal.commits.failing is None:  # noqa: ASYNC110 - the journal has no event for this; a node polls it
                await asyncio.sleep(0.005)
        assert isinstance(journal.commits.failing, StorageFull)
        assert journal.committed < position
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    await journal.wait(position)
    assert journal.commits.failing is None
    assert await journal.close() == Success(None)
    again = Journal(SqliteStorage(tmp_path / "caxton.db"), clock=FakeClock(), codec=CODEC)
    again.open().unwrap()
    assert [len(batch.records[0].text) for batch in again.reader.recover()] == [6, 3_000_000]
    again.storage.close()
