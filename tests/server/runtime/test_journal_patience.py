"""Who waits for a storage that fails for long is told so; what was given to the journal stays."""

from __future__ import annotations

import asyncio

import pytest
from caxton_core.errors import StorageFault, StorageFull, StorageUnavailable
from caxton_core.testing import FakeClock
from caxton_server.runtime import journal_patience

from tests.server.runtime.journals import Moody
from tests.server.runtime.test_journal import make_journal, note

LATER = "what was asked for is not stored yet, and may be later"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at once and often; how long something waited is the fake clock's to say."""
    monkeypatch.setattr(journal_patience, "_AGAIN", 0.001)
    monkeypatch.setattr(journal_patience, "PATIENCE", 0.01)


async def test_who_waits_is_told_why() -> None:
    """The error of the last try, with what it means; when there is room again all is committed."""
    storage, clock = Moody(), FakeClock()
    journal = await make_journal(storage, clock)
    storage.errors = [StorageFull("no room")] * 100_000
    position = journal.append(note(1))
    waiting = asyncio.ensure_future(journal.wait(position))
    reading = asyncio.ensure_future(journal.readable())
    while journal.commits.failing is None:  # noqa: ASYNC110 - the journal has nothing to wait for here
        await asyncio.sleep(0.001)
    clock.advance(0.02)
    with pytest.raises(StorageFault) as told:
        await waiting
    assert told.value.error == StorageFull(f"no room; {LATER}")
    with pytest.raises(StorageFault):
        await reading
    storage.errors.clear()
    # Who is patient, as the journal's own chores are, waits on.
    await journal.stored(position)
    assert storage.last_group() == 1
    await journal.close()


async def test_a_storage_that_does_not_answer_is_told_too() -> None:
    """A call that hangs gives no error; its time does."""
    storage, clock = Moody(), FakeClock()
    journal = await make_journal(storage, clock)
    storage.gate.clear()
    waiting = asyncio.ensure_future(journal.wait(journal.append(note(1))))
    await asyncio.sleep(0.005)
    clock.advance(0.02)
    with pytest.raises(StorageFault) as told:
        await waiting
    assert told.value.error == StorageUnavailable(f"it does not answer; {LATER}")
    storage.gate.set()
    # Patiently: who is not may be told once more before the writer has had its turn.
    await journal.stored(journal.position)
    assert storage.last_group() == 1
    await journal.close()


async def test_nobody_is_told_while_commits_go_on() -> None:
    """What counts is the age of the oldest turn that is not committed."""
    storage, clock = Moody(), FakeClock()
    journal = await make_journal(storage, clock)
    for number in range(20):
        clock.advance(0.009)
        await journal.wait(journal.append(note(number)))
        await asyncio.sleep(0.002)
    await journal.close()
