"""SQLite files in which something changed on the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest
from caxton_core.errors import Corrupt, CorruptRow, StorageFault
from caxton_core.ids import ModuleDigest
from caxton_core.ports import TABLES, Row
from caxton_core.testing_storages import make_entry, make_group
from caxton_plugins.storages.sqlite import SqliteStorage
from returns.result import Success

FLIPS = 150


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqliteStorage]:
    """Give an open storage."""
    made = SqliteStorage(tmp_path / "caxton.db")
    made.open()
    yield made
    made.close()


def change(storage: SqliteStorage, sql: str) -> None:
    """Change something behind the storage's back."""
    with sqlite3.connect(storage.path) as db:
        assert db.execute(sql).rowcount == 1
    db.close()


@pytest.mark.parametrize(
    ("sql", "table", "key"),
    [
        ("UPDATE agents SET body = x'00' WHERE key = '1'", "agents", "1"),
        ("UPDATE agents SET name = 'bob' WHERE key = '1'", "agents", "1"),
        ("UPDATE agents SET key = '2' WHERE key = '1'", "agents", "2"),
        ("UPDATE agents SET body = 'text' WHERE key = '1'", "agents", "1"),
        ("UPDATE entries SET groups = x'02000000' WHERE key = 'c:a'", "entries", "c:a"),
        ("UPDATE entries SET last = 7 WHERE key = 'c:a'", "entries", "c:a"),
        ("UPDATE marks SET value = 7", "marks", "indexed_upto"),
    ],
)
def test_a_changed_row_is_noticed(storage: SqliteStorage, sql: str, table: str, key: str) -> None:
    """A row, an index entry or a number that is not as it was written is never returned, and a check names it."""
    storage.append([make_group(1)], [Row("agents", "1", {"name": "ada"}, b"body")])
    storage.index([make_entry("c:a", 1)], 1)
    change(storage, sql)
    wrong = CorruptRow(table, key, "it does not match its checksum")
    with pytest.raises(StorageFault) as caught:
        _ = (
            storage.get(table, key)
            if table in TABLES
            else (storage.find("c:a"), storage.indexed_upto())
        )
    assert caught.value.error == wrong
    assert list(storage.verify()) == [str(wrong)]


@pytest.mark.parametrize(
    "change_of", ["first_time = 9", "last_time = 9", "count = 9", "checksum = 9", "blob = x'09'"]
)
def test_a_changed_group_is_noticed(storage: SqliteStorage, change_of: str) -> None:
    """Each part of a group is protected; the groups around it still come."""
    groups = [make_group(seq) for seq in (1, 2, 3)]
    storage.append(groups, ())
    change(storage, f"UPDATE groups SET {change_of} WHERE seq = 2")
    for read in (lambda: storage.group(2), lambda: list(storage.groups(1))):
        with pytest.raises(StorageFault) as caught:
            read()
        assert isinstance(caught.value.error, Corrupt)
        assert caught.value.error.group == 2
    assert [storage.group(1), *storage.groups(2)] == [groups[0], groups[2]]
    (found,) = storage.verify()
    assert "group 2 " in found


def test_a_missing_group_is_noticed(storage: SqliteStorage) -> None:
    """A gap in the journal is no end of it, and no absence."""
    storage.append([make_group(seq) for seq in range(1, 30)], ())
    change(storage, "DELETE FROM groups WHERE seq = 20")
    for read in (lambda: storage.group(20), lambda: list(storage.groups(0))):
        with pytest.raises(StorageFault) as caught:
            read()
        assert caught.value.error == Corrupt(20, "it is missing")
    assert list(storage.verify()) == ["Of the journal group 20 is missing."]


def test_a_changed_module_is_noticed(storage: SqliteStorage) -> None:
    """The bytes of a module are those that its digest names, or none."""
    digest = ModuleDigest.of(b"asm")
    storage.put_module(digest, b"asm")
    change(storage, "UPDATE blobs SET data = x'00'")
    with pytest.raises(StorageFault):
        storage.module(digest)
    (found,) = storage.verify()
    assert digest in found


