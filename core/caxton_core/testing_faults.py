"""Faults for storages: a storage around another that fails, forgets and is cut off, as chance decides.

Use it around a back-end in a test of your own:

    storage = FaultyStorage(MyStorage(...), chance=Random(7).random, rates=FaultRates(unknown=0.2))

Rules:
- Pure: chance is passed in, and nothing here waits. Slowness is for whoever makes the calls.
- What fails, fails as a storage does: a change is refused with an error value and may be tried again unchanged; of a
  change whose outcome is unknown nobody but `inner` knows that it was made.
- `Disk` keeps the order of changes, so that a power cut can take back the latest of them.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from returns.result import Failure, Result

from caxton_core.errors import StorageError, StorageFault, StorageFull, StorageUnavailable
from caxton_core.ports import Durability, Group, IndexEntry, Row, Storage

Done = Result[None, StorageError]


class DelegatingStorage:
    """A storage (`ports.Storage`) that passes everything on to another; derive from it to change something."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.name = inner.name
        self.durability: Durability = inner.durability
        self.blocks = inner.blocks

    def change(self, make: Callable[[Storage], Done]) -> Done:
        """Make a change; every change passes through here."""
        return make(self.inner)

    def reading(self) -> Storage:
        """Return what is read from; every read asks here first."""
        return self.inner

    def open(self) -> Done:
        """Open the storage; see `ports.Storage`, here and below."""
        return self.change(lambda inner: inner.open())

    @property
    def migrated(self) -> tuple[int, int]:
        """Return the versions of the tables."""
        return self.reading().migrated

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Done:
        """Commit groups and rows."""
        return self.change(lambda inner: inner.append(groups, rows))

    def index(self, entries: Sequence[IndexEntry], upto: int) -> Done:
        """Store index entries."""
        return self.change(lambda inner: inner.index(entries, upto))

    def indexed_upto(self) -> int:
        """Return the last group the index covers."""
        return self.reading().indexed_upto()

    def find(self, key: str) -> list[int]:
        """Return the indexed groups of a key."""
        return self.reading().find(key)

    def entries(self, after: tuple[str, int] | None, limit: int) -> builtins.list[IndexEntry]:
        """Return the index as it is kept."""
        return self.reading().entries(after, limit)

    def last_group(self) -> int:
        """Return the number of the newest group."""
        return self.reading().last_group()

    def first_group(self) -> int:
        """Return the number of the oldest group."""
        return self.reading().first_group()

    def prune(self, upto: int) -> Done:
        """Forget groups."""
        return self.change(lambda inner: inner.prune(upto))

    def truncate(self, after: int) -> Done:
        """Forget the latest groups."""
        return self.change(lambda inner: inner.truncate(after))

    def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
        """Yield groups in order."""
        return self.reading().groups(after, upto)

    def group(self, seq: int) -> Group | None:
        """Return one group."""
        return self.reading().group(seq)

    def groups_between(self, first_time: int, last_time: int) -> Iterator[Group]:
        """Yield the groups of a span of time."""
        return self.reading().groups_between(first_time, last_time)

    def get(self, table: str, key: str) -> Row | None:
        """Return one row."""
        return self.reading().get(table, key)

    def list(
        self,
        table: str,
        where: Mapping[str, str | int],
        *,
        after: str | None,
        limit: int,
        newest_first: bool = False,
    ) -> builtins.list[Row]:
        """Return rows in key order."""
        return self.reading().list(
            table, where, after=after, limit=limit, newest_first=newest_first
        )

    def older(self, table: str, before: int, *, limit: int) -> builtins.list[str]:
        """Return the keys of old rows."""
        return self.reading().older(table, before, limit=limit)

    def clear_projections(self, rows: Sequence[Row] = ()) -> Done:
        """Forget every row but some, and the index."""
        return self.change(lambda inner: inner.clear_projections(rows))

    def verify(self) -> Iterator[str]:
        """Yield what is wrong."""
        return self.reading().verify()

    def modules(self) -> builtins.list[str]:
        """Return the digests of modules."""
        return self.reading().modules()

    def put_module(self, digest: str, data: bytes) -> Done:
        """Keep a module."""
        return self.change(lambda inner: inner.put_module(digest, data))

    def module(self, digest: str) -> bytes | None:
        """Return a module."""
        return self.reading().module(digest)

    def delete_module(self, digest: str) -> Done:
        """Forget a module."""
        return self.change(lambda inner: inner.delete_module(digest))

    def size(self) -> int:
        """Return the bytes used."""
        return self.reading().size()

    def close(self) -> None:
        """Release the storage."""
        self.reading().close()


