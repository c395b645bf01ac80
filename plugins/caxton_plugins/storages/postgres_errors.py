"""What a storage says when PostgreSQL, or the way to it, fails.

Rules:
- No text that leaves here has the password in it, in any form it could have been written.
- The address names host, port and database, never who connects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import psycopg
from caxton_core.errors import StorageError, StorageFull, StorageUnavailable, Unreadable

_FULL = frozenset({"53100"})
_USELESS = frozenset({"3D000", "3F000", "42501", "XX001", "XX002"})
"""No such database or schema, no right to it, or damaged."""
_LOST = frozenset({"57P01", "57P02", "57P03", "57P05", "25006", "25P03"})
"""The server ends, begins or stands by: another connection may fare better."""


def place_of(parameters: Mapping[str, Any]) -> str:
    """Return what to call a database.

    >>> place_of({"host": "db", "port": "5433", "dbname": "caxton", "password": "secret"})
    'postgresql://db:5433/caxton'
    """
    hosts = str(parameters.get("host", "")).split(",")
    ports = str(parameters.get("port", "")).split(",")
    ports += ports[-1:] * (len(hosts) - len(ports))
    at = ",".join(f"{h}:{p}" if p else h for h, p in zip(hosts, ports, strict=False))
    return f"postgresql://{at}/{parameters.get('dbname', '')}"


def was_lost(error: psycopg.Error) -> bool:
    """Tell whether it was the connection that failed, and not what was asked."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate in _LOST or error.sqlstate.startswith("08")


class Sayings:
    """Turns exceptions into errors about one database."""

    def __init__(self, place: str, password: str) -> None:
        self.place = place
        forms = {
            password,
            unquote(password),
            quote(password),
            quote(password, ""),
            quote_plus(password),
        }
        self._secrets = sorted(forms - {""}, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """Put a text on one line, without the password."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())

    def of(self, error: Exception) -> StorageError:
        """Say what an exception means."""
        said = self.clean(str(error)) or type(error).__name__
        state = (error.sqlstate or "") if isinstance(error, psycopg.Error) else ""
        if state in _FULL:
            return StorageFull(f"{self.place} can't grow ({said})")
        if state in _USELESS or state.startswith("28"):
            return Unreadable(self.place, said)
        return StorageUnavailable(f"{self.place}: {said}")
