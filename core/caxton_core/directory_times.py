"""Times as FIPA writes them: `20261128T150000000Z`, or `+00000000T010000000` from now on (FIPA SC00070).

Rules:
- A year of a relative time counts 365 days and a month 30, as JADE counts them.
- A time without a zone is UTC; every zone but `Z` is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_TIME: Final = re.compile(
    r"([+-]?)([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{3})([Zz]?)"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = 253_402_300_799_999


def parse_fipa_time(text: str, *, now_ms: int) -> int | None:
    """Return epoch milliseconds; None when the text is no time.

    >>> parse_fipa_time("+00000000T000010000", now_ms=5), parse_fipa_time("19700101T000001000Z", now_ms=5)
    (10005, 1000)
    >>> parse_fipa_time("19701301T000000000Z", now_ms=5) is None
    True
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    sign = found[1]
    year, month, day, hour, minute, second, milli = (int(found[n]) for n in range(2, 9))
    if sign:
        days = year * 365 + month * 30 + day
        span = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + milli
        # What ends behind the last year that has four digits ends with it.
        return min(now_ms + span, _LAST) if sign == "+" else max(now_ms - span, 0)
    try:
        moment = datetime(year, month, day, hour, minute, second, milli * 1000, UTC)
    except ValueError:
        return None
    return round((moment - _EPOCH) / timedelta(milliseconds=1))


def format_fipa_time(time_ms: int) -> str:
    """Write epoch milliseconds in UTC.

    >>> format_fipa_time(1_700_000_000_123)
    '20231114T221320123Z'
    """
    seconds, millis = divmod(time_ms, 1000)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y%m%dT%H%M%S}{millis:03d}Z"
