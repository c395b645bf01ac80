"""Times of ACL's string form as the text that JSON messages have, and back.

Rules:
- A year of a relative time counts 365 days and a month 30, as in JADE.
- A time without a zone is read as UTC, the time of every node.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from caxton_core.acl_values import DateTime
from caxton_core.times import parse_time

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS: Final = (365, 30, 1)
_HOURS_EAST: Final = {
    **{letter: hours for hours, letter in enumerate("ABCDEFGHIKLM", 1)},
    **{letter: -hours for hours, letter in enumerate("NOPQRSTUVWXY", 1)},
}
"""Zones by letter; Z is UTC, and J the reader's own."""


def time_text(time: DateTime) -> str:
    """Return RFC 3339 for an absolute time, `+5s` or `-5s` for a relative one.

    >>> time_text(DateTime(2030, 12, 31, 23, 59, 59, 7)), time_text(DateTime(0, 0, 0, 0, 10, 0, 0, "+"))
    ('2030-12-31T23:59:59.007Z', '+600s')
    >>> time_text(DateTime(2030, 12, 31, 23, 59, 59, 7, zone="B"))
    '2030-12-31T23:59:59.007+02:00'
    """
    if time.sign:
        days = sum(
            n * each for n, each in zip((time.year, time.month, time.day), _DAYS, strict=True)
        )
        seconds = ((days * 24 + time.hour) * 60 + time.minute) * 60 + time.second
        fraction = f".{time.millisecond:03d}" if time.millisecond else ""
        return f"{time.sign}{seconds}{fraction}s"
    hours = _HOURS_EAST.get(time.zone.upper(), 0)
    return (
        f"{time.year:04d}-{time.month:02d}-{time.day:02d}T{time.hour:02d}:{time.minute:02d}:"
        f"{time.second:02d}.{time.millisecond:03d}" + (f"{hours:+03d}:00" if hours else "Z")
    )


def time_of(text: str, *, relative: bool = True) -> DateTime | None:
    """Read what `time_text` writes, and every other form of a message's `reply_by`; an absolute time becomes UTC.

    >>> time_of("+1.5h").minute, time_of("1970-01-01T01:00:00+01:00").zone, time_of("soon")
    (30, 'Z', None)
    """
    ms = parse_time(text, now_ms=0)
    if ms is None or (text[:1] in "+-" and not relative):
        return None
    if text[:1] in "+-":
        seconds, millisecond = divmod(abs(ms), 1000)
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        days, hour = divmod(hours, 24)
        year, days = divmod(days, 365)
        month, day = divmod(days, 30)
        sign = "+" if text[0] == "+" else "-"
        return DateTime(year, month, day, hour, minute, second, millisecond, sign)  # type: ignore[arg-type]  # mypy widens it
    try:
        moment = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return None
    return DateTime(
        moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second,
        moment.microsecond // 1000, zone="Z",
    )  # fmt: skip
