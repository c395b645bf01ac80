"""The storage that keeps everything in this process: for tests, embedding and durability `memory`.

Rules:
- Nothing survives the process; what is acknowledged is acknowledged as `memory`.
- Retention is bounded: the oldest groups go, with their index entries, when their blobs exceed `retention` bytes
  (256 MiB); so do the oldest rows of the tables that grow with the traffic, beyond `most_rows` (20,000) in each.
- `plugins.settings.memory.retention` changes the former.
- One lock guards all; iterators copy what they need under it and yield outside.
"""

from __future__ import annotations

import builtins
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from struct import unpack
from zlib import crc32

from caxton_core.errors import Corrupt, InvalidSetting, StorageError, StorageFault
from caxton_core.hookspecs import StorageKind, StorageOptions, hookimpl
from caxton_core.ids import ModuleDigest
from caxton_core.ports import TABLES, Durability, Group, IndexEntry, Row, Storage
from caxton_core.units import ByteSize
from returns.result import Failure, Result, Success

from caxton_plugins.storages.memory_tables import Tables

caxton_api = 1

RETENTION = 256 * 1024 * 1024
MOST_ROWS = 20_000
"""So many rows are kept of each table that grows with the traffic."""
_PAGE = 64


class MemoryStorage:
    """Groups in a queue, and beside them tables, ranges of the index and modules."""

    name = "memory"
    blocks = False
    durability: Durability = "memory"
    migrated = (0, 1)

    def __init__(self, *, retention: int = RETENTION, most_rows: int = MOST_ROWS) -> None:
        self._retention = retention
        self._lock = threading.Lock()
        self._groups: deque[Group] = deque()
        self._bytes = 0
        self._last = 0
        self._ranges: deque[tuple[int, dict[str, bytes]]] = deque()
        self._indexed = 0
        self._tables = Tables(most_rows)
        self._modules: dict[str, bytes] = {}

    def open(self) -> Result[None, StorageError]:
        """Do nothing: there is nothing to create."""
        return Success(None)

    def close(self) -> None:
        """Do nothing: what was kept goes with the object."""

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Result[None, StorageError]:
        """Keep groups and rows; groups that are there already are passed over."""
        for row in rows:
            if unknown := row.columns.keys() - set(TABLES[row.table]):
                raise KeyError(f"{row.table} has no column {unknown}")
        with self._lock:
            new = [group for group in groups if group.seq > self._last]
            follows = self._last or (new[0].seq - 1 if new else 0)
            for number, group in enumerate(new, start=follows + 1):
                if group.seq != number:
                    raise ValueError(f"group {group.seq} does not follow {number - 1}")
            for group in new:
                self._groups.append(group)
                self._last = group.seq
                self._bytes += len(group.blob)
            while self._bytes > self._retention and len(self._groups) > 1:
                self._bytes -= len(self._groups.popleft().blob)
            put = self._tables.put
            for row in rows:
                put(row)
        return _DONE

    def index(self, entries: Sequence[IndexEntry], upto: int) -> Result[None, StorageError]:
        """Keep index entries, and drop those that cover dropped groups only."""
        part = {entry.key: entry.groups for entry in entries}
        with self._lock:
            if part:
                self._ranges.append((upto, part))
            self._indexed = max(self._indexed, upto)
            self._forget_ranges()
        return _DONE

    def _forget_ranges(self) -> None:
        oldest = self._groups[0].seq if self._groups else self._last + 1
        while self._ranges and self._ranges[0][0] < oldest:
            self._ranges.popleft()

    def indexed_upto(self) -> int:
        """Return the last group the index covers."""
        return self._indexed

    def find(self, key: str) -> list[int]:
        """Return the numbers of the kept groups in which `key` occurs."""
        with self._lock:
            oldest = self._groups[0].seq if self._groups else self._last + 1
            packed = b"".join(part.get(key, b"") for _, part in self._ranges)
        return sorted(n for n in set(unpack(f"<{len(packed) // 4}I", packed)) if n >= oldest)

    def entries(self, after: tuple[str, int] | None, limit: int) -> builtins.list[IndexEntry]:
        """Return the index as it is kept."""
        with self._lock:
            found = [
                IndexEntry(key, int.from_bytes(groups[:4], "little"), groups)
                for _, part in self._ranges
                for key, groups in part.items()
            ]
        behind = [entry for entry in found if after is None or (entry.key, entry.first) > after]
        return sorted(behind, key=lambda entry: (entry.key, entry.first))[:limit]

    def last_group(self) -> int:
        """Return the number of the newest group."""
        return self._last

    def first_group(self) -> int:
        """Return the number of the oldest group that is kept."""
        with self._lock:
            return self._groups[0].seq if self._groups else 0

    def prune(self, upto: int) -> Result[None, StorageError]:
        """Forget the groups up to `upto`, but for the newest of all, and the ranges of the index that cover no others."""
        with self._lock:
            while len(self._groups) > 1 and self._groups[0].seq <= upto:
                self._bytes -= len(self._groups.popleft().blob)
            self._forget_ranges()
        return _DONE

    def truncate(self, after: int) -> Result[None, StorageError]:
        """Forget the groups behind `after`, and that the index covers them."""
        with self._lock:
            while self._groups and self._groups[-1].seq > after:
                self._bytes -= len(self._groups.pop().blob)
            self._last = self._groups[-1].seq if self._groups else 0
            self._indexed = min(self._indexed, after)
        return _DONE

    def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
        """Yield kept groups in order; those dropped meanwhile are skipped."""
        while True:
            with self._lock:
                if not self._groups:
                    return
                start = max(after + 1 - self._groups[0].seq, 0)
                page = list(islice(self._groups, start, start + _PAGE))
            for group in page:
                if upto is not None and group.seq > upto:
                    return
                yield _checked(group)
            if not page:
                return
            after = page[-1].seq

    def group(self, seq: int) -> Group | None:
        """Return one group, None when it is not there any more."""
        with self._lock:
            if not self._groups or not self._groups[0].seq <= seq <= self._last:
                return None
            return _checked(self._groups[seq - self._groups[0].seq])

    def groups_between(self, first_time: int, last_time: int) -> Iterator[Group]:
        """Yield the kept groups that touch a span of time."""
        for group in self.groups(0):
            if group.first_time <= last_time and group.last_time >= first_time:
                yield group

    def get(self, table: str, key: str) -> Row | None:
        """Return one row."""
        return self._tables.rows[table].get(key)

    def list(
        self,
        table: str,
        where: Mapping[str, str | int],
        *,
        after: str | None,
        limit: int,
        newest_first: bool = False,
    ) -> builtins.list[Row]:
        """Return rows in key order, beginning behind `after`."""
        if unknown := set(where) - set(TABLES[table]):
            raise KeyError(f"{table} has no column {unknown}")
        with self._lock:
            return self._tables.list(
                table, where, after=after, limit=limit, newest_first=newest_first
            )

    def older(self, table: str, before: int, *, limit: int) -> builtins.list[str]:
        """Return the keys of the rows with a `created` before a time, the oldest first."""
        if "created" not in TABLES[table]:
            raise KeyError(f"{table} has no column created")
        with self._lock:
            return self._tables.older(table, before, limit)

    def clear_projections(self, rows: Sequence[Row] = ()) -> Result[None, StorageError]:
        """Forget every row but `rows`, and the whole index."""
        with self._lock:
            self._ranges.clear()
            self._indexed = 0
            self._tables.clear()
            for row in rows:
                self._tables.put(row)
        return _DONE

    def verify(self) -> Iterator[str]:
        """Yield a sentence for each group and module that is not what its checksum or digest says."""
        with self._lock:
            numbers = [group.seq for group in self._groups]
        for seq in numbers:
            try:
                self.group(seq)
            except StorageFault as fault:
                yield str(fault.error)
        for digest in self.modules():
            data = self.module(digest)
            if data is not None and ModuleDigest.of(data) != digest:
                yield f"Module {digest} is corrupt: its bytes do not match its digest."

    def modules(self) -> builtins.list[str]:
        """Return the digests of the modules kept."""
        return sorted(self._modules)

    def put_module(self, digest: str, data: bytes) -> Result[None, StorageError]:
        """Keep a module's bytes."""
        self._modules[digest] = data
        return _DONE

    def module(self, digest: str) -> bytes | None:
        """Return a module's bytes."""
        return self._modules.get(digest)

    def delete_module(self, digest: str) -> Result[None, StorageError]:
        """Forget a module's bytes."""
        self._modules.pop(digest, None)
        return _DONE

    def size(self) -> int:
        """Return the bytes of groups, row bodies and modules."""
        with self._lock:
            return self._bytes + self._tables.size() + sum(map(len, self._modules.values()))


_DONE: Result[None, StorageError] = Success(None)


def _checked(group: Group) -> Group:
    if crc32(group.blob) != group.checksum:
        raise StorageFault(Corrupt(group.seq, "the checksum does not match"))
    return group


def make(options: StorageOptions) -> Result[Storage, StorageError | InvalidSetting]:
    """Make the storage for the URL `memory:`."""
    retention = options.settings.get("retention", RETENTION)
    match retention if isinstance(retention, int) else ByteSize.parse(str(retention)):
        case int(size) | Success(size) if size > 0:
            return Success(MemoryStorage(retention=size))
    return Failure(
        InvalidSetting("plugins.settings.memory", "retention", f"{retention!r} is no positive size")
    )


@hookimpl
def caxton_storages() -> Sequence[StorageKind]:
    """Add the storage `memory:`."""
    return [StorageKind("memory", ("memory",), make)]
