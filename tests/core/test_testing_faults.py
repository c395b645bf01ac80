"""Faults around a storage: what is refused, what is made and denied, what a power cut takes."""

from __future__ import annotations

from random import Random

import pytest
from caxton_core.errors import StorageFault, StorageFull, StorageUnavailable
from caxton_core.ports import Row
from caxton_core.testing_faults import DelegatingStorage, Disk, FaultRates, FaultyStorage
from caxton_core.testing_storages import StorageContract, make_group
from caxton_plugins.storages.memory import MemoryStorage
from returns.result import Failure, Success


def always(luck: float) -> FaultyStorage:
    """Return a storage whose luck does not change; each fault has a third of it."""
    rates = FaultRates(full=0.3, unavailable=0.3, unknown=0.3, longest=2)
    return FaultyStorage(MemoryStorage(), chance=lambda: luck, rates=rates)


class TestDelegatingStorage(StorageContract):
    """A storage that passes everything on keeps the contract."""

    @pytest.fixture(autouse=True)
    def _storage(self) -> None:
        self.storage = DelegatingStorage(MemoryStorage())


class TestDisk(StorageContract):
    """So does one that remembers the order of changes."""

    @pytest.fixture(autouse=True)
    def _storage(self) -> None:
        self.storage = Disk(MemoryStorage)


@pytest.mark.parametrize(("luck", "kind"), [(0.1, StorageFull), (0.4, StorageUnavailable)])
def test_a_change_that_is_refused_is_not_made(luck: float, kind: type) -> None:
    """It fails for the length of a spell, and then may be made unchanged."""
    storage = always(luck)
    done = storage.append([make_group(1)], ())
    assert isinstance(done, Failure)
    assert isinstance(done.failure(), kind)
    assert storage.last_group() == 0
    assert storage.failures == 1
    storage.heal()
    assert storage.append([make_group(1)], ()) == Success(None)
    assert storage.last_group() == 1


def test_a_change_whose_outcome_is_unknown_is_made() -> None:
    """It is answered with a failure though it is there, and making it again changes nothing."""
    storage = always(0.7)
    assert isinstance(storage.append([make_group(1)], [Row("meta", "a", {}, b"1")]), Failure)
    assert storage.last_group() == 1
    storage.heal()
    assert storage.append([make_group(1)], [Row("meta", "a", {}, b"1")]) == Success(None)
    assert [group.seq for group in storage.groups(0)] == [1]


def test_good_luck_changes_nothing() -> None:
    """Beyond the rates nothing fails."""
    storage = always(0.95)
    assert storage.append([make_group(1)], ()) == Success(None)
    assert storage.failures == 0


def test_nothing_gets_through_once_it_is_cut() -> None:
    """Changes fail and reads raise, and closing leaves the inner storage alone."""
    storage = FaultyStorage(MemoryStorage(), chance=Random(1).random)
    storage.cut()
    assert isinstance(storage.append([make_group(1)], ()), Failure)
    with pytest.raises(StorageFault):
        storage.last_group()
    storage.close()
    assert storage.inner.last_group() == 0


def test_a_power_cut_takes_the_latest_changes() -> None:
    """What was changed before stays, in every table."""
    disk = Disk(MemoryStorage)
    disk.open()
    for seq in range(1, 6):
        disk.append([make_group(seq)], [Row("meta", f"{seq}", {})])
    assert disk.changes == 6
    disk.cut_power(4)
    assert [group.seq for group in disk.groups(0)] == [1, 2, 3]
    assert [row.key for row in disk.list("meta", {}, after=None, limit=9)] == ["1", "2", "3"]
    assert disk.append([make_group(4)], ()) == Success(None)
    disk.cut_power(0)
    assert disk.last_group() == 0