class FaultRates(msgspec.Struct, frozen=True):
    """How often a change fails: with a full disk, an unavailable storage, or though it was made.

    Each is the part of changes at which such a spell begins; a spell lasts for up to `longest` tries.
    """

    full: float = 0.0
    unavailable: float = 0.0
    unknown: float = 0.0
    longest: int = 4


class FaultyStorage(DelegatingStorage):
    """A storage whose changes fail by chance, until it is `cut` off: then nothing gets through any more."""

    def __init__(
        self, inner: Storage, *, chance: Callable[[], float], rates: FaultRates | None = None
    ) -> None:
        super().__init__(inner)
        self.rates = FaultRates() if rates is None else rates
        self.is_cut = False
        self.failures = 0
        """How many changes have failed so far."""
        self._chance = chance
        self._left = 0
        self._error: StorageError = StorageUnavailable("it does not answer")
        self._made = False

    def cut(self) -> None:
        """Let nothing through any more, as for a process that has died."""
        self.is_cut = True

    def heal(self) -> None:
        """Let everything succeed from now on."""
        self.rates, self._left = FaultRates(), 0

    def change(self, make: Callable[[Storage], Done]) -> Done:
        """Make a change, refuse it, or make it and say that it failed."""
        if self.is_cut:
            return Failure(StorageUnavailable("it was cut off"))
        if self._left == 0:
            self._begin()
        if self._left == 0:
            return make(self.inner)
        self._left -= 1
        self.failures += 1
        if self._made:
            # What the inner storage says of it is on its way and never arrives.
            make(self.inner)
        return Failure(self._error)

    def _begin(self) -> None:
        """Begin a spell of failures, perhaps."""
        luck, rates = self._chance(), self.rates
        spells: tuple[tuple[float, StorageError, bool], ...] = (
            (rates.full, StorageFull("there is no space left"), False),
            (rates.unavailable, StorageUnavailable("it does not answer"), False),
            (rates.unknown, StorageUnavailable("the connection broke"), True),
        )
        for part, error, made in spells:
            if luck < part:
                self._left = 1 + int(self._chance() * rates.longest)
                self._error, self._made = error, made
                return
            luck -= part

    def reading(self) -> Storage:
        """Return the inner storage, as long as it can be reached."""
        if self.is_cut:
            raise StorageFault(StorageUnavailable("it was cut off"))
        return self.inner

    def close(self) -> None:
        """Release the storage, if it can still be reached."""
        if not self.is_cut:
            self.inner.close()


class Disk(DelegatingStorage):
    """A storage that knows in which order it was changed; `make` gives an empty one, not opened yet."""

    def __init__(self, make: Callable[[], Storage]) -> None:
        super().__init__(make())
        self._make = make
        self._changes: list[Callable[[Storage], Done]] = []

    @property
    def changes(self) -> int:
        """Return how many changes were made."""
        return len(self._changes)

    def change(self, make: Callable[[Storage], Done]) -> Done:
        """Make a change, and remember it."""
        done = make(self.inner)
        if not isinstance(done, Failure):
            self._changes.append(make)
        return done

    def cut_power(self, keep: int) -> None:
        """Take back all changes but the first `keep`, as a machine does that had not written the others to its disk."""
        del self._changes[keep:]
        self.inner = self._make()
        for make in self._changes:
            make(self.inner)
