"""The interfaces between Caxton's kernel and what surrounds it: clock, randomness, storages, sandboxes.

Rules:
- Everything here is called by the kernel and implemented by a plugin, or by a fake in `testing.py`.
- Methods of `Host` and `Guest` run once per message: they return plain values, never a `Result`.
- Methods of `Storage` and `Sandbox.check` block; the server calls them from threads of its own.
"""

from __future__ import annotations

import builtins
import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    from returns.result import Result

    from caxton_core.errors import InvalidModule, LimitExceeded, StorageError
    from caxton_core.ids import ModuleDigest
    from caxton_core.resources import Limits

Entropy: TypeAlias = Callable[[int], bytes]
"""A source of random bytes: `os.urandom` in a node, a seeded one in a simulation."""

Durability: TypeAlias = Literal["disk", "process", "memory"]


class Clock(Protocol):
    """Where the kernel reads the time."""

    def time_ms(self) -> int:
        """Return the wall clock in milliseconds since the epoch."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary point; never goes back."""


# Sandboxes


class Suspended(enum.Enum):
    """The one value that says a guest used up its slice and waits for `resume`."""

    SUSPENDED = "suspended"


SUSPENDED = Suspended.SUSPENDED


class Fault(msgspec.Struct, frozen=True, tag=True):
    """Why a guest's call failed: `reason` is a word of docs/guests.md, `detail` one sentence.

    `limit` names a limit that had part in it, where the reason does not.
    """

    reason: str
    detail: str
    limit: str = ""


Outcome: TypeAlias = bytes | None | Suspended | Fault
"""What a call of a guest gave: a response, none, "not yet", or a fault."""

EXIT = "exit"
"""The reason of the one fault that is none: the guest has ended itself in order, and what its step did stands."""
FATAL_REASONS = frozenset({"trap", "cpu", "time", "memory", "host-calls", EXIT})
"""After a fault for one of these a guest is dead and its store is never used again."""


class Host(Protocol):
    """What the kernel offers one guest; called only while that guest runs.

    Integers returned are those of docs/guests.md.
    """

    def send(self, data: bytes) -> int:
        """Queue an ACL message."""

    def log(self, level: int, text: bytes) -> None:
        """Keep one log line, already cut to its length limit."""

    def now_ms(self) -> int:
        """Return the step's clock."""

    def random(self, size: int) -> bytes:
        """Return the next bytes of the step's random stream."""

    def state_get(self, key: bytes) -> bytes | None:
        """Return a durable value, seen through what this step wrote."""

    def state_put(self, key: bytes, value: bytes) -> int:
        """Write a durable value: 0, or -1 over the quota."""

    def state_delete(self, key: bytes) -> int:
        """Remove a durable value: 0, or -1 when absent."""

    def set_timer(self, delay_ms: int, payload: bytes) -> int:
        """Ask for a timer: its id, or -1."""

    def cancel_timer(self, timer: int) -> int:
        """Take back a timer: 0, or -1 when unknown."""


class Guest(Protocol):
    """One instance of a module in a sandbox; used from one thread.

    Every call may answer `SUSPENDED`; then only `resume` or `close` may follow.
    """

    alive: bool
    """False once a fault of `FATAL_REASONS` happened or `close` was called."""

    def start(self, config: bytes) -> Outcome:
        """Instantiate and initialise, giving `config` (JSON) to `caxton_init`."""

    def handle(self, wire: bytes) -> Outcome:
        """Give the guest one encoded message."""

    def drain(self) -> Outcome:
        """Make the last call before an orderly stop."""

    def export_state(self) -> Outcome:
        """Ask for the state to hand over; None when the guest has none to give."""

    def import_state(self, data: bytes) -> Outcome:
        """Hand over the state of the version before."""

    def resume(self) -> Outcome:
        """Run the suspended call for one more slice."""

    def close(self) -> None:
        """Drop the instance, and its suspended call if any; may be called twice."""

    @property
    def fuel_used(self) -> int:
        """Return the fuel consumed so far; reading it costs about half a microsecond."""

    @property
    def memory_bytes(self) -> int:
        """Return the size of its linear memory."""


class ModuleInfo(msgspec.Struct, frozen=True):
    """What checking a module found; `memory` is the linear memory it begins with."""

    sha256: str
    size: int
    profile: str
    exports: tuple[str, ...]
    imports: tuple[str, ...]
    cached: bool
    memory: int = 0


class Sandbox(Protocol):
    """A way to run modules."""

    name: str

    def check(self, data: bytes, profile: str) -> Result[ModuleInfo, InvalidModule]:
        """Validate and compile a module, keeping the result for `open`; blocks."""

    def open(
        self, digest: ModuleDigest, profile: str, limits: Limits, host: Host
    ) -> Result[Guest, InvalidModule | LimitExceeded]:
        """Make an instance of a module that `check` has accepted; takes well under a millisecond."""

    def fuel_per_ms(self, profile: str) -> int:
        """Return how much fuel a guest burns in a millisecond, as calibrated on this machine."""

    def close(self) -> None:
        """Release engines and child processes."""


