"""What the tests of databases share: a database with a bit of everything, made as a node's writer makes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from struct import pack as packed
from zlib import crc32

import msgspec
from caxton_core import registry
from caxton_core.errors import StorageError
from caxton_core.ports import TABLES, Group, IndexEntry, Row, Storage
from caxton_core.registry import Registry
from caxton_plugins.storages import sqlite
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.runtime.journal_groups import Turn, pack
from caxton_server.runtime.journal_index import Index
from caxton_server.runtime.records import CODEC, Record, Routed, Sent
from returns.result import Result, Success

MODULE = b"\x00asm some module"
DIGEST = f"sha256:{hashlib.sha256(MODULE).hexdigest()}"
START = 1_700_000_000_000
GROUPS = 40


def plugins() -> Registry:
    """Return a registry with the storage of archives."""
    return registry.load(more={"sqlite": sqlite}, group="caxton-tests").unwrap()


def wire(conversation: str, number: int) -> bytes:
    """Encode a message."""
    return msgspec.json.encode(
        {
            "performative": "inform", "sender": "api@caxton", "receiver": "a7@caxton", "content": f"number {number}",
            "conversation_id": conversation, "id": f"m-{number}",
        }
    )  # fmt: skip


def record(number: int) -> Record:
    """Return what a group says beside its rows: one message, in one of seven conversations, to one of three agents."""
    conversation = f"c-{number % 7}"
    sent = Sent(number, (7 + number % 3,), conversation, f"m-{number}", wire(conversation, number))
    return Routed(START + number, sent)


def rows_of(number: int) -> list[Row]:
    """Return the rows that go into tables with a group."""
    rows = [
        Row("events", f"{number:016}", {"type": "t", "created": START + number}, b'{"seq": %d}' % number),
        Row("agents", str(number % 5), {"name": f"a{number % 5}", "state": "running"}, b"agent %d" % number),
        Row("conversations", f"c-{number}", {"state": "completed", "created": START + number}, b"{}"),
    ]  # fmt: skip
    if number % 4 == 0:
        rows.append(Row("events", f"{number - 2:016}", {}, deleted=True))
    if number % 10 == 0:
        rows.append(
            Row("dead_letters", f"d-{number}", {"reason": "trap", "created": START + number}, b"{}")
        )
    if number == 3:
        rows.append(Row("modules", DIGEST, {"profile": "strict", "size": len(MODULE)}, b"{}"))
    return rows


def group_of(number: int, rows: Sequence[Row] | None = None, *, old: bool = False) -> Group:
    """Return a group; an `old` one is of the format that holds no rows."""
    given = {(row.table, row.key): row for row in (rows_of(number) if rows is None else rows)}
    records = [record(number)]
    time = START + number
    if not old:
        turn = Turn(number, CODEC.encode(records), len(records), {}, given, time, time)
        return pack(number, (turn,), CODEC)
    frame = CODEC.encode(records)
    blob = b"\x01" + packed("<I", 0) + packed("<I", len(frame)) + frame
    return Group(number, time, time, 1, crc32(blob), blob)


def write(
    storage: Storage, numbers: Iterable[int], *, old: int = 0, checkpoint: int | None = None
) -> None:
    """Append groups with their rows and index them; those up to `old` are of the old format."""
    index = Index(storage, lambda _: ())
    for number in numbers:
        rows = rows_of(number)
        if checkpoint is not None and number == checkpoint + 1:
            rows.append(Row("meta", "checkpoint", {}, b"%d" % checkpoint))
        group = group_of(number, rows, old=number <= old)
        assert storage.append([group], rows) == Success(None)
        index.add(number, CODEC.keys([record(number)]))
    assert index.build() == Success(None)


def fill(storage: Storage, *, groups: int = GROUPS, old: int = 0) -> None:
    """Put a bit of everything into a storage."""
    assert storage.put_module(DIGEST, MODULE) == Success(None)
    write(storage, range(1, groups + 1), old=old, checkpoint=groups // 2)


def prune(storage: Storage, upto: int) -> None:
    """Forget groups as retention does: rows that are current are written again first."""
    carried = [
        row
        for group_ in storage.groups(0, upto)
        for row in rows_of(group_.seq)
        if not row.deleted and storage.get(row.table, row.key) == row
    ]
    number = storage.last_group() + 1
    group = group_of(number, carried)
    assert storage.append([group], carried) == Success(None)
    index = Index(storage, lambda _: ())
    index.add(number, CODEC.keys([record(number)]))
    assert index.build() == Success(None)
    assert storage.prune(upto) == Success(None)


def opened(path: Path, *, read_only: bool = False) -> SqliteStorage:
    """Open a SQLite storage."""
    storage = SqliteStorage(path, durability="process", read_only=read_only)
    assert storage.open() == Success(None)
    return storage


def contents(storage: Storage) -> dict[str, object]:
    """Return everything a storage holds, but for the rows that speak of itself."""
    own = {"unfinished", "archive"}
    return {
        "groups": list(storage.groups(0)),
        "modules": {digest: storage.module(digest) for digest in storage.modules()},
        "index": {
            key: storage.find(key)
            for key in [*(f"c:c-{n}" for n in range(7)), *(f"a:{n}" for n in range(7, 10))]
        },
        **{
            table: [row for row in storage.list(table, {}, after=None, limit=100_000) if row.key not in own]
            for table in TABLES
        },
    }  # fmt: skip


class Died(BaseException):
    """The process ended in the middle of its work."""


class Mortal(SqliteStorage):
    """A storage whose process ends at one of its writes: the one after `lives` others."""

    lives = 1 << 30

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Result[None, StorageError]:
        """Append, or die."""
        self._live()
        return super().append(groups, rows)

    def index(self, entries: Sequence[IndexEntry], upto: int) -> Result[None, StorageError]:
        """Index, or die."""
        self._live()
        return super().index(entries, upto)

    def truncate(self, after: int) -> Result[None, StorageError]:
        """Truncate, or die."""
        self._live()
        return super().truncate(after)

    def clear_projections(self, rows: Sequence[Row] = ()) -> Result[None, StorageError]:
        """Clear, or die."""
        self._live()
        return super().clear_projections(rows)

    def put_module(self, digest: str, data: bytes) -> Result[None, StorageError]:
        """Keep a module, or die."""
        self._live()
        return super().put_module(digest, data)

    def delete_module(self, digest: str) -> Result[None, StorageError]:
        """Forget a module, or die."""
        self._live()
        return super().delete_module(digest)

    def _live(self) -> None:
        if self.lives == 0:
            raise Died
        self.lives -= 1


def mortal(path: Path, lives: int) -> Mortal:
    """Open a storage whose process ends after some writes."""
    storage = Mortal(path, durability="process")
    assert storage.open() == Success(None)
    storage.lives = lives
    return storage
