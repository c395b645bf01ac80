"""Times as text: RFC 3339 in UTC with milliseconds, and those counted from now."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RELATIVE: Final = re.compile(r"([+-]\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def format_time(time_ms: int) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds.

    >>> format_time(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    seconds, millis = divmod(time_ms, 1000)
    return f"{_second(seconds)}.{millis:03d}Z"


@functools.lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def parse_time(text: str, *, now_ms: int) -> int | None:
    """Read RFC 3339, or `+5s` (`-5s`) counted from `now_ms`; None when it is neither.

    >>> parse_time("+1.5s", now_ms=1000), parse_time("1970-01-01T00:00:02Z", now_ms=0), parse_time("soon", now_ms=0)
    (2500, 2000, None)
    """
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return _within(now_ms + round(float(relative[1]) * _UNIT_MS[relative[2]]))
    if len(text) < 20 or text[10] not in "Tt ":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    try:
        return _within(round((moment - _EPOCH) / timedelta(milliseconds=1)))
    except OverflowError:
        return None


def _within(time_ms: int) -> int | None:
    """Return a time that can be written: one of the years 1 to 9999 in UTC."""
    return time_ms if -62_135_596_800_000 <= time_ms < 253_402_300_800_000 else None
