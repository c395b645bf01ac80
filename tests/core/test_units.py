"""Units: what is written reads back, and what is no quantity says why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from caxton_core.units import ByteSize, CpuMillis, Duration, Percentage
from hypothesis import given
from hypothesis import strategies as st
from returns.result import Success

AMOUNTS = st.integers(min_value=0, max_value=1 << 50)


@given(AMOUNTS)
def test_size_round_trips(number: int) -> None:
    """A size that was written reads back as the same number of bytes."""
    assert ByteSize.parse(ByteSize.format(number)) == Success(number)


@given(AMOUNTS)
def test_duration_round_trips(number: int) -> None:
    """A duration that was written reads back as the same number of milliseconds."""
    assert Duration.parse(Duration.format(number)) == Success(number)


@given(st.floats(min_value=0, max_value=100))
def test_percentage_round_trips_through_its_ratio(number: float) -> None:
    """A percentage made a ratio and back is, but for rounding, the same."""
    percentage = Percentage.of(number).unwrap()
    back = Percentage.from_ratio(Percentage.ratio(percentage)).unwrap()
    assert back == pytest.approx(number)


@given(st.text(max_size=12))
def test_any_text_is_a_quantity_or_an_error(text: str) -> None:
    """No text raises; a failure is an error value whose sentence holds the text."""
    for parse in (ByteSize.parse, Duration.parse, Percentage.parse):
        result: Any = parse(text)
        if not isinstance(result, Success):
            assert repr(text) in str(result.failure())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("1024", 1024),
        ("16MiB", 16 << 20),
        ("16 MiB", 16 << 20),
        ("1.5KiB", 1536),
        ("2KB", 2000),
        ("1MB", 10**6),
        ("1GB", 10**9),
        ("1GiB", 1 << 30),
        ("7B", 7),
    ],
)
def test_sizes(text: str, number: int) -> None:
    """A size is a number and one of the suffixes, or a bare number of bytes."""
    assert ByteSize.parse(text) == Success(number)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("5s", 5000),
        ("250ms", 250),
        ("2m", 120_000),
        ("1h30m", 5_400_000),
        ("0.5s", 500),
        ("1d", 86_400_000),
    ],
)
def test_durations(text: str, milliseconds: int) -> None:
    """A duration is one or several numbers, each with a unit."""
    assert Duration.parse(text) == Success(milliseconds)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 parsecs", "0.0001s", "-5s", "5s2", "1h 30m", "٣s"]
)
def test_what_is_no_duration(text: str) -> None:
    """A duration needs a unit, a sign is none, and parts of milliseconds don't exist."""
    assert Duration.parse(text).failure().kind == "duration"


@pytest.mark.parametrize("text", ["", "MiB", "16mb", "0.3B", "-1B", "1e3", "1,5KB", "9" * 40])
def test_what_is_no_size(text: str) -> None:
    """A size has a known suffix and is a whole number of bytes."""
    assert ByteSize.parse(text).failure().kind == "size"


def test_an_unknown_unit_lists_the_known_ones() -> None:
    """The error says which suffixes there are."""
    assert "B KiB MiB GiB KB MB GB" in str(ByteSize.parse("16mb").failure())


@pytest.mark.parametrize("number", [-0.1, 100.1, float("nan"), float("inf"), True])
def test_what_is_no_percentage(number: float) -> None:
    """A percentage is between 0 and 100, and a truth value is none."""
    assert Percentage.of(number).failure().kind == "percentage"


def test_of_checks_numbers() -> None:
    """`of` takes whole numbers that are large enough, nothing else."""
    assert CpuMillis.of(1) == Success(1)
    assert CpuMillis.of(0).failure().detail == "it is less than 1"
    assert ByteSize.of(-1).failure().detail == "it is less than 0"
    anything: Any = True
    assert Duration.of(anything).failure().detail == "it is not a whole number"


class Box(msgspec.Struct):
    """Values of every unit, as fields."""

    size: ByteSize
    duration: Duration | None
    cpu: dict[str, CpuMillis]
    shares: tuple[Percentage, ...]


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack])
def test_units_are_plain_numbers_to_every_codec(codec: Any) -> None:
    """A Struct with units encodes and decodes without hooks: at run time they are ints and floats."""
    box = Box(ByteSize(1), Duration(2), {"a": CpuMillis(3)}, (Percentage(4),))
    assert type(box.size) is int
    assert codec.decode(codec.encode(box), type=Box) == box