def test_a_flipped_bit_is_noticed(storage: SqliteStorage) -> None:
    """A group whose bytes changed on the disk raises; the groups before it still come."""
    storage.append([make_group(seq, bytes(100)) for seq in (1, 2, 3)], ())
    with sqlite3.connect(storage.path) as db:
        db.execute("UPDATE groups SET blob = ? WHERE seq = 2", (b"\x01" + bytes(99),))
    db.close()
    groups = storage.groups(0)
    assert next(groups).seq == 1
    with pytest.raises(StorageFault) as caught:
        next(groups)
    assert caught.value.error == Corrupt(2, "its bytes do not match its checksum")


def answers(storage: SqliteStorage, digest: str) -> list[object]:
    """Ask a storage for everything it has, in every way; an answer is a value, or the storage's word that it is damaged."""
    asked: list[Callable[[], object]] = [
        lambda: list(storage.groups(0)),
        lambda: list(storage.groups_between(0, 99)),
        *[partial(storage.group, seq) for seq in range(1, 9)],
        *[partial(storage.find, key) for key in ("c:a", "c:b")],
        storage.indexed_upto,
        storage.first_group,
        storage.last_group,
        storage.modules,
        lambda: storage.module(digest),
        lambda: storage.older("events", 4, limit=9),
        lambda: storage.list("conversations", {"state": "2"}, after=None, limit=99),
    ]
    for table in TABLES:
        asked.append(partial(storage.list, table, {}, after=None, limit=99))
        asked += [partial(storage.get, table, f"{n}") for n in range(5)]
    found: list[object] = []
    for ask in asked:
        try:
            found.append(ask())
        except StorageFault as fault:
            found.append(fault)
    return found


def test_a_damaged_file_is_no_silent_wrong_read(storage: SqliteStorage) -> None:
    """Whatever bit of the file is flipped, no value that is read is wrong; what can't be found any more, a check tells of."""
    groups = [make_group(seq, bytes([seq]) * 5000, first=seq) for seq in range(1, 9)]
    rows = [
        Row(table, f"{n}", {c: n if c in ("created", "size") else f"{n}" for c in columns}, b"body")
        for table, columns in TABLES.items()
        for n in range(5)
    ]
    digest = ModuleDigest.of(bytes(20_000))
    storage.append(groups, rows)
    storage.index([make_entry("c:a", 1, 3), make_entry("c:b", 2)], 8)
    storage.put_module(digest, bytes(20_000))
    expected = answers(storage, digest)
    assert not any(isinstance(answer, StorageFault) for answer in expected)
    storage.close()
    sound = storage.path.read_bytes()
    random = Random(7)
    noticed = 0
    for _ in range(FLIPS):
        # Most of a file is free space: most flips go where something is.
        offset = random.randrange(100, len(sound))
        while sound[offset] == 0 and random.random() < 0.95:
            offset = random.randrange(100, len(sound))
        damaged = bytearray(sound)
        damaged[offset] ^= 1 << random.randrange(8)
        storage.path.write_bytes(damaged)
        again = SqliteStorage(storage.path)
        if not isinstance(again.open(), Success):
            noticed += 1
            continue
        found = answers(again, digest)
        wrong = [
            (made, read)
            for made, read in zip(expected, found, strict=True)
            if not isinstance(read, StorageFault) and made != read
        ]
        noticed += any(isinstance(answer, StorageFault) for answer in found)
        if wrong:
            assert all(is_part(read, made) for made, read in wrong), f"offset {offset}: {wrong}"
            assert list(again.verify()), f"offset {offset}: nobody notices {wrong}"
        again.close()
    assert noticed > FLIPS / 10


def is_part(read: object, made: object) -> bool:
    """Tell whether an answer only lacks something of the right one."""
    if isinstance(read, list) and isinstance(made, list):
        return all(item in made for item in read)
    return read is None or read == 0
