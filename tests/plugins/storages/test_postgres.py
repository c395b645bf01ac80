"""The storage in a PostgreSQL database."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest
from caxton_core.errors import (
    CorruptRow,
    DatabaseTooNew,
    InvalidSetting,
    Problem,
    StorageError,
    StorageFault,
    StorageFull,
    StorageUnavailable,
    Unreadable,
)
from caxton_core.hookspecs import StorageOptions
from caxton_core.ports import TABLES, Durability, Row
from caxton_core.testing_storages import StorageContract, make_entry, make_group
from caxton_plugins.storages.migrations import SCHEMA
from caxton_plugins.storages.models import MODELS
from caxton_plugins.storages.postgres import make
from caxton_plugins.storages.postgres_errors import Sayings
from caxton_plugins.storages.postgres_storage import PostgresStorage
from returns.result import Result, Success

from tests.postgres import PASSWORD, PostgresServer

_numbers = itertools.count(1)


def made(url: str, durability: Durability = "disk", schema: str = "caxton") -> PostgresStorage:
    """Make a storage, not opened yet."""
    storage = make(StorageOptions(url, durability, {"schema": schema})).unwrap()
    assert isinstance(storage, PostgresStorage)
    return storage


class TestPostgresStorage(StorageContract):
    """It passes the contract suite."""

    durability: Durability = "disk"

    @pytest.fixture(autouse=True)
    def _storage(self, postgres_database: str) -> Iterator[None]:
        self.url, self.schema = postgres_database, f"contract_{next(_numbers)}"
        self.storage = made(self.url, self.durability, self.schema)
        assert self.storage.open() == Success(None)
        yield
        self.storage.close()

    def reopen(self) -> Result[None, StorageError]:
        """Connect anew."""
        self.storage.close()
        self.storage = made(self.url, self.durability, self.schema)
        return self.storage.open()


class TestPostgresStorageThatDoesNotWait(TestPostgresStorage):
    """It passes the suite when no commit waits for the disk."""

    durability: Durability = "process"


@pytest.fixture
def storage(postgres_database: str) -> Iterator[PostgresStorage]:
    """Give an open storage."""
    storage = made(postgres_database, schema=f"own_{next(_numbers)}")
    assert storage.open() == Success(None)
    yield storage
    storage.close()


def change(postgres: PostgresServer, storage: PostgresStorage, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement in the storage's schema, behind its back."""
    name = storage.place.rpartition("/")[2]
    return postgres.execute(f"SET search_path TO {storage._db._schema}; {sql}", name)


def test_migrations_make_what_the_models_say(storage: PostgresStorage) -> None:
    """The tables after all migrations have the columns of the models, in their order, texts ordered by code points."""
    sql = (
        "SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
    )
    types = {"BIGINT": "bigint", "INT": "integer", "TEXT": "text", "BLOB": "bytea"}
    modelled = [
        (
            model._meta.table_name,
            field.column_name,
            types[field.field_type],
            "YES" if field.null else "NO",
            "C" if field.field_type == "TEXT" else None,
        )
        for model in sorted(MODELS, key=lambda model: model._meta.table_name)
        for field in model._meta.sorted_fields
    ]
    assert [found for found in storage.read(sql) if found[0] != "schema_version"] == modelled


@pytest.mark.parametrize(
    ("durability", "level"), [("disk", "on"), ("process", "off"), ("memory", "off")]
)
def test_durability_is_synchronous_commit(
    postgres_database: str, durability: Durability, level: str
) -> None:
    """Each durability is a level of the server's `synchronous_commit`."""
    storage = made(postgres_database, durability, f"own_{next(_numbers)}")
    storage.open()
    writer = storage._db._writer
    assert writer is not None
    assert writer.execute("SHOW synchronous_commit").fetchone() == (level,)
    storage.close()


def test_a_newer_database_is_refused(postgres: PostgresServer, storage: PostgresStorage) -> None:
    """A database with a schema this code doesn't know is left alone."""
    change(postgres, storage, f"INSERT INTO schema_version VALUES ({SCHEMA + 1})")
    storage.close()
    assert storage.open().failure() == DatabaseTooNew(storage.place, SCHEMA + 1, SCHEMA)


def test_another_programs_tables_are_refused(postgres: PostgresServer, postgres_url: str) -> None:
    """A schema with tables but without a `schema_version` is not ours; other schemas may hold what they like."""
    name = postgres_url.rpartition("/")[2]
    postgres.execute("CREATE TABLE groups (name text)", name)
    postgres.execute("CREATE SCHEMA photos CREATE TABLE photos (name text)", name)
    refused = made(postgres_url, schema="photos").open().failure()
    assert isinstance(refused, Unreadable)
    storage = made(postgres_url)
    assert storage.open() == Success(None)
    storage.close()


