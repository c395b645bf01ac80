"""The event log: what happened, numbered, kept in a table, and streamed once it is durable.

Rules:
- An event is a row committed with the records that caused it; nobody sees it before that commit.
- A reader that falls too far behind is cut off with a reason; it resumes from the table with its last number.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec
from caxton_core.events import Event, name_of
from caxton_core.ports import Row, Storage
from caxton_core.views import EventView

if TYPE_CHECKING:
    from caxton_server.runtime.kernel import Kernel

BACKLOG = 10_000
PAGE = 500


class Reader:
    """One subscription."""

    def __init__(self) -> None:
        self.views: deque[EventView] = deque()
        self.wake = asyncio.Event()
        self.lost = False


class EventLog:
    """Publishes events and keeps them."""

    def __init__(self, kernel: Kernel, storage: Storage) -> None:
        self.kernel, self.storage = kernel, storage
        newest = storage.list("events", {}, after=None, limit=1, newest_first=True)
        self.seq = int(newest[0].key) if newest else 0
        self.readers: list[Reader] = []
        self._waiting: deque[tuple[int, EventView]] = deque()

    @property
    def latest_key(self) -> str:
        """Return the key of the latest event's row."""
        return f"{self.seq:016d}"

    def publish(self, event: Event) -> None:
        """Record an event."""
        self.seq += 1
        agent, conversation = getattr(event, "agent", None), getattr(event, "conversation", None)
        data = msgspec.structs.asdict(event)
        kernel = self.kernel
        view = EventView(self.seq, name_of(event), kernel.stamp, agent, conversation, data)
        columns: dict[str, str | int | None] = {
            "type": view.type, "agent": agent, "conversation": conversation, "created": kernel.now,
        }  # fmt: skip
        kernel.journal.put_row(Row("events", self.latest_key, columns, msgspec.json.encode(view)))
        if self.readers:
            self._waiting.append((kernel.journal.position, view))

    def release(self, committed: int) -> None:
        """Hand the readers what is durable now."""
        while self._waiting and self._waiting[0][0] <= committed:
            _, view = self._waiting.popleft()
            for reader in self.readers:
                if len(reader.views) >= BACKLOG:
                    reader.lost = True
                else:
                    reader.views.append(view)
                reader.wake.set()

    async def follow(
        self,
        *,
        types: frozenset[str] | None,
        agent: str | None,
        conversation: str | None,
        after: int | None,
    ) -> AsyncIterator[EventView]:
        """Yield events for ever: those behind `after` from the table first; ends when the reader is too slow."""

        def wanted(view: EventView) -> bool:
            return (
                (types is None or view.type in types)
                and (agent is None or view.agent == agent)
                and (conversation is None or view.conversation == conversation)
            )

        reader = Reader()
        self.readers.append(reader)
        try:
            seen = self.seq if after is None else after
            if after is not None:
                async for view in self._stored(after):
                    seen = view.seq
                    if wanted(view):
                        yield view
            while not reader.lost:
                while reader.views:
                    view = reader.views.popleft()
                    if view.seq > seen and wanted(view):
                        yield view
                reader.wake.clear()
                await reader.wake.wait()
        finally:
            self.readers.remove(reader)

    async def _stored(self, after: int) -> AsyncIterator[EventView]:
        """Yield what the table holds behind a number, once everything published so far is in it."""
        await self.kernel.journal.readable()
        key = f"{after:016d}"
        while True:
            rows = await asyncio.to_thread(self.storage.list, "events", {}, after=key, limit=PAGE)
            for row in rows:
                yield msgspec.json.decode(row.body, type=EventView)
                key = row.key
            if len(rows) < PAGE:
                return
