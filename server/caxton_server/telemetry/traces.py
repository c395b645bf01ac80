"""Trace ids: taken from a valid W3C `traceparent`, else new; bound to every log line of the task."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

import structlog

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_CURRENT: ContextVar[str] = ContextVar("caxton_trace_id", default="")
_ABSENT = "0" * 32


def parse(traceparent: str | None) -> str | None:
    """Return the trace id of a `traceparent`, None when there is none or it is not valid.

    >>> parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    '4bf92f3577b34da6a3ce929d0e0e4736'
    >>> parse("00-00000000000000000000000000000000-00f067aa0ba902b7-01") is None
    True
    """
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None or found[0].startswith("ff") or found[1] == _ABSENT or found[2] == "0" * 16:
        return None
    if found[0].startswith("00") and len(found[0]) != 55:
        return None
    return found[1]


def begin(traceparent: str | None) -> str:
    """Continue the trace of a caller or begin one, for the current task."""
    trace_id = parse(traceparent) or secrets.token_hex(16)
    _CURRENT.set(trace_id)
    structlog.contextvars.bind_contextvars(trace_id=trace_id)
    return trace_id


def current() -> str:
    """Return the trace id of the current task, empty outside a request."""
    return _CURRENT.get()
