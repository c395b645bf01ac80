"""A connection to PostgreSQL on which every wait has an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")

CONNECT_SECONDS: Final = 5
ANSWER_SECONDS: Final = 20.0
"""How long a statement may take; the server is told to give up a little earlier."""
PATIENT_SECONDS: Final = 3600.0
"""How long a migration or a VACUUM may take."""

KEPT_ALIVE: Mapping[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Milliseconds in which what was sent must have arrived.
    "tcp_user_timeout": 20_000,
    # After a fail-over the server that only reads is the wrong one.
    "target_session_attrs": "read-write",
}


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which every wait has an end."""

    patience: float = ANSWER_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server, no longer than is allowed."""
        return super().wait(gen, interval, self.patience if timeout is None else timeout)


def was_slow(error: Exception) -> bool:
    """Tell whether an error is that the server did not answer in time."""
    # The library has no public name for it yet.
    return type(error).__name__ == "_WaitTimeout"
