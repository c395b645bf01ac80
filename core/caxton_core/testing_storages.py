"""The contract suite of storages: every back-end, built-in or a stranger's, passes it.

Use it from a test module; pytest finds the methods:

    class TestRedisStorage(StorageContract):
        @pytest.fixture(autouse=True)
        def _storage(self, tmp_path):
            self.storage = RedisStorage(...)
            self.storage.open()
            yield
            self.storage.close()

        def reopen(self):          # leave out when nothing survives a `close`
            self.storage.close()
            self.storage = RedisStorage(...)
            return self.storage.open()

Rules:
- Only the port is used: no test knows how a back-end stores anything.
- What a back-end does under load, on a full disk or after a crash is for tests of its own.
"""

from __future__ import annotations

from returns.result import Success

from caxton_core.ports import TABLES, Row
from caxton_core.testing_storages_groups import (
    GroupsContract,
    IndexContract,
    make_entry,
    make_group,
)
from caxton_core.testing_storages_retention import ProjectionsContract, RetentionContract
from caxton_core.testing_storages_rows import DIGEST, MODULE, ModulesContract, RowsContract

__all__ = ["StorageContract", "make_entry", "make_group"]


class StorageContract(
    GroupsContract,
    IndexContract,
    RowsContract,
    ModulesContract,
    RetentionContract,
    ProjectionsContract,
):
    """Derive from this, and set `storage` to an empty, open storage before each test."""

    def test_it_begins_empty(self) -> None:
        """A new storage has no groups, no index, no rows and no modules."""
        storage = self.storage
        assert (storage.last_group(), storage.indexed_upto()) == (0, 0)
        assert list(storage.groups(0)) == []
        assert storage.group(1) is None
        assert list(storage.groups_between(0, 1 << 50)) == []
        assert storage.find("c:none") == []
        assert storage.module("sha256:none") is None
        for table in TABLES:
            assert storage.list(table, {}, after=None, limit=10) == []
            assert storage.get(table, "none") is None

    def test_it_says_what_it_is(self) -> None:
        """A storage names itself, its durability, and whether its calls block."""
        assert self.storage.name
        assert self.storage.durability in {"disk", "process", "memory"}
        assert isinstance(self.storage.blocks, bool)

    def test_its_size_grows(self) -> None:
        """The bytes used are at least those of the blobs kept."""
        self.storage.append([make_group(1, bytes(1 << 20))], ())
        assert self.storage.size() >= 1 << 20

    def test_everything_survives_a_restart(self) -> None:
        """A durable storage has all of it again after it was closed and opened."""
        group, row = make_group(1, b"x", first=5), Row("agents", "1", {"name": "ada"}, b"body")
        self.storage.append([group], [row])
        self.storage.index([make_entry("c:a", 1)], 1)
        self.storage.put_module(DIGEST, MODULE)
        opened = self.reopen()
        if opened is None:
            return
        assert opened == Success(None)
        assert list(self.storage.groups(0)) == [group]
        assert self.storage.get("agents", "1") == row
        assert (self.storage.find("c:a"), self.storage.indexed_upto()) == ([1], 1)
        assert self.storage.module(DIGEST) == MODULE
        assert self.storage.append([make_group(2)], ()) == Success(None)

    def test_it_says_which_version_its_tables_have(self) -> None:
        """A new storage had none before it was opened; one that is opened again needs no migration."""
        before, now = self.storage.migrated
        assert before == 0 < now
        opened = self.reopen()
        if opened is not None:
            assert self.storage.migrated == (now, now)
