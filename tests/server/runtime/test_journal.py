"""The journal: what is acknowledged is committed, in order, and can be read at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from caxton_core.errors import Corrupt, StorageFault, StorageFull, StorageUnavailable
from caxton_core.ports import Group, Row, Storage
from caxton_core.testing import FakeClock
from caxton_plugins.storages.memory import MemoryStorage
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.runtime.journal import Journal
from caxton_server.runtime.journal_commits import MOST_BYTES
from returns.result import Success

from tests.server.runtime.journals import CODEC, Moody, Note


def make_storage(kind: str, folder: Path) -> Storage:
    """Make a storage of a kind."""
    return MemoryStorage() if kind == "memory" else SqliteStorage(folder / "caxton.db")


async def make_journal(storage: Storage, clock: FakeClock | None = None) -> Journal:
    """Make a journal that runs."""
    journal = Journal(storage, clock=clock or FakeClock(), codec=CODEC)
    assert journal.open() == Success(None)
    journal.start()
    return journal


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    """Give a running journal on each kind of storage."""
    made = await make_journal(make_storage(request.param, tmp_path))
    yield made
    assert await made.close() == Success(None)


def note(number: int, conversation: str = "c1", agent: int = 1) -> Note:
    """Make a record."""
    return Note(FakeClock.START_MS, conversation, agent, f"note {number}")


async def test_what_is_acknowledged_is_in_a_group(journal: Journal) -> None:
    """After `wait`, the records are read back in the order they were given."""
    notes = [note(number) for number in range(700)]
    for item in notes:
        position = journal.append(item)
        if position % 7 == 0:
            journal.flush()
    await journal.wait(journal.position)
    journal.settle()
    assert journal.committed == journal.position
    assert [item for batch in journal.reader.recover() for item in batch.records] == notes


async def test_a_position_counts_every_change(journal: Journal) -> None:
    """Records, rows and after-images all move the position, so each can be waited for."""
    positions = [
        journal.append(note(1)),
        journal.put_row(Row("meta", "a", {}, b"1")),
        journal.after_image("a", note(2)),
    ]
    assert positions == [1, 2, 3]
    await journal.wait(3)
    assert journal.storage.get("meta", "a") == Row("meta", "a", {}, b"1")


async def test_nothing_is_committed_before_a_turn_ends(journal: Journal) -> None:
    """Without `flush` nothing is committed; a wait for it ends the turn itself."""
    journal.append(note(1))
    await asyncio.sleep(0.01)
    assert journal.committed == 0
    await journal.wait(1)
    assert journal.committed == 1


async def test_of_after_images_the_last_is_kept(journal: Journal) -> None:
    """A group holds one after-image for each key, the last one given."""
    for number in range(5):
        journal.append(note(number))
        journal.after_image("x", note(number, "x"))
    journal.after_image("y", note(9, "y"))
    await journal.wait(journal.position)
    journal.settle()
    batches = list(journal.reader.recover())
    assert [image for batch in batches for image in batch.images] == [note(4, "x"), note(9, "y")]
    assert sum(len(batch.records) for batch in batches) == 5


async def test_a_group_may_hold_after_images_alone(journal: Journal) -> None:
    """An after-image without a record is committed like one with it."""
    await journal.wait(journal.after_image("x", note(1, "x")))
    journal.settle()
    assert [batch.images for batch in journal.reader.recover()] == [[note(1, "x")]]


async def test_those_who_wait_are_told(journal: Journal) -> None:
    """Every waiter returns once its own position is committed, and callbacks see positions grow."""
    told: list[int] = []
    journal.commits.on_commit.append(told.append)
    waiters = [asyncio.create_task(journal.wait(journal.append(note(n)))) for n in range(50)]
    waiters.append(asyncio.create_task(journal.wait(0)))
    await asyncio.gather(*waiters)
    assert told == sorted(set(told))
    assert told[-1] == 50


async def test_a_waiter_may_leave(journal: Journal) -> None:
    """Cancelling a wait harms nobody else."""
    leaving = asyncio.create_task(journal.wait(journal.append(note(1))))
    await asyncio.sleep(0)
    leaving.cancel()
    await journal.wait(journal.append(note(2)))
    assert journal.committed == 2


async def test_a_read_sees_all_that_was_acknowledged(journal: Journal) -> None:
    """A conversation and an agent are found at once, whether their groups are in the index or not."""
    for number in range(40):
        conversation, agent = f"c{number % 3}", number % 2 + 1
        await journal.wait(journal.append(note(number, conversation, agent)))
        journal.settle()
        if number == 20 and not journal.storage.blocks:
            journal.reader.find("c0")
            journal.reader.index.build()
        found = journal.reader.batches(journal.reader.find(conversation))
        assert note(number, conversation, agent) in [i for batch in found for i in batch.records]
        found = journal.reader.batches(journal.reader.find(agent))
        assert note(number, conversation, agent) in [i for batch in found for i in batch.records]
    assert journal.reader.find("c9") == []


async def test_only_frames_with_the_text_are_decoded(journal: Journal) -> None:
    """A reader who knows a part of the bytes is spared the other turns of a group."""
    for number in range(20):
        journal.append(note(number, f"conversation-{number}"))
        journal.flush()
    await journal.wait(journal.position)
    journal.settle()
    numbers = journal.reader.find("conversation-7")
    records = [
        i for b in journal.reader.batches(numbers, holding=b"conversation-7") for i in b.records
    ]
    assert note(7, "conversation-7") in records


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_groups_are_found_by_time(kind: str, tmp_path: Path) -> None:
    """A group is found by any time from its earliest record's to its commit, though the clock goes back."""
    clock = FakeClock()
    journal = await make_journal(make_storage(kind, tmp_path), clock)
    times = []
    for step in (10.0, 5.0, -8.0, 1.0):
        clock.jump(step)
        times.append(clock.time_ms())
        await journal.wait(journal.append(Note(times[-1] - 2000, text=str(step))))
        journal.settle()
    for time, text in zip(times, ("10.0", "5.0", "-8.0", "1.0"), strict=True):
        for at in (time, time - 2000):
            found = [i.text for batch in journal.reader.around(at, at) for i in batch.records]
            assert text in found
    assert list(journal.reader.around(0, min(times) - 2001)) == []
    await journal.close()


