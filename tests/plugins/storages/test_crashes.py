"""Storages whose process is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from caxton_core.hookspecs import StorageOptions
from caxton_core.ports import Durability, Storage
from caxton_core.testing_storages_crashes import StorageCrashes
from caxton_plugins.storages import postgres
from caxton_plugins.storages.sqlite import SqliteStorage

pytestmark = pytest.mark.once


def on_disk(path: str) -> Storage:
    """Make a SQLite storage at durability `disk`."""
    return SqliteStorage(path)


def in_process(path: str) -> Storage:
    """Make a SQLite storage at durability `process`."""
    return SqliteStorage(path, durability="process")


def _postgres(url: str, durability: Durability) -> Storage:
    options = StorageOptions(url, durability, {"schema": f"crashes_{durability}"})
    return postgres.make(options).unwrap()


def on_a_server(url: str) -> Storage:
    """Make a PostgreSQL storage at durability `disk`."""
    return _postgres(url, "disk")


def on_a_server_that_does_not_wait(url: str) -> Storage:
    """Make a PostgreSQL storage at durability `process`."""
    return _postgres(url, "process")


class TestSqlite(StorageCrashes):
    """A file at `disk`."""

    factory = f"{__name__}:on_disk"

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.argument = str(tmp_path / "caxton.db")


class TestSqliteInProcess(TestSqlite):
    """A file at `process`."""

    factory = f"{__name__}:in_process"


class TestPostgres(StorageCrashes):
    """A server at `disk`."""

    factory = f"{__name__}:on_a_server"

    @pytest.fixture(autouse=True)
    def _place(self, postgres_database: str) -> None:
        self.argument = postgres_database


class TestPostgresInProcess(TestPostgres):
    """A server at `process`."""

    factory = f"{__name__}:on_a_server_that_does_not_wait"
