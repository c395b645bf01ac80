"""The storage in an SQLite file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from caxton_core.errors import (
    StorageError,
    StorageFault,
    StorageFull,
    StorageUnavailable,
    Unreadable,
)
from caxton_core.hookspecs import StorageOptions
from caxton_core.ports import Durability, Group, Row
from caxton_core.testing_storages import StorageContract, make_entry, make_group
from caxton_plugins.storages import connections
from caxton_plugins.storages.migrations import SCHEMA
from caxton_plugins.storages.models import MODELS
from caxton_plugins.storages.sqlite import SqliteStorage, make
from peewee import SqliteDatabase
from returns.result import Result, Success


class TestSqliteStorage(StorageContract):
    """It passes the contract suite."""

    @pytest.fixture(autouse=True)
    def _storage(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "caxton.db"
        self.storage = SqliteStorage(self.path)
        assert self.storage.open() == Success(None)
        yield
        self.storage.close()

    def reopen(self) -> Result[None, StorageError]:
        """Open the same file again."""
        self.storage.close()
        self.storage = SqliteStorage(self.path)
        return self.storage.open()


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqliteStorage]:
    """Give an open storage."""
    made = SqliteStorage(tmp_path / "caxton.db")
    made.open()
    yield made
    made.close()


def failure(path: Path) -> StorageError:
    """Open a storage that can't be opened, and return the reason."""
    return SqliteStorage(path).open().failure()


def test_migrations_make_what_the_models_say(storage: SqliteStorage, tmp_path: Path) -> None:
    """The tables after all migrations have the columns, types and keys of the models, and no others."""
    made = SqliteDatabase(str(tmp_path / "modelled.db"))
    with made.bind_ctx(MODELS), made.connection_context():
        made.create_tables(MODELS, safe=False)
    modelled = sqlite3.connect(tmp_path / "modelled.db")
    migrated = sqlite3.connect(storage.path)

    def shape(db: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: db.execute(f"PRAGMA table_info({name})").fetchall()
            for (name,) in tables
            if name != "schema_version"
        }

    assert shape(migrated) == shape(modelled)
    migrated.close()
    modelled.close()


@pytest.mark.parametrize(("durability", "level"), [("disk", 2), ("process", 1), ("memory", 0)])
def test_durability_is_the_level_of_synchronous(
    tmp_path: Path, durability: Durability, level: int
) -> None:
    """Each durability is a level of SQLite's `synchronous`, always with a write-ahead log."""
    storage = SqliteStorage(tmp_path / "caxton.db", durability=durability)
    storage.open()
    writer = storage._db._writer
    assert writer is not None
    assert writer.execute("PRAGMA synchronous").fetchone() == (level,)
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    storage.close()


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """Tables without a `schema_version` are not ours to migrate."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE photos (name TEXT)")
    db.close()
    assert isinstance(failure(path), Unreadable)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]
    db.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Bytes that are no database, a folder, and a missing folder are each a clear error."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, but long enough to look like something" * 20)
    for path in (text, tmp_path, tmp_path / "missing" / "caxton.db"):
        found = failure(path)
        assert isinstance(found, Unreadable)
        assert str(path) in str(found)


def test_a_full_disk_is_said_and_survived(storage: SqliteStorage) -> None:
    """When the file can't grow nothing of the commit is kept; when it can again, the same commit works."""
    writer = storage._db._writer
    assert writer is not None
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    group, row = make_group(1, bytes(1 << 20)), Row("meta", "a", {})
    assert isinstance(storage.append([group], [row]).failure(), StorageFull)
    assert storage.last_group() == 0
    assert storage.get("meta", "a") is None
    writer.execute("PRAGMA max_page_count = 1000000")
    assert storage.append([group], [row]) == Success(None)
    assert list(storage.groups(0)) == [group]