# Storages


class Group(msgspec.Struct, frozen=True):
    """One group commit: records packed into a blob; `seq` counts from 1 without gaps."""

    seq: int
    first_time: int
    last_time: int
    count: int
    checksum: int
    blob: bytes


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One row of a table projected from the journal; `deleted` removes it."""

    table: str
    key: str
    columns: dict[str, str | int | None]
    body: bytes = b""
    deleted: bool = False


class IndexEntry(msgspec.Struct, frozen=True):
    """The groups, packed as little-endian u32, in which `key` occurs, in a range starting at `first`."""

    key: str
    first: int
    groups: bytes


TABLES: Mapping[str, tuple[str, ...]] = {
    "agents": ("name", "state"),
    "deployments": ("agent", "state"),
    "conversations": ("protocol", "state", "phase", "created"),
    "dead_letters": ("reason", "created", "receiver"),
    "events": ("type", "agent", "conversation", "created"),
    "client_ids": ("digest", "created"),
    "modules": ("profile", "size"),
    "meta": (),
}
"""Every table and the columns that `Storage.list` can filter by."""


class Storage(Protocol):
    """Where the journal and the tables projected from it are kept; safe to call from several threads."""

    name: str
    durability: Durability
    blocks: bool
    """False when its calls only touch memory: then the loop makes them itself."""

    def open(self) -> Result[None, StorageError]:
        """Create or migrate the tables; a database newer than this Caxton is refused."""

    @property
    def migrated(self) -> tuple[int, int]:
        """Return the version of the tables that `open` found, 0 for none, and the one they have now."""

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Result[None, StorageError]:
        """Commit groups and rows in one transaction, durable when this returns.

        Where there is no group yet the first one may have any number: what a copy begins with.
        """

    def index(self, entries: Sequence[IndexEntry], upto: int) -> Result[None, StorageError]:
        """Store index entries that cover every group up to `upto`."""

    def indexed_upto(self) -> int:
        """Return the last group the index covers, 0 at first."""

    def find(self, key: str) -> list[int]:
        """Return the numbers of the indexed groups in which `key` occurs, ascending."""

    def entries(self, after: tuple[str, int] | None, limit: int) -> builtins.list[IndexEntry]:
        """Return the index as it is kept, in the order of `key` and `first`, beginning behind one of these pairs.

        An entry may still name groups that were pruned. A key that is not kept as it was given is left out: `find` finds it.
        """

    def last_group(self) -> int:
        """Return the number of the newest group, 0 when there is none."""

    def first_group(self) -> int:
        """Return the number of the oldest group that is kept, 0 when there is none."""

    def prune(self, upto: int) -> Result[None, StorageError]:
        """Forget the groups up to `upto`, but for the newest of all, with what the index knows of them alone.

        The space is used again, or given back. What was forgotten is no error for whoever iterates over groups: it goes on
        behind it.
        """

    def truncate(self, after: int) -> Result[None, StorageError]:
        """Forget the groups behind `after` in one transaction, and that the index covers them; none are left for 0.

        Tables and index entries stay as they are: both are built anew then.
        """

    def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
        """Yield groups in order; raises `errors.StorageFault` at a corrupt one."""

    def group(self, seq: int) -> Group | None:
        """Return one group."""

    def groups_between(self, first_time: int, last_time: int) -> Iterator[Group]:
        """Yield the groups with a record in a span of time (epoch ms, inclusive)."""

    def get(self, table: str, key: str) -> Row | None:
        """Return one row; like `list`, raises `errors.StorageFault` where a row is not as it was written."""

    def list(
        self,
        table: str,
        where: Mapping[str, str | int],
        *,
        after: str | None,
        limit: int,
        newest_first: bool = False,
    ) -> list[Row]:
        """Return rows in key order, beginning behind `after`."""

    def older(self, table: str, before: int, *, limit: int) -> builtins.list[str]:
        """Return the keys of the rows with a `created` before a time (epoch ms), the oldest first."""

    def clear_projections(self, rows: Sequence[Row] = ()) -> Result[None, StorageError]:
        """Forget every row but `rows`, and the whole index, in one transaction, to be built anew; groups and modules stay."""

    def verify(self) -> Iterator[str]:
        """Yield a sentence for each thing that is wrong with what is stored, as far as the back-end itself can tell.

        That is the structure of its files, and the checksums of groups, rows, index entries and modules.
        """

    def modules(self) -> builtins.list[str]:
        """Return the digests of the modules kept, in order."""

    def put_module(self, digest: str, data: bytes) -> Result[None, StorageError]:
        """Keep a module's bytes; done when durable."""

    def module(self, digest: str) -> bytes | None:
        """Return a module's bytes."""

    def delete_module(self, digest: str) -> Result[None, StorageError]:
        """Forget a module's bytes."""

    def size(self) -> int:
        """Return the bytes in use, without what is free to be used again."""

    def close(self) -> None:
        """Release the storage."""
