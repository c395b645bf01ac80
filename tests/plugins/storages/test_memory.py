"""The storage in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from caxton_core.errors import Corrupt, StorageFault
from caxton_core.hookspecs import StorageOptions
from caxton_core.ports import Group, Row
from caxton_core.testing_storages import StorageContract, make_entry, make_group
from caxton_plugins.storages.memory import MemoryStorage, make
from returns.pipeline import is_successful


class TestMemoryStorage(StorageContract):
    """It passes the contract suite."""

    @pytest.fixture(autouse=True)
    def _storage(self) -> Iterator[None]:
        self.storage = MemoryStorage()
        self.storage.open()
        yield
        self.storage.close()


def test_the_oldest_groups_go() -> None:
    """Over the retention the oldest groups are dropped, and with them what the index says of them."""
    storage = MemoryStorage(retention=100)
    for seq in range(1, 9):
        storage.append([make_group(seq, bytes(30))], ())
        storage.index([make_entry("c:a", seq)], seq)
    assert [group.seq for group in storage.groups(0)] == [6, 7, 8]
    assert storage.group(5) is None
    assert storage.find("c:a") == [6, 7, 8]
    assert storage.last_group() == 8


def test_a_group_larger_than_the_retention_is_kept() -> None:
    """The newest group stays, however large it is."""
    storage = MemoryStorage(retention=10)
    storage.append([make_group(1), make_group(2, bytes(50))], ())
    assert [group.seq for group in storage.groups(0)] == [2]


def test_the_oldest_events_go() -> None:
    """Events are bounded in number; other rows are not."""
    storage = MemoryStorage(most_rows=16)
    for number in range(40):
        rows = [Row("events", f"{number:03}", {}), Row("agents", f"{number:03}", {})]
        storage.append((), rows)
    kept = [row.key for row in storage.list("events", {}, after=None, limit=99)]
    assert kept == [f"{number:03}" for number in range(40 - len(kept), 40)]
    assert 16 <= len(kept) <= 17
    assert len(storage.list("agents", {}, after=None, limit=99)) == 40


def test_a_changed_blob_is_noticed() -> None:
    """A group that does not match its checksum raises instead of coming back."""
    storage = MemoryStorage()
    storage.append([Group(1, 0, 0, 1, 99, b"x")], ())
    with pytest.raises(StorageFault) as caught:
        storage.group(1)
    assert isinstance(caught.value.error, Corrupt)


@pytest.mark.parametrize(
    ("settings", "works"),
    [
        ({}, True),
        ({"retention": "64MiB"}, True),
        ({"retention": 0}, False),
        ({"retention": "much"}, False),
    ],
)
def test_the_retention_is_a_setting(settings: dict[str, object], works: bool) -> None:
    """A size is taken, anything else is a clear error."""
    assert is_successful(make(StorageOptions("memory:", "memory", settings))) is works