def test_a_busy_database_is_said(storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program writes, a commit fails after a while, and works when tried again."""
    monkeypatch.setattr(connections, "_BUSY_SECONDS", 0.01)
    storage.close()
    storage.open()
    other = sqlite3.connect(storage.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    found = storage.append([make_group(1)], ()).failure()
    assert isinstance(found, StorageUnavailable)
    other.execute("ROLLBACK")
    other.close()
    assert storage.append([make_group(1)], ()) == Success(None)


def test_a_commit_whose_answer_was_lost_can_be_repeated(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a commit that failed the file is asked what it has: what is there nevertheless is passed over."""
    monkeypatch.setattr(connections, "_BUSY_SECONDS", 0.01)
    storage.close()
    storage.open()
    groups, row = [make_group(1), make_group(2)], Row("meta", "a", {}, b"1")
    other = SqliteStorage(storage.path)
    other.open()
    blocker = sqlite3.connect(storage.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    assert isinstance(storage.append(groups[:1], [row]).failure(), StorageUnavailable)
    blocker.execute("ROLLBACK")
    blocker.close()
    other.append(groups[:1], [row])
    other.close()
    assert storage.append(groups, [row]) == Success(None)
    assert list(storage.groups(0)) == groups


def test_a_bug_leaves_no_transaction_open(storage: SqliteStorage) -> None:
    """A value that SQLite can't take raises, and the next commit works."""
    with pytest.raises(UnicodeEncodeError):
        storage.append([make_group(1)], [Row("meta", "\ud800", {})])
    assert storage.last_group() == 0
    assert storage.append([make_group(1)], ()) == Success(None)
    assert list(storage.groups(0)) == [make_group(1)]


def test_a_closed_storage_says_so(storage: SqliteStorage) -> None:
    """After `close`, writing fails and reading raises, neither in a strange way."""
    storage.close()
    assert isinstance(storage.append([make_group(1)], ()).failure(), StorageUnavailable)
    with pytest.raises(StorageFault):
        storage.get("meta", "a")


def test_threads_read_while_one_writes(storage: SqliteStorage) -> None:
    """Readers see a growing prefix of whole commits: a row never comes before its group, nor without it."""
    problems: list[str] = []
    done = threading.Event()

    def read() -> None:
        seen = 0
        while not done.is_set():
            row = storage.get("meta", "last")
            groups: list[Group] = list(storage.groups(seen))
            if row is not None and (groups[-1].seq if groups else seen) < int(row.body):
                problems.append(f"row {row.body!r} without its group")
            numbers = [group.seq for group in groups]
            if numbers != list(range(seen + 1, seen + 1 + len(numbers))):
                problems.append(f"{numbers} behind {seen}")
            seen += len(numbers)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for seq in range(1, 101):
        storage.append([make_group(seq, bytes(500))], [Row("meta", "last", {}, b"%d" % seq)])
    done.set()
    for reader in readers:
        reader.join()
    assert problems == []


def test_pruning_gives_space_back(storage: SqliteStorage) -> None:
    """The file shrinks by what was pruned, but for a reserve, and the index keeps no entry that leads nowhere."""
    for seq in range(1, 201):
        storage.append([make_group(seq, bytes(200_000))], ())
    storage.index([make_entry("c:old", 1, 190), make_entry("c:both", 2, 200)], 200)
    writer = storage._db._writer
    assert writer is not None
    full = writer.execute("PRAGMA page_count").fetchone()[0]
    assert storage.prune(195) == Success(None)
    left = writer.execute("PRAGMA page_count").fetchone()[0]
    assert left < full / 2
    assert writer.execute("PRAGMA freelist_count").fetchone()[0] == connections._RESERVE_PAGES
    assert writer.execute("SELECT key FROM entries").fetchall() == [("c:both",)]
    assert list(storage.verify()) == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///caxton-data/caxton.db", "caxton-data/caxton.db"),
        ("sqlite:////var/lib/caxton.db", "/var/lib/caxton.db"),
    ],
)
def test_the_url_says_the_path(url: str, path: str) -> None:
    """Three slashes begin a relative path, four an absolute one."""
    made = make(StorageOptions(url, "process")).unwrap()
    assert isinstance(made, SqliteStorage)
    assert (str(made.path), made.durability) == (path, "process")


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://host/x.db", "sqlite:///"])
def test_a_url_without_a_path_is_refused(url: str) -> None:
    """A URL that names no file is a clear error."""
    assert url in str(make(StorageOptions(url, "disk")).failure())


class TestReadOnly:
    """Opened beside somebody who writes."""

    def test_it_sees_what_is_committed_and_writes_nothing(self, storage: SqliteStorage) -> None:
        """A reader finds groups and rows that came after it was opened; every write of its own fails."""
        reader = SqliteStorage(storage.path, read_only=True)
        assert reader.open() == Success(None)
        row = Row("agents", "1", {"name": "ada"}, b"body")
        assert storage.append([make_group(1)], [row]) == Success(None)
        assert (reader.first_group(), reader.last_group()) == (1, 1)
        assert reader.get("agents", "1") == row
        assert reader.migrated == (SCHEMA, SCHEMA)
        for refused in (
            reader.append([make_group(2)], ()),
            reader.index([make_entry("c:a", 1)], 1),
            reader.prune(1),
            reader.truncate(0),
            reader.clear_projections(),
            reader.put_module("sha256:a", b"m"),
            reader.delete_module("sha256:a"),
        ):
            assert refused.failure() == StorageUnavailable("it was opened only to be read")
        reader.close()
        assert list(storage.groups(0)) == [make_group(1)]

    def test_nothing_is_created(self, tmp_path: Path) -> None:
        """A file that is not there, or has no tables, is refused and left as it is."""
        for path in (tmp_path / "none.db", tmp_path / "empty.db"):
            if path.stem == "empty":
                path.touch()
            refused = SqliteStorage(path, read_only=True).open().failure()
            assert isinstance(refused, Unreadable)
        assert [(each.name, each.stat().st_size) for each in tmp_path.iterdir()] == [
            ("empty.db", 0)
        ]

    def test_nothing_is_migrated(self, storage: SqliteStorage) -> None:
        """Tables of another version are refused with what to do about it, or who could read them."""
        storage.close()
        for version, words in ((SCHEMA - 1, "caxton db migrate"), (SCHEMA + 1, "newer than")):
            with sqlite3.connect(storage.path) as database:
                database.execute("DELETE FROM schema_version")
                database.execute("INSERT INTO schema_version VALUES (?)", (version,))
            database.close()
            refused = SqliteStorage(storage.path, read_only=True).open().failure()
            assert words in str(refused)

    def test_a_log_that_a_crash_left_is_read(self, tmp_path: Path) -> None:
        """What is only in the log of a process that died is seen, and the log stays for the next writer."""
        path = tmp_path / "caxton.db"
        script = (
            "import os, sys; from caxton_core.testing_storages import make_group;"
            "from caxton_plugins.storages.sqlite import SqliteStorage;"
            "s = SqliteStorage(sys.argv[1]); s.open(); s.append([make_group(1)], ()); os._exit(0)"
        )
        subprocess.run([sys.executable, "-c", script, str(path)], check=True)
        log = path.with_name("caxton.db-wal")
        before = log.read_bytes()
        assert before
        reader = SqliteStorage(path, read_only=True)
        assert reader.open() == Success(None)
        assert list(reader.groups(0)) == [make_group(1)]
        reader.close()
        assert log.read_bytes() == before
