"""Migrations of SQL databases, from every schema there ever was."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from struct import pack

import pytest
from caxton_core.errors import DatabaseTooNew, StorageFull
from caxton_core.ids import ModuleDigest
from caxton_core.ports import TABLES, Row
from caxton_core.testing_storages import make_group
from caxton_plugins.storages import migrations
from caxton_plugins.storages.migrations import SCHEMA
from caxton_plugins.storages.sqlite import SqliteStorage
from playhouse.migrate import SchemaMigrator
from returns.result import Success

FIRST = Path(__file__).with_name("schema_1.sql")
GROUPS = [
    make_group(seq, bytes([seq % 256]) * 1000, first=seq, last=seq + 5) for seq in range(1, 451)
]
MODULE = b"\0asm"


def rows() -> list[Row]:
    """Make rows of every table, some with all columns and some with none, more than are migrated at once."""
    made = []
    for table, columns in TABLES.items():
        for number in range(420):
            values: dict[str, str | int | None] = {
                column: number if column in ("created", "size") else f"{column} {number}"
                for column in columns
            }
            key = f"{table} {number:03}"
            made.append(Row(table, key, values if number % 2 else {}, bytes([number % 256]) * 9))
    return made


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Make a database of the first schema, with something in every table."""
    path = tmp_path / "caxton.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA page_size = 16384")
        db.executescript(FIRST.read_text(encoding="utf-8"))
        db.executemany(
            "INSERT INTO groups VALUES (?,?,?,?,?,?)",
            [(g.seq, g.first_time, g.last_time, g.count, g.checksum, g.blob) for g in GROUPS],
        )
        entries = [
            (f"c:{n}", first, pack("<2I", first, first + 2)) for n in range(150) for first in (1, 9)
        ]
        db.executemany("INSERT INTO entries VALUES (?,?,?)", entries)
        db.execute("INSERT INTO marks VALUES ('indexed_upto', 400)")
        db.execute("INSERT INTO blobs VALUES (?,?)", (ModuleDigest.of(MODULE), MODULE))
        for row in rows():
            values = [row.key, *map(row.columns.get, TABLES[row.table]), row.body]
            db.execute(f"INSERT INTO {row.table} VALUES ({','.join('?' * len(values))})", values)
    db.close()
    return path


def shape(path: Path) -> dict[str, object]:
    """Return the tables of a database with their columns, and its indexes with what they are of."""
    with sqlite3.connect(path) as db:
        found = db.execute("SELECT type, name, tbl_name FROM sqlite_master WHERE sql IS NOT NULL")
        shapes: dict[str, object] = {}
        for kind, name, table in found.fetchall():
            about = db.execute(
                f"PRAGMA {kind}_{'x' if kind == 'index' else ''}info({name})"
            ).fetchall()
            shapes[f"{kind} {name}"] = (table, about)
    db.close()
    return shapes


def test_the_first_schema_is_migrated(first: Path) -> None:
    """A database of the first schema has everything it had, with checksums, and says that it was migrated."""
    storage = SqliteStorage(first)
    assert storage.open() == Success(None)
    assert storage.migrated == (1, SCHEMA)
    assert list(storage.groups(0)) == GROUPS
    assert storage.find("c:77") == [1, 3, 9, 11]
    assert storage.indexed_upto() == 400
    assert storage.module(ModuleDigest.of(MODULE)) == MODULE
    found = [row for table in TABLES for row in storage.list(table, {}, after=None, limit=999)]
    assert found == rows()
    assert list(storage.verify()) == []
    assert storage.append([make_group(451)], [Row("meta", "new", {})]) == Success(None)
    assert storage.older("events", 4, limit=9) == ["events 001", "events 003"]
    assert storage.prune(9) == Success(None)
    assert storage.find("c:77") == [11]
    storage.close()


def test_a_migrated_database_is_like_a_new_one(first: Path, tmp_path: Path) -> None:
    """Whatever schema it began with, a database ends with the same tables and indexes."""
    for path in (first, tmp_path / "new.db"):
        storage = SqliteStorage(path)
        assert storage.open() == Success(None)
        storage.close()
    assert shape(first) == shape(tmp_path / "new.db")


def test_a_migration_that_fails_changes_nothing(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When there is no room for a migration the database is what it was, and can be migrated later."""
    before = first.read_bytes()
    run = migrations.MIGRATIONS[1]

    def fail(migrator: SchemaMigrator) -> None:
        run(migrator)
        migrator.sql("PRAGMA max_page_count = 1").run()
        migrator.sql("CREATE TABLE large AS SELECT zeroblob(10000000)").run()

    monkeypatch.setattr(migrations, "MIGRATIONS", (migrations.MIGRATIONS[0], fail))
    storage = SqliteStorage(first)
    assert isinstance(storage.open().failure(), StorageFull)
    with sqlite3.connect(first) as db:
        assert db.execute("SELECT max(version) FROM schema_version").fetchone() == (1,)
        assert "header" not in str(db.execute("PRAGMA table_info(groups)").fetchall())
    db.close()
    assert len(before) == len(first.read_bytes())
    monkeypatch.undo()
    assert storage.open() == Success(None)
    assert list(storage.groups(0)) == GROUPS
    storage.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """A database with a schema this code doesn't know is left alone, with a sentence that names both."""
    storage = SqliteStorage(tmp_path / "caxton.db")
    storage.open()
    storage.close()
    with sqlite3.connect(storage.path) as db:
        db.execute("INSERT INTO schema_version VALUES (?)", (SCHEMA + 1,))
    db.close()
    refused = storage.open().failure()
    assert refused == DatabaseTooNew(str(storage.path), SCHEMA + 1, SCHEMA)
    assert f"schema {SCHEMA + 1}, newer than {SCHEMA}" in str(refused)
