"""Clocks of Python that tell when the step began: the modules `time` and `datetime` ask the host.

Rules:
- while no step runs, at build time, they are what they always were.
"""

from __future__ import annotations

import datetime
import time
from typing import Any, NoReturn, Self

from caxton_agent.hosts import host, inside

_REAL = datetime.datetime
_FUNCTIONS = ("time", "monotonic", "perf_counter", "process_time", "thread_time")


class _Meta(type):
    """Says that every date with a time is one of ours: much of Python makes them without asking us."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL)


class StepDatetime(_REAL, metaclass=_Meta):
    """A date with a time whose `now` is when the step began, in UTC unless another zone is asked for."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Self:
        """Return when the step began."""
        if not inside():
            return super().now(tz)
        zone = datetime.UTC if tz is None else tz
        told = cls.fromtimestamp(host().now_ms() / 1000, zone)
        return told.replace(tzinfo=tz)

    @classmethod
    def utcnow(cls) -> Self:
        """Return when the step began, without its zone."""
        return cls.now(datetime.UTC).replace(tzinfo=None)

    today = now


def _no_sleep(seconds: float, /) -> NoReturn:
    raise PermissionError("an agent can't sleep; set a timer")


def replace() -> None:
    """Put the clocks of steps in the place of the usual ones; before anything keeps a reference to those."""
    for name in _FUNCTIONS:
        _replace(name, 1000, getattr(time, name, time.time))
        _replace(f"{name}_ns", 0, getattr(time, f"{name}_ns", time.time_ns))
    for name in ("localtime", "gmtime", "ctime"):
        _default(name, getattr(time, name))
    written = time.strftime
    time.strftime = lambda form, parts=None: written(form, parts or time.localtime())
    time.sleep = _no_sleep  # type: ignore[assignment]  # it takes whatever it is given
    datetime.datetime = StepDatetime  # type: ignore[misc]  # that is the purpose


def _replace(name: str, divisor: int, real: Any) -> None:
    def tell() -> Any:
        if not inside():
            return real()
        return host().now_ms() / divisor if divisor else host().now_ms() * 1_000_000

    setattr(time, name, tell)


def _default(name: str, real: Any) -> None:
    """Let a function that takes a time take ours when it is given none."""
    setattr(time, name, lambda seconds=None: real(time.time() if seconds is None else seconds))
