"""Retention: what is over goes after a while, and nothing else does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from caxton_core.initiators import ConversationSpec
from caxton_core.ports import TABLES, Row, Storage
from caxton_core.units import ByteSize, Duration
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.config import Config
from caxton_server.config_sections import RetentionConfig, StorageConfig
from caxton_server.runtime import retention
from caxton_server.runtime.journal_groups import unpack
from caxton_server.runtime.records import CODEC

from tests.server.runtime.nodes import Bench, Script

HOUR = 3_600


def folded(storage: Storage) -> dict[tuple[str, str], Row]:
    """Return the rows that the journal says there are."""
    rows: dict[tuple[str, str], Row] = {}
    for group in storage.groups(0):
        for row in unpack(group, CODEC, images=False, rows=True, holding=None).rows:
            rows[row.table, row.key] = row
    return {key: row for key, row in rows.items() if not row.deleted}


def stored(storage: Storage) -> dict[tuple[str, str], Row]:
    """Return the rows of every table."""
    return {
        (table, row.key): row
        for table in TABLES
        for row in storage.list(table, {}, after=None, limit=100_000)
    }


class Place:
    """A node on SQLite under a clock of its own."""

    def __init__(self, folder: Path, **retention: Any) -> None:
        self.config = Config(
            storage=StorageConfig(checkpoint=ByteSize(10_000), retention=RetentionConfig(**retention))
        )  # fmt: skip
        self.folder = folder
        self.bench = Bench(storage=SqliteStorage(folder / "caxton.db"), config=self.config)

    async def start(self) -> Place:
        """Start the node, whose loop runs by itself; retention looks when it is told to."""
        (await self.bench.node.start()).unwrap()
        await self.bench.node.retention.stop()
        self.bench.node.retention._stop.clear()
        return self

    async def again(self) -> Place:
        """Stop the node and start the next one on the same data."""
        await self.bench.node.stop()
        scripts, clock = self.bench.scripts, self.bench.clock
        storage = SqliteStorage(self.folder / "caxton.db")
        self.bench = Bench(storage=storage, scripts=scripts, clock=clock, config=self.config)
        return await self.start()

    @property
    def storage(self) -> Storage:
        """The storage of the node."""
        return self.bench.storage

    async def send(self, many: int, *, size: int = 300, **fields: Any) -> None:
        """Post messages, each acknowledged before the next."""
        for number in range(many):
            body = {"performative": "inform", "receiver": "agent", "content": f"{number:0{size}}"}
            (await self.bench.node.send(msgspec.json.encode({**body, **fields}))).unwrap()

    async def pass_time(self, hours: float) -> None:
        """Let hours pass, write what is due, and let retention look."""
        await self.bench.node.kernel.journal.readable()
        self.bench.clock.advance(hours * HOUR)
        self.bench.node.loop.wake()
        await asyncio.sleep(0.05)
        await self.bench.node.retention.look()
        await self.bench.node.kernel.journal.readable()


async def test_old_groups_go_behind_a_checkpoint_and_the_tables_can_still_be_rebuilt(
    tmp_path: Path,
) -> None:
    """Messages older than their span are gone, what is alive stays, and the journal that is left tells every row."""
    place = await Place(tmp_path, messages=Duration(HOUR * 1000)).start()
    await place.bench.deploy("agent", Script())
    await place.send(100)
    await place.pass_time(0.5)
    assert place.storage.first_group() == 1
    await place.pass_time(1)
    await place.send(100)
    await place.pass_time(0)
    assert place.storage.first_group() > 1
    assert place.bench.node.kernel.counters.pruned_groups == place.storage.first_group() - 1
    assert 100 <= len((await place.bench.node.messages(limit=1000)).unwrap().items) < 200
    assert folded(place.storage) == stored(place.storage)
    before = stored(place.storage)
    assert (
        before["agents", str(int(place.bench.cell("agent").handle))].columns["state"] == "running"
    )
    place = await place.again()
    assert place.bench.cell("agent").state == "running"
    assert stored(place.storage).keys() == before.keys()
    await place.send(1)
    await place.bench.node.stop()


async def test_events_and_finished_conversations_go_after_their_spans(tmp_path: Path) -> None:
    """Each has a span of its own; of the events the latest stays, so that their numbers go on."""
    place = await Place(
        tmp_path, events=Duration(2 * HOUR * 1000), conversations=Duration(HOUR * 1000)
    ).start()  # fmt: skip
    answer = {"performative": "inform", "content": "done"}
    await place.bench.deploy("agent", Script(lambda _message, _tools: answer))
    for _ in range(3):
        body = {"performative": "query-ref", "receiver": "agent", "protocol": "fipa-query"}
        (await place.bench.node.request(msgspec.json.encode(body), wait=5)).unwrap()
    await place.bench.node.kernel.journal.readable()

    def count() -> tuple[int, int]:
        rows = stored(place.storage)
        return sum(table == "conversations" for table, _ in rows), sum(
            table == "events" for table, _ in rows
        )

    conversations, events = count()
    assert conversations == 3
    assert events > 3
    await place.pass_time(1.5)
    assert count() == (0, events)
    await place.pass_time(1)
    assert count() == (0, 1)
    seq = place.bench.node.event_log.seq
    place = await place.again()
    assert place.bench.node.event_log.seq >= seq
    assert folded(place.storage) == stored(place.storage)
    await place.bench.node.stop()


async def test_a_storage_that_is_too_large_loses_the_oldest(tmp_path: Path) -> None:
    """Beyond its size groups go though they are young, with the events of their time; what is alive stays."""
    place = await Place(tmp_path, size=ByteSize(1_000_000)).start()
    await place.bench.deploy("agent", Script())
    await place.send(300, size=3000)
    for _ in range(4):
        await place.pass_time(0.001)
        await place.send(5)
    assert place.storage.first_group() > 1
    assert place.storage.size() < 2_000_000
    assert place.storage.get("events", f"{1:016d}") is None
    assert folded(place.storage) == stored(place.storage)
    place = await place.again()
    assert place.bench.cell("agent").state == "running"
    await place.bench.node.stop()


async def test_the_latest_event_outlives_every_other(tmp_path: Path) -> None:
    """However small a storage may be, the numbers of events go on after a restart."""
    place = await Place(tmp_path, size=ByteSize(1)).start()
    await place.bench.deploy("agent", Script())
    await place.send(100)
    for _ in range(4):
        await place.pass_time(0.001)
        await place.send(5)
    seq = place.bench.node.event_log.seq
    assert [key for table, key in stored(place.storage) if table == "events"] == [f"{seq:016d}"]
    place = await place.again()
    assert place.bench.node.event_log.seq >= seq
    assert folded(place.storage) == stored(place.storage)
    await place.bench.node.stop()


async def test_what_a_conversation_of_the_server_needs_stays(tmp_path: Path) -> None:
    """While a conversation that the server has begun is open, no group since then goes."""
    place = await Place(tmp_path, messages=Duration(HOUR * 1000)).start()
    await place.bench.deploy("agent", Script())
    spec = {
        "protocol": "fipa-contract-net", "participants": ["agent"], "content": "?",
        "reply_by": "+50h", "ttl": "100h", "select": {"min": "$.cost"},
    }  # fmt: skip
    asked = msgspec.convert(spec, ConversationSpec)
    opened = (await place.bench.node.start_conversation(asked)).unwrap()
    await place.send(100)
    await place.pass_time(2)
    await place.send(100)
    await place.pass_time(0)
    first = place.bench.node.histories
    found, _, _ = await first.since(opened.id, 0, 0)
    assert found
    (await place.bench.node.cancel_conversation(opened.id)).unwrap()
    await place.pass_time(3)
    await place.send(100)
    await place.pass_time(0)
    assert place.storage.first_group() > 1
    await place.bench.node.stop()


async def test_a_row_that_is_put_while_it_is_carried_keeps_its_new_value(tmp_path: Path) -> None:
    """What was read from a table before it changed does not come back."""
    place = await Place(tmp_path).start()
    journal = place.bench.node.kernel.journal
    rows = [Row("meta", name, {}, b"old") for name in "abc"]
    for row in rows:
        journal.put_row(row)
    await journal.readable()
    await journal.begin_carrying()
    journal.put_row(Row("meta", "a", {}, b"new"))
    journal.flush()
    journal.put_row(Row("meta", "b", {}, deleted=True))
    await journal.carry(rows)
    assert place.storage.get("meta", "a") == Row("meta", "a", {}, b"new")
    assert place.storage.get("meta", "b") is None
    assert place.storage.get("meta", "c") == rows[2]
    assert folded(place.storage) == stored(place.storage)
    await place.bench.node.stop()


async def test_a_step_that_waits_for_a_failing_storage_does_not_keep_a_node_from_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that never comes is not waited for when the node stops."""
    monkeypatch.setattr(retention, "STOP_SECONDS", 0.01)
    place = await Place(tmp_path).start()
    forgetting = place.bench.node.retention
    waits = asyncio.Event()

    async def look() -> None:
        waits.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(forgetting, "look", look)
    forgetting.start()
    await waits.wait()
    await asyncio.wait_for(forgetting.stop(), 20)
    await place.bench.node.stop()
