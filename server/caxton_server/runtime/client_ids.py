"""What clients chose to call their messages and requests: kept for a while, so that sending again is harmless.

Rules:
- `keep` is called in the same go as the effect, so the row is in the group of the effect: both are there after a crash, or
  neither is.
- What was kept is found at once, committed or not, and forgotten when the window is over, whenever its row is deleted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
from caxton_core.ports import Row

if TYPE_CHECKING:
    from caxton_server.runtime.kernel import Kernel

WINDOW_MS: Final = 24 * 3_600_000
"""How long a message's id or a key stands for its first answer (docs/messages.md)."""
REMEMBERED: Final = 10_000
REMEMBERED_BYTES: Final = 16 * 1024 * 1024
"""Ids, and bytes of what they stand for, in memory beside the table; more only while so much is not committed yet."""
TABLE: Final = "client_ids"


class ClientId(msgspec.Struct, frozen=True, gc=False):
    """What is kept under a name: when, at which position of the journal, and what."""

    created: int
    position: int
    body: bytes


class ClientIds:
    """The names that clients chose, each with what it stands for."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.storage = kernel.journal.storage
        self._recent: dict[str, ClientId] = {}
        self._bytes = 0

    async def find(self, name: str) -> bytes | None:
        """Return what a name stands for; nobody else has a turn between this answer and the caller's next step."""
        found = self._recent.get(name)
        if found is None:
            row = await asyncio.to_thread(self.storage.get, TABLE, name)
            # Somebody may have kept it while the table was read.
            found = self._recent.get(name)
            if found is None and row is not None:
                found = ClientId(int(row.columns["created"] or 0), 0, row.body)
        if found is None or self.kernel.tick() - found.created >= WINDOW_MS:
            return None
        return found.body

    def keep(self, name: str, digest: str, body: bytes) -> None:
        """Let a name stand for something from now on."""
        journal, recent = self.kernel.journal, self._recent
        created = self.kernel.now
        columns: dict[str, str | int | None] = {"digest": digest, "created": created}
        position = journal.put_row(Row(TABLE, name, columns, body))
        self._forget(name)
        recent[name] = ClientId(created, position, body)
        self._bytes += len(body)
        while len(recent) > REMEMBERED or self._bytes > REMEMBERED_BYTES:
            oldest = next(iter(recent))
            # The table does not have it yet: forgotten now, it would be unknown.
            if recent[oldest].position > journal.readable_upto:
                break
            self._forget(oldest)

    def _forget(self, name: str) -> None:
        known = self._recent.pop(name, None)
        if known is not None:
            self._bytes -= len(known.body)
