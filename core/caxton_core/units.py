"""Quantities with a unit: sizes, CPU time, durations, percentages.

Rules:
- To mypy each is a type of its own; at run time the value is the plain int or float under it, so arithmetic,
  SQL and every codec take it and it costs nothing (`Plain` makes msgspec see the number in a Struct's field).
- `of` checks a number, `parse` reads text from outside, `format` writes what `parse` reads back.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final, Self, cast

from returns.result import Failure, Result, Success

from caxton_core.errors import InvalidValue

_NUMBER: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([A-Za-z%]*)")


class Plain(type):
    """A class that exists for the type checker: calling it gives a value of the built-in type it derives from.

    It is to a class what `typing.NewType` is to a name, and msgspec takes it for one.
    """

    @property
    def __supertype__(cls) -> type:
        return cls.__mro__[1]


def _amount(
    kind: str, text: str, suffixes: dict[str, int], default: str
) -> Result[int, InvalidValue]:
    """Read `<number><suffix>` as a whole multiple of the smallest unit."""
    found = _NUMBER.fullmatch(text.strip())
    known = " ".join(suffixes)
    if found is None or (not found[2] and not default):
        return Failure(InvalidValue(kind, text, f"write a number and one of {known}"))
    factor = suffixes.get(found[2] or default)
    if factor is None:
        return Failure(InvalidValue(kind, text, f"the unit {found[2]!r} is none of {known}"))
    value = Decimal(found[1]) * factor
    if value != int(value):
        return Failure(
            InvalidValue(kind, text, f"it is not a whole number of {next(iter(suffixes))}")
        )
    return Success(int(value))


def _whole(kind: str, number: object, minimum: int = 0) -> Result[int, InvalidValue]:
    if type(number) is not int:
        return Failure(InvalidValue(kind, str(number), "it is not a whole number"))
    if number < minimum:
        return Failure(InvalidValue(kind, str(number), f"it is less than {minimum}"))
    return Success(number)


def _format(number: int, suffixes: dict[str, int], preferred: tuple[str, ...]) -> str:
    """Write with the first preferred suffix that divides the number."""
    for suffix in preferred:
        if number and number % suffixes[suffix] == 0:
            return f"{number // suffixes[suffix]}{suffix}"
    return f"{number}{preferred[-1]}"


class ByteSize(int, metaclass=Plain):
    """A number of bytes.

    >>> ByteSize.parse("16MiB")
    <Success: 16777216>
    >>> ByteSize.format(ByteSize(16777216)), ByteSize.format(ByteSize(5000))
    ('16MiB', '5KB')
    >>> print(ByteSize.parse("16mb").failure())
    '16mb' is no size: the unit 'mb' is none of B KiB MiB GiB KB MB GB.
    """

    SUFFIXES: Final = {
        "B": 1,
        "KiB": 1 << 10,
        "MiB": 1 << 20,
        "GiB": 1 << 30,
        "KB": 10**3,
        "MB": 10**6,
        "GB": 10**9,
    }

    def __new__(cls, number: int) -> Self:
        return cast("Self", int(number))

    @classmethod
    def of(cls, number: int) -> Result[ByteSize, InvalidValue]:
        """Check a number of bytes."""
        return _whole("size", number).map(cls)

    @classmethod
    def parse(cls, text: str) -> Result[ByteSize, InvalidValue]:
        """Read a size such as 16MiB; a bare number counts bytes."""
        return _amount("size", text, cls.SUFFIXES, "B").map(cls)

    @classmethod
    def format(cls, size: int) -> str:
        """Write a size with the largest unit that divides it, binary before decimal."""
        return _format(size, cls.SUFFIXES, ("GiB", "MiB", "KiB", "GB", "MB", "KB", "B"))


class CpuMillis(int, metaclass=Plain):
    """Milliseconds of CPU.

    >>> CpuMillis.of(50)
    <Success: 50>
    """

    def __new__(cls, number: int) -> Self:
        return cast("Self", int(number))

    @classmethod
    def of(cls, number: int) -> Result[CpuMillis, InvalidValue]:
        """Check a number of milliseconds: at least 1."""
        return _whole("CPU time in ms", number, 1).map(cls)


class Duration(int, metaclass=Plain):
    """A span of time in whole milliseconds.

    >>> Duration.parse("1h30m")
    <Success: 5400000>
    >>> Duration.format(Duration(5400000)), Duration.seconds(Duration(250))
    ('90m', 0.25)
    """

    SUFFIXES: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
    _PART: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?[a-z]+")

    def __new__(cls, number: int) -> Self:
        return cast("Self", int(number))

    @classmethod
    def of(cls, number: int) -> Result[Duration, InvalidValue]:
        """Check a number of milliseconds."""
        return _whole("duration in ms", number).map(cls)

    @classmethod
    def parse(cls, text: str) -> Result[Duration, InvalidValue]:
        """Read a duration such as 5s, 250ms, 2m or 1h30m."""
        parts = cls._PART.findall(text)
        if len(parts) < 2 or "".join(parts) != text:
            return _amount("duration", text, cls.SUFFIXES, "").map(cls)
        total = 0
        for part in parts:
            match _amount("duration", part, cls.SUFFIXES, ""):
                case Success(amount):
                    total += amount
                case _:
                    return Failure(InvalidValue("duration", text, f"{part!r} is none"))
        return Success(cls(total))

    @classmethod
    def format(cls, duration: int) -> str:
        """Write a duration with the largest unit that divides it."""
        return _format(duration, cls.SUFFIXES, ("d", "h", "m", "s", "ms"))

    @classmethod
    def seconds(cls, duration: int) -> float:
        """Return the duration in seconds."""
        return duration / 1000


class Percentage(float, metaclass=Plain):
    """A share between 0 and 100.

    >>> Percentage.of(12.5), Percentage.from_ratio(0.25), Percentage.parse("5%")
    (<Success: 12.5>, <Success: 25.0>, <Success: 5.0>)
    >>> print(Percentage.of(101).failure())
    '101' is no percentage: it is not between 0 and 100.
    """

    def __new__(cls, number: float) -> Self:
        return cast("Self", float(number))

    @classmethod
    def of(cls, number: float) -> Result[Percentage, InvalidValue]:
        """Check a number between 0 and 100."""
        return _share("percentage", number, 100).map(cls)

    @classmethod
    def from_ratio(cls, ratio: float) -> Result[Percentage, InvalidValue]:
        """Check a ratio between 0 and 1."""
        return _share("ratio", ratio, 1).map(lambda share: cls(share * 100))

    @classmethod
    def parse(cls, text: str) -> Result[Percentage, InvalidValue]:
        """Read a percentage such as 5% or 12.5."""
        found = _NUMBER.fullmatch(text.strip())
        if found is None or found[2] not in ("", "%"):
            return Failure(InvalidValue("percentage", text, "write a number and %"))
        return cls.of(float(found[1]))

    @classmethod
    def ratio(cls, percentage: float) -> float:
        """Return the percentage as a ratio between 0 and 1."""
        return percentage / 100


def _share(kind: str, number: Any, most: int) -> Result[float, InvalidValue]:
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= most:
        return Failure(InvalidValue(kind, str(number), f"it is not between 0 and {most}"))
    return Success(float(number))
