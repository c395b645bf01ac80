"""What `caxton doctor` finds: one value for each thing it has looked at.

Rules:
- `ok`: as it should be; `warn`: a node runs, with a risk or a limit that is named; `fail`: it would not run, or not safely.
- `detail` says what was found, `advice` what to do about it; only what is ok may leave the advice out.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Status: TypeAlias = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    status: Status
    detail: str
    advice: str = ""


def ok(name: str, detail: str) -> Finding:
    """Report that something is as it should be.

    >>> ok("clock", "set").status
    'ok'
    """
    return Finding(name, "ok", detail)


def warn(name: str, detail: str, advice: str) -> Finding:
    """Report a risk or a limit."""
    return Finding(name, "warn", detail, advice)


def fail(name: str, detail: str, advice: str) -> Finding:
    """Report what keeps a node from running, or from running safely."""
    return Finding(name, "fail", detail, advice)