async def test_a_failed_commit_is_tried_again_unchanged() -> None:
    """Errors and even exceptions of a storage only delay a group; the reason is shown meanwhile."""
    storage = Moody()
    full = StorageFull("no room")
    storage.errors = [full, full, RuntimeError("a bug")]
    journal = await make_journal(storage)
    seen = []
    waiter = asyncio.create_task(journal.wait(journal.append(note(1))))
    while not waiter.done():
        seen.append(journal.commits.failing)
        await asyncio.sleep(0.001)
    assert full in seen
    assert StorageUnavailable("RuntimeError: a bug") in seen
    assert journal.commits.failing is None
    assert len(storage.calls) == 4
    assert len({groups for groups, _ in storage.calls}) == 1
    assert await journal.close() == Success(None)


async def test_the_end_of_the_writer_is_said() -> None:
    """A bug that ends the writer's thread shows as a failure: the node must not wait in silence."""

    def broken(_images: Sequence[Any]) -> bytes:
        raise ZeroDivisionError

    codec = msgspec.structs.replace(CODEC, encode=broken)
    journal = Journal(Moody(), clock=FakeClock(), codec=codec)
    journal.open().unwrap()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda _: None)
        journal.start()
        waiter = asyncio.create_task(journal.wait(journal.after_image("c1", note(1))))
        assert (await journal.close()).failure() == StorageUnavailable(
            "the journal's writer ended: ZeroDivisionError()"
        )
    assert journal.committed == 0
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_a_storage_that_stays_broken_is_given_up_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closing waits for a while, then says why the last groups are not committed; nobody is told they are."""
    monkeypatch.setattr("caxton_server.runtime.journal._STOP_SECONDS", 0.05)
    storage = Moody()
    storage.errors = [StorageFull("no room")] * 1000
    journal = await make_journal(storage)
    waiter = asyncio.create_task(journal.wait(journal.append(note(1))))
    await asyncio.sleep(0.01)
    assert (await journal.close()).failure() == StorageFull("no room")
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert storage.last_group() == 0


async def test_commits_gather_while_the_storage_is_busy() -> None:
    """What comes during a commit goes into the next group, all of it."""
    storage = Moody()
    storage.gate.clear()
    journal = await make_journal(storage)
    for number in range(100):
        journal.append(note(number))
        journal.flush()
        await asyncio.sleep(0)
    storage.gate.set()
    await journal.wait(100)
    assert 1 <= storage.last_group() <= 3
    assert sum(group.count for group in storage.groups(0)) == 100
    await journal.close()


@pytest.mark.parametrize("reason", ["time", "bytes"])
async def test_it_is_congested_when_too_much_is_uncommitted(reason: str) -> None:
    """More than 2 s or 64 MiB of uncommitted turns say stop, until the storage has caught up."""
    storage, clock = Moody(), FakeClock()
    journal = await make_journal(storage, clock)
    storage.gate.clear()
    journal.append(note(1))
    journal.flush()
    assert not journal.commits.congested
    if reason == "time":
        clock.advance(2.1)
    else:
        journal.append(Note(0, text="x" * (MOST_BYTES + 1)))
        journal.flush()
    assert journal.commits.congested
    storage.gate.set()
    await journal.wait(journal.position)
    assert not journal.commits.congested
    await journal.close()


async def test_with_durability_memory_nobody_waits_for_the_file(tmp_path: Path) -> None:
    """A turn is acknowledged when it ends, and in the file when the journal is closed."""
    storage = SqliteStorage(tmp_path / "caxton.db", durability="memory")
    journal = await make_journal(storage)
    journal.append(note(1))
    journal.flush()
    assert journal.committed == 1
    await journal.close()
    journal = await make_journal(SqliteStorage(tmp_path / "caxton.db"))
    assert [batch.records for batch in journal.reader.recover()] == [[note(1)]]
    await journal.close()


async def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    """A journal opened again has all groups, goes on with their numbers, and completes its index."""
    path = tmp_path / "caxton.db"
    for run in range(3):
        journal = await make_journal(SqliteStorage(path))
        assert journal.reader.find("c1") == list(range(1, run + 1))
        await journal.wait(journal.append(note(run)))
        if run == 0:
            # As after a crash: the group is there, its index entry is not.
            journal.reader.index.build = lambda: Success(None)  # type: ignore[method-assign]
        await journal.close()
    storage = SqliteStorage(path)
    storage.open()
    assert [group.seq for group in storage.groups(0)] == [1, 2, 3]
    assert storage.indexed_upto() == 3
    storage.close()


async def test_a_missing_or_changed_group_ends_the_recovery() -> None:
    """Recovery stops at the first group that is not what was committed, and says which."""
    for damaged in (1, 2):
        storage = Moody()
        journal = await make_journal(storage)
        for number in range(3):
            await journal.wait(journal.append(note(number)))
        if damaged == 1:
            storage._groups.popleft()
        else:
            sound = storage._groups[1]
            storage._groups[1] = Group(2, 0, 0, 1, sound.checksum, b"\x01changed")
        with pytest.raises(StorageFault) as caught:
            list(journal.reader.recover())
        error = caught.value.error
        assert isinstance(error, Corrupt)
        assert error.group == damaged
        await journal.close()


async def test_the_index_writes_few_rows(tmp_path: Path) -> None:
    """A label that occurs in every group costs one row in many groups."""
    storage = SqliteStorage(tmp_path / "caxton.db", durability="process")
    journal = await make_journal(storage)
    for number in range(300):
        await journal.wait(journal.append(note(number)))
    await journal.close()
    storage.open()
    rows = storage._db.read("SELECT count(*) FROM entries WHERE key = 'c:c1'")[0][0]
    assert 2 <= rows <= 4
    assert storage.find("c:c1") == storage.find("a:1") == list(range(1, storage.last_group() + 1))
    storage.close()


async def test_what_comes_while_the_journal_closes_is_not_acknowledged(tmp_path: Path) -> None:
    """Neither a record nor a row that comes too late is committed, and whoever waits for it is cancelled."""
    storage = make_storage("sqlite", tmp_path)
    journal = await make_journal(storage)
    closing = asyncio.ensure_future(journal.close())
    await asyncio.sleep(0)
    journal.append(note(1))
    late = asyncio.ensure_future(
        journal.wait(journal.put_row(Row("client_ids", "late", {"digest": "d", "created": 1})))
    )
    await closing
    with pytest.raises(asyncio.CancelledError):
        await late
    with pytest.raises(asyncio.CancelledError):
        await journal.wait(journal.append(note(2)))
    again = make_storage("sqlite", tmp_path)
    again.open().unwrap()
    assert again.get("client_ids", "late") is None
    assert list(again.groups(0)) == []
    again.close()


async def test_what_comes_after_a_turn_is_not_committed_with_it() -> None:
    """A row and an after-image wait for their own turn, however late the writer gets to the turn before it."""
    storage = Moody()
    journal = await make_journal(storage)
    storage.gate.clear()
    journal.append(note(0))
    journal.flush()
    turned = journal.append(note(1))
    journal.flush()
    journal.append(note(2))
    journal.put_row(Row("meta", "late", {}, b"1"))
    journal.after_image("c1", note(3))
    storage.gate.set()
    await journal.wait(turned)
    assert storage.get("meta", "late") is None
    assert not any(batch.images for batch in journal.reader.recover())
    await journal.wait(journal.position)
    assert storage.get("meta", "late") is not None
    assert await journal.close() == Success(None)


async def test_a_read_finds_what_was_acknowledged_before_it_was_written() -> None:
    """With durability `memory` an acknowledgement does not wait for a storage that is behind; a read does."""
    storage = Moody()
    storage.durability = "memory"
    journal = await make_journal(storage)
    storage.gate.clear()
    await journal.wait(journal.put_row(Row("meta", "a", {}, b"1")))
    assert storage.get("meta", "a") is None
    reading = asyncio.ensure_future(journal.readable())
    await asyncio.sleep(0.01)
    assert not reading.done()
    storage.gate.set()
    await reading
    assert storage.get("meta", "a") == Row("meta", "a", {}, b"1")
    assert await journal.close() == Success(None)
