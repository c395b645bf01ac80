"""The storage in a PostgreSQL database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from caxton_core.errors import StorageError
from caxton_core.hookspecs import StorageOptions
from caxton_core.ports import Durability
from caxton_core.testing_storages import StorageContract
from caxton_plugins.storages.postgres import make
from caxton_plugins.storages.postgres_storage import PostgresStorage
from returns.result import Result, Success

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
