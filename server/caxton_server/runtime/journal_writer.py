"""The journal's writer: it commits whatever has gathered as soon as it is free.

Rules:
- What it does is a coroutine that waits for nothing but its driver: in a node, a thread of its own.
- Turns are committed in order; a group holds whole turns.
- A group that can't be committed is tried again, unchanged, until it is in, or until the node stops.
- A commit is announced when the group is durable and findable in the index.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from caxton_core.errors import StorageError, StorageUnavailable
from caxton_core.ports import Row
from returns.result import Failure, Result

from caxton_server.runtime.journal_groups import Codec, Mark, Turn, pack, rows

if TYPE_CHECKING:
    from caxton_core.ports import Group, Storage

    from caxton_server.runtime.journal_drivers import Driver
    from caxton_server.runtime.journal_index import Index

CHECKPOINT = "checkpoint"
"""The key of the row in `meta` that names the group in which the latest complete checkpoint begins."""
_GROUP_BYTES = 4 * 1024 * 1024
_IDLE_SECONDS = 0.25
_FIRST_DELAY = 0.02
_LONGEST_DELAY = 1.0


class Writer:
    """One writer; `announce(position, failing)` is called on its thread after each commit and each failure."""

    def __init__(
        self,
        storage: Storage,
        index: Index,
        codec: Codec,
        announce: Callable[[int, StorageError | None], None],
        driver: Driver,
    ) -> None:
        self._storage = storage
        self._index = index
        self._codec = codec
        self._announce = announce
        self._seq = storage.last_group()
        self._position = 0
        self._checkpoint = 0
        self._put: set[tuple[str, str]] | None = None
        """The rows that were put since somebody began to carry rows; None while nobody does."""
        self._driver = driver
        self.put = driver.put
        self._ended = False

    def start(self) -> None:
        """Begin to commit."""
        self._driver.start(self._run())

    async def stop(self, patience: float) -> bool:
        """Commit what was put and end; False when that was not possible for so many seconds."""
        self._driver.put(None)
        await self._driver.finish(patience)
        return self._ended

    @property
    def alive(self) -> bool:
        """Whether it runs, and may be using the storage."""
        return self._driver.alive

    async def _run(self) -> None:
        try:
            await self._write()
        except Exception as error:  # raised again: only said before the thread ends
            # A bug, of a codec perhaps. Nothing will be committed any more: say so before the thread ends.
            self._announce(
                self._position, StorageUnavailable(f"the journal's writer ended: {error!r}")
            )
            raise

    async def _write(self) -> None:
        stopping = False
        while not stopping:
            turns, stopping = await self._gather()
            if turns and not await self._commit(turns):
                return
            if self._index.due or (self._index.pending and (stopping or not turns)):
                await self._try(self._index.build)
        self._ended = True

    async def _gather(self) -> tuple[list[Turn], bool]:
        """Wait for a turn, and take what has gathered behind it up to a group's size."""
        try:
            turn = await self._driver.get(_IDLE_SECONDS if self._index.pending else None)
            turns: list[Turn] = []
            size = 0
            while turn is not None:
                turns.append(turn)
                size += len(turn.frame)
                if size >= _GROUP_BYTES:
                    return turns, False
                try:
                    turn = self._driver.get_nowait()
                except queue.Empty:
                    return turns, False
        except queue.Empty:
            return [], False
        return turns, True

    async def _commit(self, turns: list[Turn]) -> bool:
        self._heed(turns)
        changed = any(turn.count or turn.images or turn.rows for turn in turns)
        groups = [pack(self._seq + 1, turns, self._codec)] if changed else []
        projected = rows(turns)
        delay = _FIRST_DELAY
        while isinstance(done := await self._append(groups, projected), Failure):
            self._announce(self._position, done.failure())
            if await self._driver.given_up(delay):
                return False
            delay = min(2 * delay, _LONGEST_DELAY)
        if groups:
            self._seq += 1
            self._index.add(self._seq, set().union(*[turn.keys for turn in turns]))
        self._position = turns[-1].position
        self._announce(self._position, None)
        return True

    def _heed(self, turns: list[Turn]) -> None:
        """Do what the marks of some turns ask for."""
        for turn in turns:
            if Mark.BEGINS_CHECKPOINT in turn.mark:
                self._checkpoint = self._seq + 1
            if Mark.ENDS_CHECKPOINT in turn.mark:
                row = Row("meta", CHECKPOINT, {}, b"%d" % self._checkpoint)
                turn.rows[row.table, row.key] = row
            if Mark.BEGINS_CARRYING in turn.mark:
                self._put = set()
            if self._put is None:
                continue
            if Mark.CARRIES in turn.mark:
                for key in self._put & turn.rows.keys():
                    del turn.rows[key]
                self._put = None
            else:
                self._put.update(turn.rows)

    async def _append(
        self, groups: Sequence[Group], projected: Sequence[Row]
    ) -> Result[None, StorageError]:
        return await self._try(lambda: self._storage.append(groups, projected))

    async def _try(
        self, call: Callable[[], Result[None, StorageError]]
    ) -> Result[None, StorageError]:
        try:
            return await self._driver.call(call)
        except Exception as error:  # noqa: BLE001 - a plugin's bug must not end the thread that all wait for
            return Failure(StorageUnavailable(f"{type(error).__name__}: {error}"))
