"""The fakes that plugin authors use are themselves sound."""

from __future__ import annotations

import pytest
from caxton_core.ports import Clock, Entropy
from caxton_core.testing import FakeClock, Recorder, SeededEntropy, seeded_uuids


def test_a_fake_clock_moves_only_when_told() -> None:
    """Both readings advance together; a jump changes only the wall clock."""
    clock: Clock = FakeClock(1000)
    assert isinstance(clock, FakeClock)
    clock.advance(0.25)
    assert (clock.time_ms(), clock.monotonic()) == (1250, 0.25)
    clock.jump(-1)
    assert (clock.time_ms(), clock.monotonic()) == (250, 0.25)


def test_a_fake_clock_does_not_go_back() -> None:
    """A monotonic clock can't be moved back."""
    with pytest.raises(ValueError, match="jump"):
        FakeClock().advance(-1)


def test_seeded_entropy_repeats() -> None:
    """The same seed gives the same bytes in the same order, of any size."""
    one: Entropy = SeededEntropy(3)
    two: Entropy = SeededEntropy(3)
    assert [one(size) for size in (0, 1, 5, 5)] == [two(size) for size in (0, 1, 5, 5)]
    assert one(16) != one(16)


def test_seeded_uuids_repeat() -> None:
    """A node that runs from one seed makes the same ids again."""
    one, two = seeded_uuids(5), seeded_uuids(5)
    assert [one.next(9) for _ in range(600)] == [two.next(9) for _ in range(600)]


def test_a_recorder_keeps_the_order() -> None:
    """What was recorded comes back as it came, all or by type, and once when taken."""
    record = Recorder()
    record(1, "a")
    record(2)
    assert (record.effects, record.of(int)) == ([1, "a", 2], [1, 2])
    assert (record.take(), record.effects) == ([1, "a", 2], [])
