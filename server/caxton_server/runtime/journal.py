"""The journal: what happened, in order, committed in groups.

Rules:
- `append`, `put_row` and `after_image` are called on the loop's thread, inside a step; what they are given is never
  changed afterwards. `flush` ends a turn: what was given since the last one is committed together, or not at all.
- Records are encoded by `flush`, so that their size is known at once; after-images by the writer, once for each group.
- A storage that does not block keeps things in memory only: there is no writer, a turn is committed when `flush`
  returns, its records are packed when somebody reads, and only the latest 100,000 unread ones are kept.
- Who waits for a commit, or to read, does not wait for ever for a storage that fails (`journal_patience`).
- With durability `memory` nothing waits for the storage but who reads it; it is only kept from falling behind.
- How commits go is told by `commits`, what was committed is read by `reader`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from caxton_core.errors import StorageError, StorageFault, StorageUnavailable
from returns.result import Failure, Result, Success

from caxton_server.runtime.journal_commits import Commits
from caxton_server.runtime.journal_drivers import ThreadDriver
from caxton_server.runtime.journal_groups import Codec, Mark, Turn
from caxton_server.runtime.journal_kept import Kept
from caxton_server.runtime.journal_reader import Reader
from caxton_server.runtime.journal_writer import Writer

if TYPE_CHECKING:
    from caxton_core.ports import Clock, Row, Storage

    from caxton_server.runtime.journal_drivers import Driver
    from caxton_server.runtime.journal_index import Key

_STOP_SECONDS = 5.0


class Journal:
    """Appends to one storage, whose only writer it is."""

    def __init__(
        self, storage: Storage, *, clock: Clock, codec: Codec | None = None,
        make_driver: Callable[[], Driver] = ThreadDriver,
    ) -> None:  # fmt: skip
        self.storage = storage
        self._make_driver = make_driver
        self.codec = codec or Codec()
        self.position = 0
        """How many changes were given so far."""
        self.commits = Commits(storage, clock)
        # Bound once: no turn, and so no message, pays for the way there.
        self._hand_over, self._reach = self.commits.hand_over, self.commits.reach
        self._stored = self.commits.stored
        self._clock = clock
        self._latest = 0
        self._records: list[Any] = []
        self._images: dict[str, Any] = {}
        self._rows: dict[tuple[str, str], Row] = {}
        self._kept = Kept(storage, self.codec, clock, self.commits.appended)
        self.reader = Reader(storage, self.codec, self._kept)
        self._flushed = 0
        self._checkpoint_began = self._checkpointed = 0
        self._mark = Mark.NONE
        self._writer: Writer | None = None

    # Life

    def open(self) -> Result[None, StorageError]:
        """Open the storage and complete the index; blocks, so call it from a thread or before the loop runs."""
        opened = self.storage.open()
        if isinstance(opened, Failure):
            return opened
        try:
            self.reader.open()
        except StorageFault as fault:
            return Failure(fault.error)
        return opened

    def start(self) -> None:
        """Begin to commit; called on the running loop, once all was recovered."""
        self.commits.start()
        self.commits.given += self.reader.recovered
        if self.storage.blocks:
            self._writer = Writer(
                self.storage, self.reader.index, self.codec, self.commits.announce, self._make_driver()
            )  # fmt: skip
            self._writer.start()

    async def close(self) -> Result[None, StorageError]:
        """Commit what is left and close the storage; fails when that can't be done for some seconds."""
        self.flush()
        done = True
        writer = self._writer
        if writer is not None:
            done = await writer.stop(_STOP_SECONDS)
            # The last announcements are on their way to this loop.
            await asyncio.sleep(0)
            # A thread that hangs in the storage keeps it.
            if not writer.alive:
                await asyncio.to_thread(self.storage.close)
        else:
            self.settle()
            self.storage.close()
        self.commits.close()
        if done:
            return Success(None)
        return Failure(
            self.commits.failing or StorageUnavailable("the last groups could not be committed")
        )

    # The path of a message

    def append(self, record: Any) -> int:
        """Take a record: the position that `wait` and `committed` speak of."""
        self._records.append(record)
        self.position += 1
        return self.position

    def put_row(self, row: Row) -> int:
        """Take a row to be committed with the records around it; in a group the last one for its key counts."""
        self._rows[row.table, row.key] = row
        self.position += 1
        return self.position

    def after_image(self, key: str, value: Any) -> int:
        """Take a value of which only the last one in a group is kept."""
        self._images[key] = value
        self.position += 1
        return self.position

    def flush(self) -> None:
        """End a turn: hand over what was given since the last one."""
        if self.position == self._flushed:
            return
        writer = self._writer
        if writer is None and self.storage.blocks:
            # Not begun, or ended: what comes now is not committed, and nobody may be told that it was.
            return
        self._flushed = self.position
        if writer is None:
            self._kept.keep(self._records, self._images, self._rows.values())
            self._records, self._images, self._rows = [], {}, {}
            self._stored.reach(self.position)
            self._reach(self.position)
            return
        self._hand_over(writer, self._turn())

    def _turn(self) -> Turn:
        records, images, rows = self._records, self._images, self._rows
        self._latest = max(self._latest, self._clock.time_ms())
        first = self._latest
        frame: bytes = b""
        keys: AbstractSet[Key] = frozenset()
        if records:
            earliest, latest = self.codec.span(records)
            first = min(first, earliest)
            self._latest = max(self._latest, latest)
            # Keys are taken here, so that records need not be kept for the writer, who would have to free them.
            frame, keys = self.codec.encode(records), self.codec.keys(records)
        # What a turn was given is its own: the writer must not find in it what comes later.
        self._records = []
        if images:
            self._images = {}
        if rows:
            self._rows = {}
        mark, self._mark = self._mark, Mark.NONE
        return Turn(
            self.position, frame, len(records), images or {}, rows or {}, first, self._latest, keys, mark,
        )  # fmt: skip

    # Checkpoints and carried rows

    @property
    def behind_checkpoint(self) -> int:
        """Return about how many bytes there are from the beginning of the latest complete checkpoint on."""
        return self.commits.given - self._checkpointed

    def begin_checkpoint(self) -> int:
        """Say that a checkpoint begins with what is given next; return how many bytes were given before."""
        self._mark |= Mark.BEGINS_CHECKPOINT
        self._checkpoint_began = self.commits.given
        return self.commits.given

    def end_checkpoint(self) -> int:
        """Say that a checkpoint ended with what was given last; return how many bytes were given."""
        self._mark |= Mark.ENDS_CHECKPOINT
        self._checkpointed = self._checkpoint_began
        self.flush()
        return self.commits.given

    async def begin_carrying(self) -> None:
        """Return when rows may be read from tables to be given to `carry`."""
        await self._put(Mark.BEGINS_CARRYING, {})

    async def carry(self, rows: Iterable[Row]) -> None:
        """Write rows again as they were read since `begin_carrying`, but for those that were put meanwhile; return when done."""
        await self._put(Mark.CARRIES, {(row.table, row.key): row for row in rows})

    async def _put(self, mark: Mark, rows: dict[tuple[str, str], Row]) -> None:
        self.flush()
        writer = self._writer
        if writer is None:
            raise RuntimeError("only a journal with a writer carries rows")
        self.position += 1
        self._flushed = position = self.position
        latest = self._latest
        self._hand_over(writer, Turn(position, b"", 0, {}, rows, latest, latest, mark=mark))
        await self._stored.until(position)

    # Commits and reads

    @property
    def committed(self) -> int:
        """Return the position up to which changes may leave the node."""
        return self.commits.may_leave.reached

    async def wait(self, position: int) -> None:
        """Return when everything up to `position` is committed; cancelled when the journal is closed before.

        Raises `StorageFault` when the storage has failed for long; what was given may still be committed.
        """
        if position > self._flushed:
            self.flush()
        await self.commits.may_leave.until(position, patient=False)

    def settle(self) -> None:
        """Make what is committed readable; called on the loop's thread before a read."""
        self.flush()
        self._kept.pack_images()

    async def stored(self, position: int) -> None:
        """Return when everything up to `position` is in the storage, whatever the durability."""
        if position > self._flushed:
            self.flush()
        await self._stored.until(position)

    @property
    def readable_upto(self) -> int:
        """Return the position up to which a read of the storage finds what was given."""
        return self._stored.reached

    async def readable(self) -> None:
        """Return when a read of the storage finds everything given so far; raises `StorageFault` as `wait` does."""
        self.settle()
        await self._stored.until(self.position, patient=False)
