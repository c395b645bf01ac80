"""Retention: what is over is forgotten after a while, so that the storage follows what is alive and not what ever was.

Rules:
- Rows of events, finished conversations and ids of clients go when they are older than their span. That is a change like
  any other: the journal has it.
- Groups go from the oldest on, when they are behind the latest checkpoint and older than messages are kept, or when the
  storage is larger than it may be. None goes that may be needed by a conversation the server itself has begun.
- A row that is still current is written again before the group that holds it goes: the journal can rebuild every table
  at any time. When groups go for their size, events and finished conversations of their time go with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from caxton_core.errors import StorageFault
from caxton_core.ports import Row
from returns.result import Failure

from caxton_server.runtime.client_ids import WINDOW_MS
from caxton_server.runtime.journal_groups import unpack

if TYPE_CHECKING:
    from caxton_server.config_sections import RetentionConfig
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.events import EventLog
    from caxton_server.runtime.kernel import Kernel

_log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 10.0
STOP_SECONDS = 2.0
"""How long a step that is under way may take when the node stops."""
ROWS, ROUNDS = 500, 20
"""Rows deleted in one step, and steps in one round."""
GROUPS, BYTES = 64, 16 * 1024 * 1024
"""Groups, or bytes of them, that go in one step."""
HISTORY: Final = frozenset({"events", "conversations"})


class Retention:
    """Forgets what is over, in the background."""

    def __init__(
        self, kernel: Kernel, conversations: Conversations, events: EventLog, config: RetentionConfig
    ) -> None:  # fmt: skip
        self.kernel, self.conversations, self.config = kernel, conversations, config
        self.events = events
        self.journal = kernel.journal
        self.storage = kernel.journal.storage
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look every few seconds."""
        self._task = asyncio.create_task(self._run(), name="caxton-retention")

    async def stop(self) -> None:
        """End what is under way and look no more."""
        self._stop.set()
        task, self._task = self._task, None
        if task is None:
            return
        # A storage that fails may keep it waiting for ever; what it wanted to forget is found again by the next node.
        await asyncio.wait({task}, timeout=STOP_SECONDS)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                await self.look()
            except StorageFault as fault:
                # Readiness tells of a storage that fails; what could not be forgotten now is looked at again.
                _log.warning("nothing can be forgotten now: %s", fault.error)
            try:
                await asyncio.wait_for(self._stop.wait(), EVERY_SECONDS)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Forget what is over now."""
        now, spans = self.kernel.clock.time_ms(), self.config
        for table, span in (
            ("events", spans.events), ("conversations", spans.conversations), ("client_ids", WINDOW_MS),
        ):  # fmt: skip
            await self._expire(table, now - int(span))
        if self.storage.blocks:
            while not self._stop.is_set() and await self._prune(now):
                pass

    async def _expire(self, table: str, before: int) -> None:
        """Delete the rows of a table that are older than a time."""
        for _ in range(ROUNDS):
            if self._stop.is_set() or self.journal.commits.failing is not None:
                return
            keys = await asyncio.to_thread(self.storage.older, table, before, limit=ROWS)
            # The latest event stays: the next one counts on from it.
            latest = self.events.latest_key if table == "events" else None
            for key in keys:
                if key != latest:
                    self.journal.put_row(_gone(Row(table, key, {})))
            if keys:
                await self.journal.stored(self.journal.position)
            if len(keys) < ROWS:
                return

    async def _prune(self, now: int) -> bool:
        """Let the oldest groups go; tell whether some went."""
        if self.journal.commits.failing is not None:
            return False
        checkpoint = await asyncio.to_thread(self.journal.reader.checkpoint)
        if not checkpoint:
            return False
        limit = self.config.size
        crowded = limit is not None and await asyncio.to_thread(self.storage.size) > limit
        before = min(self._needed_from(), now if crowded else now - int(self.config.messages))
        upto = await asyncio.to_thread(self._oldest, before, checkpoint - 1)
        if not upto:
            return False
        await self.journal.begin_carrying()
        rows = await asyncio.to_thread(self._current, upto)
        if crowded:
            # The latest event stays here too.
            latest = self.events.latest_key
            rows = [
                _gone(row) if row.table in HISTORY and row.key != latest else row for row in rows
            ]
        await self.journal.carry(rows)
        first = self.storage.first_group()
        done = await asyncio.to_thread(self.storage.prune, upto)
        if isinstance(done, Failure):
            raise StorageFault(done.failure())
        self.kernel.counters.pruned_groups += upto + 1 - first
        return True

    def _oldest(self, before: int, most: int) -> int:
        """Return up to which group a step may go: they are older than a time, and not beyond `most`; 0 for none."""
        upto = size = 0
        for group in self.storage.groups(0, most):
            if group.last_time >= before:
                break
            upto = group.seq
            size += len(group.blob)
            if size >= BYTES or upto - self.storage.first_group() + 1 >= GROUPS:
                break
        return upto

    def _current(self, upto: int) -> list[Row]:
        """Return the rows of the oldest groups that are in their tables as they were written then."""
        written: dict[tuple[str, str], Row] = {}
        for group in self.storage.groups(0, upto):
            for row in unpack(
                group, self.journal.codec, images=False, rows=True, holding=None
            ).rows:
                written[row.table, row.key] = row
        return [
            row for row in written.values()
            if not row.deleted and self.storage.get(row.table, row.key) == row
        ]  # fmt: skip

    def _needed_from(self) -> int:
        """Return the time from which on groups are needed by conversations that the server has begun."""
        conversations = self.conversations
        opened = [
            conversations.open[id].opened_at for id in conversations.reports if id in conversations.open
        ]  # fmt: skip
        return min(opened, default=1 << 62)


def _gone(row: Row) -> Row:
    return Row(row.table, row.key, {}, deleted=True)
