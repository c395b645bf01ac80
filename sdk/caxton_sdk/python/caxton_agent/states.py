"""The durable state of an agent: values by key, kept over restarts, written with the step or not at all.

Rules:
- a value is JSON unless it is read and written as bytes;
- keys that begin with `caxton/` are the library's own;
- there is no list of keys: the node offers none.
"""

from __future__ import annotations

import json
from typing import Any

from caxton_agent.hosts import StateFull, host
from caxton_agent.messages import encode


class State:
    """The agent's durable values; use the one there is, `state`."""

    def __getitem__(self, key: str) -> Any:
        """Read a value; KeyError when there is none."""
        value = self.get_bytes(key)
        if value is None:
            raise KeyError(key)
        return json.loads(value)

    def get(self, key: str, default: Any = None) -> Any:
        """Read a value, or take another."""
        value = self.get_bytes(key)
        return default if value is None else json.loads(value)

    def __setitem__(self, key: str, value: Any) -> None:
        """Write a value; StateFull over the quota."""
        self.put_bytes(key, encode(value).encode())

    def __delitem__(self, key: str) -> None:
        """Forget a value; KeyError when there is none."""
        if not host().state_delete(key.encode()):
            raise KeyError(key)

    def discard(self, key: str) -> None:
        """Forget a value, if there is one."""
        host().state_delete(key.encode())

    def __contains__(self, key: str) -> bool:
        """Say whether there is a value."""
        return self.get_bytes(key) is not None

    def get_bytes(self, key: str) -> bytes | None:
        """Read a value as it is stored."""
        return host().state_get(key.encode())

    def put_bytes(self, key: str, value: bytes) -> None:
        """Write bytes; StateFull over the quota."""
        if not host().state_put(key.encode(), value):
            raise StateFull(f"no room for {len(value)} bytes under {key!r}")


state = State()