@pytest.mark.parametrize(
    ("sql", "table", "key"),
    [
        ("UPDATE agents SET body = '\\x00'", "agents", "1"),
        ("UPDATE agents SET name = 'bob'", "agents", "1"),
        ("UPDATE entries SET groups = '\\x02000000'", "entries", "c:a"),
        ("UPDATE marks SET value = 7", "marks", "indexed_upto"),
    ],
)
def test_a_changed_row_is_noticed(
    postgres: PostgresServer, storage: PostgresStorage, sql: str, table: str, key: str
) -> None:
    """A row, an index entry or a number that is not as it was written is never returned, and a check names it."""
    storage.append([make_group(1)], [Row("agents", "1", {"name": "ada"}, b"body")])
    storage.index([make_entry("c:a", 1)], 1)
    change(postgres, storage, sql)
    with pytest.raises(StorageFault) as caught:
        _ = (
            storage.get(table, key)
            if table in TABLES
            else (storage.find("c:a"), storage.indexed_upto())
        )
    assert caught.value.error == CorruptRow(table, key, "it does not match its checksum")
    assert list(storage.verify()) == [str(caught.value.error)]


def test_texts_of_any_length_are_keys(storage: PostgresStorage) -> None:
    """A key or a column may be longer than an index of PostgreSQL takes, and hold any character."""
    keys = [start + "é\x00\x01\U0001f600" * 5000 for start in ("a", "b")]
    rows = [Row("conversations", key, {"protocol": key, "state": "s"}, b"body") for key in keys]
    groups = [make_group(1), make_group(2)]
    assert storage.append(groups, rows) == Success(None)
    assert storage.index([make_entry(f"c:{key}", 1) for key in keys], 2) == Success(None)
    assert [storage.get("conversations", key) for key in keys] == rows
    assert storage.list("conversations", {"protocol": keys[1]}, after=keys[0], limit=9) == rows[1:]
    assert storage.find(f"c:{keys[1]}") == [1]
    assert list(storage.verify()) == []
    gone = [Row("conversations", key, {}, deleted=True) for key in keys]
    assert storage.append((), gone) == Success(None)
    assert storage.list("conversations", {}, after=None, limit=9) == []


def test_pruning_makes_space_usable_again(storage: PostgresStorage) -> None:
    """The table of groups does not grow while as much is pruned as is appended."""
    sizes = []
    for turn in range(8):
        groups = [make_group(turn * 60 + n, bytes(100_000)) for n in range(1, 61)]
        storage.append(groups, ())
        assert storage.prune(turn * 60 + 55) == Success(None)
        sizes.append(storage.read("SELECT pg_total_relation_size('groups')")[0][0])
    assert sizes[-1] < 3 * 60 * 100_000


def test_no_password_leaves_it(
    postgres: PostgresServer, postgres_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with the way to the server, neither the error nor the log has the password."""
    caplog.set_level("DEBUG")
    plain = unquote(PASSWORD)
    wrong = [
        postgres_database.replace(PASSWORD, PASSWORD + "x"),
        postgres_database.replace(f":{postgres.port}/", ":1/"),
        f"{postgres_database}_missing",
        postgres_database.replace("caxton:", "nobody:"),
    ]
    said = [str(made(url).open().failure()) for url in wrong]
    broken = [
        f"postgresql://caxton:{PASSWORD}@127.0.0.1/db?{PASSWORD}=1",
        f"postgresql://caxton:{plain}@127.0.0.1:port/db",
        f"postgresql://caxton:{PASSWORD}@[::1/db",
        f"postgresql://caxton:{PASSWORD.replace('%2F', '/')}@127.0.0.1/db",
        "postgresql://caxton:" + plain.rpartition("/")[2] + "/x@127.0.0.1/db",
    ]
    said += [str(make(StorageOptions(url, "disk")).map(lambda s: s.open())) for url in broken]
    assert "authentication failed" in said[0]
    assert "does not exist" in said[2]
    for text in (*said, caplog.text):
        assert PASSWORD not in text
        assert plain not in text
        assert plain.rpartition("/")[2] not in text


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.DiskFull("no space left on device"), StorageFull),
        (psycopg.errors.InsufficientPrivilege("no"), Unreadable),
        (psycopg.errors.DataCorrupted("page 7"), Unreadable),
        (psycopg.errors.AdminShutdown("ending"), StorageUnavailable),
        (psycopg.errors.IoError("fsync"), StorageUnavailable),
        (psycopg.errors.SerializationFailure("again"), StorageUnavailable),
        (psycopg.OperationalError("gone"), StorageUnavailable),
    ],
)
def test_errors_are_those_of_storages(error: psycopg.Error, kind: type[Problem]) -> None:
    """What the server says is one of the errors every storage has, with the place in it."""
    found = Sayings("postgresql://db/caxton", "secret").of(error)
    assert type(found) is kind
    assert "postgresql://db/caxton" in str(found)


def test_psycopg_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the plugin is there, and says what to install when its storage is asked for."""
    for name in [
        name for name in sys.modules if name.startswith("caxton_plugins.storages.postgres_")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    refused = make(StorageOptions("postgresql://db/caxton", "disk")).failure()
    assert isinstance(refused, InvalidSetting)
    assert "install caxton-server[postgres]" in str(refused)


@pytest.mark.parametrize("schema", ["", "pg_mine", "Caxton", "a b", 'x"; --', 7])
def test_a_schema_is_a_plain_name(schema: object) -> None:
    """A name that would have to be quoted is a clear error."""
    refused = make(StorageOptions("postgresql://db/caxton", "disk", {"schema": schema})).failure()
    assert "plugins.settings.postgres.schema" in str(refused)
