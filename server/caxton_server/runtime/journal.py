"""The journal: what happened, in order, committed in groups.

Rules:
- `append`, `put_row` and `after_image` are called on the loop's thread, inside a step; what they are given is never
  changed afterwards. `flush` ends a turn: what was given since the last one is committed together, or not at all.
- Records are encoded by `flush`, so that their size is known at once; after-images by the writer, once for each group.
- A storage that does not block keeps things in memory only: there is no writer, a turn is committed when `flush`
  returns, its records are packed when somebody reads, and only the latest 100,000 unread ones are kept.
- Who waits for a commit, or to read, does not wait for ever for a storage that fails (`journal_patience`).
- With durability `memory` nothing waits for the storage but who reads it; it is only kept from falling behind.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from caxton_core.errors import Corrupt, StorageError, StorageFault, StorageUnavailable
from returns.result import Failure, Result, Success

from caxton_server.runtime.journal_drivers import ThreadDriver
from caxton_server.runtime.journal_groups import Batch, Codec, Mark, Turn, size, unpack
from caxton_server.runtime.journal_index import Index, Key
from caxton_server.runtime.journal_kept import Kept
from caxton_server.runtime.journal_patience import Patience
from caxton_server.runtime.journal_waits import Waits
from caxton_server.runtime.journal_writer import CHECKPOINT, Writer

if TYPE_CHECKING:
    from caxton_core.ports import Clock, Row, Storage

    from caxton_server.runtime.journal_drivers import Driver

MOST_BYTES = 64 * 1024 * 1024
MOST_SECONDS = 2.0
_STOP_SECONDS = 5.0
_IMAGE_BYTES = 512
_COMMIT_TIMES = 10_000
_ROW_BYTES = 128


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
        self._may_leave = Waits()
        self._stored = Waits()
        self.failing: StorageError | None = None
        """Why the last try to commit failed; None when it did not."""
        self.errors = 0
        """How often a commit failed."""
        self.on_commit: list[Callable[[int], None]] = []
        """Called on the loop's thread with `committed` when it has grown."""
        self._clock = clock
        self._commit_times: list[float] = []
        self._latest = 0
        self._records: list[Any] = []
        self._images: dict[str, Any] = {}
        self._rows: dict[tuple[str, str], Row] = {}
        self._kept = Kept(storage, self.codec, clock, self._take)
        self._flushed = 0
        self._pending: deque[tuple[int, int, float]] = deque()
        self.pending_bytes = 0
        """How much was given and is not committed, about."""
        self._given = 0
        self._checkpoint_began = self._checkpointed = 0
        self._mark = Mark.NONE
        self._index: Index | None = None
        self._writer: Writer | None = None
        self._patience = Patience(
            clock,
            (self._may_leave, self._stored),
            oldest=self._oldest,
            failing=lambda: self.failing,
        )
        self._loop: asyncio.AbstractEventLoop | None = None

    # Life

    def open(self) -> Result[None, StorageError]:
        """Open the storage and complete the index; blocks, so call it from a thread or before the loop runs."""
        opened = self.storage.open()
        if isinstance(opened, Failure):
            return opened
        try:
            self._index = Index(self.storage, self._keys)
            self._index.catch_up(self.storage.last_group())
        except StorageFault as fault:
            return Failure(fault.error)
        return opened

    def start(self) -> None:
        """Begin to commit; called on the running loop."""
        self._loop = asyncio.get_running_loop()
        if self.storage.blocks:
            self._writer = Writer(
                self.storage, self.index, self.codec, self._announce, self._make_driver()
            )
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
        self._loop = None
        self._may_leave.close()
        self._stored.close()
        if done:
            return Success(None)
        return Failure(self.failing or StorageUnavailable("the last groups could not be committed"))

    @property
    def index(self) -> Index:
        """The index; there is one once the journal is open."""
        if self._index is None:
            raise RuntimeError("the journal is not open")
        return self._index

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

    def _hand_over(self, writer: Writer, turn: Turn) -> None:
        size = len(turn.frame) + _IMAGE_BYTES * len(turn.images)
        if turn.rows:
            size += sum([_ROW_BYTES + len(row.body) for row in turn.rows.values()])
        self._pending.append((turn.position, size, self._clock.monotonic()))
        self.pending_bytes += size
        self._given += size
        writer.put(turn)
        if not self._patience.watching:
            self._patience.watch()
        if self.storage.durability == "memory":
            self._reach(self.position)

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
        return self._given - self._checkpointed

    def begin_checkpoint(self) -> int:
        """Say that a checkpoint begins with what is given next; return how many bytes were given before."""
        self._mark |= Mark.BEGINS_CHECKPOINT
        self._checkpoint_began = self._given
        return self._given

    def end_checkpoint(self) -> int:
        """Say that a checkpoint ended with what was given last; return how many bytes were given."""
        self._mark |= Mark.ENDS_CHECKPOINT
        self._checkpointed = self._checkpoint_began
        self.flush()
        return self._given

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

    # Commits

    def _announce(self, position: int, failing: StorageError | None) -> None:
        """Tell the loop how far the writer is; called on the writer's thread."""
        if self._loop is not None:
            # A loop that was closed under a node that was not stopped has nobody to tell.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._told, position, failing)

    def _told(self, position: int, failing: StorageError | None) -> None:
        self.failing = failing
        self.errors += failing is not None
        pending = self._pending
        if pending and pending[0][0] <= position and len(self._commit_times) < _COMMIT_TIMES:
            self._commit_times.append(self._clock.monotonic() - pending[0][2])
        while pending and pending[0][0] <= position:
            self.pending_bytes -= pending.popleft()[1]
        self._stored.reach(position)
        if position > self.committed:
            self._reach(position)

    @property
    def committed(self) -> int:
        """Return the position up to which changes may leave the node."""
        return self._may_leave.reached

    def _reach(self, position: int) -> None:
        self._may_leave.reach(position)
        for callback in self.on_commit:
            callback(position)

    async def wait(self, position: int) -> None:
        """Return when everything up to `position` is committed; cancelled when the journal is closed before.

        Raises `StorageFault` when the storage has failed for long; what was given may still be committed.
        """
        if position > self._flushed:
            self.flush()
        await self._may_leave.until(position, patient=False)

    @property
    def congested(self) -> bool:
        """Whether so much is uncommitted that no more work should begin."""
        pending = self._pending
        return bool(pending) and (
            self.pending_bytes > MOST_BYTES
            or self._clock.monotonic() - pending[0][2] > MOST_SECONDS
        )

    def _oldest(self) -> float | None:
        """Return since when the oldest turn waits for its commit."""
        return self._pending[0][2] if self._pending else None

    def take_commit_times(self) -> list[float]:
        """Return the seconds that commits took since the last call, from the hand-over of their oldest turn."""
        taken, self._commit_times = self._commit_times, []
        return taken

    # Reading

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

    def last_group(self) -> int:
        """Return the number of the newest group; any thread, after `settle`."""
        self._kept.pack()
        return self.storage.last_group()

    def _keys(self, seq: int) -> set[Key]:
        group = self.storage.group(seq)
        return self.codec.keys(unpack(group, self.codec, images=False).records) if group else set()

    def _take(self, done: Result[None, StorageError]) -> None:
        self.failing = done.failure() if isinstance(done, Failure) else None
        self.errors += self.failing is not None

    def recover(self, after: int | None = None, *, images: bool = True) -> Iterator[Batch]:
        """Yield the batches behind a group, or raise `StorageFault` where one is corrupt or missing.

        Without a group they are those from the latest checkpoint on.
        """
        self._kept.pack()
        if after is None:
            after = max(self.checkpoint() - 1, 0)
        for group in self.storage.groups(after):
            after += 1
            if group.seq != after:
                raise StorageFault(Corrupt(after, "it is missing"))
            self._given += size(group)
            yield unpack(group, self.codec, images=images)

    def checkpoint(self) -> int:
        """Return the group in which the latest complete checkpoint begins, 0 when there is none; blocks."""
        row = self.storage.get("meta", CHECKPOINT)
        return 0 if row is None else int(row.body)

    def find(self, key: Key) -> list[int]:
        """Return the groups in which a conversation (its id) or an agent (its handle) occurs, ascending."""
        if self._writer is None:
            self.index.catch_up(self.last_group())
        return self.index.find(key)

    def batches(
        self, numbers: Iterator[int] | list[int], *, holding: bytes = b""
    ) -> Iterator[Batch]:
        """Yield the records of some groups, of frames that contain `holding`; any thread, after `settle`."""
        for number in numbers:
            group = self.storage.group(number)
            if group is not None:
                yield unpack(group, self.codec, images=False, holding=holding)

    def around(self, first_time: int, last_time: int, *, holding: bytes = b"") -> Iterator[Batch]:
        """Yield the records of the groups that touch a span of time; any thread, after `settle`."""
        self._kept.pack()
        for group in self.storage.groups_between(first_time, last_time):
            yield unpack(group, self.codec, images=False, holding=holding)
