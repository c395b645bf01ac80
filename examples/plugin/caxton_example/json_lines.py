"""The storage `jsonlines:`: one text file that people can read with `less`, appended to and sometimes written anew.

    storage:
      url: jsonlines:///caxton-data/caxton.jsonl

Rules:
- What was acknowledged at `disk` is on the disk: the line is, and the name of the file in its folder.
- A last line that is incomplete was never acknowledged: opening cuts it off. A broken line before others is an error.
- When more of the file is dead than alive it is written anew beside itself, and the new one takes its place.
- Groups stay in the file, and memory knows where; the rest is read into memory. This is an example; the built-in
  `sqlite` is what to use.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from caxton_core.errors import (
    InvalidSetting,
    Locked,
    StorageError,
    StorageFault,
    StorageUnavailable,
    Unreadable,
)
from caxton_core.hookspecs import StorageKind, StorageOptions, hookimpl
from caxton_core.ids import ModuleDigest
from caxton_core.ports import TABLES, Durability, Group, IndexEntry, Row, Storage
from returns.result import Failure, Result, Success

from caxton_example.contents import Contents
from caxton_example.files import File, error_of
from caxton_example.lines import SCHEMA, Line, from_text

caxton_api = 1

_DEAD = 1024 * 1024
"""So many bytes may be dead before the file is written anew."""


class JsonLinesStorage:
    """Journal, index, tables and modules in the text file `path`."""

    name = "jsonlines"
    blocks = True

    def __init__(
        self, path: Path, *, durability: Durability = "disk", read_only: bool = False
    ) -> None:
        self.path = path
        self._file = File(path, sync=durability == "disk", read_only=read_only)
        self._read_only = read_only
        self.durability: Durability = durability
        self.migrated = (0, SCHEMA)
        self._lock = threading.Lock()

    @property
    def _contents(self) -> Contents:
        return self._file.contents

    def open(self) -> Result[None, StorageError]:
        """Lock the file and read it from its beginning; only to read, what is there now is all there will be."""
        try:
            wrong = self._file.open()
        except BlockingIOError:
            wrong = Locked(str(self.path))
        except OSError as error:
            wrong = Unreadable(str(self.path), error.strerror or str(error))
        if wrong is not None:
            self.close()
            return Failure(wrong)
        self.migrated = (SCHEMA if self._file.end else 0, SCHEMA)
        if self._file.end or self._read_only:
            return Success(None)
        begun = self._write(Line(schema=SCHEMA))
        if isinstance(begun, Success):
            self._file.sync_name()
        return begun

    def close(self) -> None:
        """Close the file, which frees its lock."""
        with self._lock:
            self._file.close()

    # Writing

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Result[None, StorageError]:
        """Write groups and rows as one line; groups that are there already are passed over."""
        last = self._contents.last
        new = tuple(group for group in groups if group.seq > last)
        follows = last or (new[0].seq - 1 if new else 0)
        for number, group in enumerate(new, start=follows + 1):
            if group.seq != number:
                raise ValueError(f"group {group.seq} does not follow {number - 1}")
        for row in rows:
            if unknown := set(row.columns) - set(TABLES[row.table]):
                raise KeyError(f"{row.table} has no column {unknown}")
        return self._write(Line(groups=new, rows=tuple(rows)))

    def index(self, entries: Sequence[IndexEntry], upto: int) -> Result[None, StorageError]:
        """Write index entries as one line."""
        return self._write(Line(entries=tuple(entries), upto=upto))

    def clear_projections(self, rows: Sequence[Row] = ()) -> Result[None, StorageError]:
        """Write that no row but these and no index entry counts any more."""
        return self._write(Line(cleared=True, rows=tuple(rows)))

    def truncate(self, after: int) -> Result[None, StorageError]:
        """Write that later groups are gone."""
        return self._write(Line(truncated=after))

    def put_module(self, digest: str, data: bytes) -> Result[None, StorageError]:
        """Write a module as one line."""
        return self._write(Line(modules={digest: data}))

    def delete_module(self, digest: str) -> Result[None, StorageError]:
        """Write that a module is gone."""
        return self._write(Line(modules={digest: None}))

    def prune(self, upto: int) -> Result[None, StorageError]:
        """Write that old groups are gone, and the file anew when much of it is dead."""
        upto = min(upto, self._contents.last - 1)
        if not 0 < self._contents.first <= upto:
            return Success(None)
        pruned = self._write(Line(pruned=upto))
        dead = self._contents.dead
        if isinstance(pruned, Failure) or dead < max(_DEAD, self._file.end - dead):
            return pruned
        with self._lock:
            try:
                self._file = self._file.anew()
                self._file.sync_name()
            except OSError as error:
                return Failure(error_of(self.path, error))
        return Success(None)

    def _write(self, line: Line) -> Result[None, StorageError]:
        """Write one line and do what it says; when it can't be written nothing has happened."""
        if self._read_only:
            return Failure(StorageUnavailable("it was opened only to be read"))
        with self._lock:
            try:
                self._file.write(line)
            except OSError as error:
                return Failure(error_of(self.path, error))
        return Success(None)

    # Reading

    def first_group(self) -> int:
        """Return the number of the oldest group."""
        return self._contents.first

    def last_group(self) -> int:
        """Return the number of the newest group."""
        return self._contents.last

    def group(self, seq: int) -> Group | None:
        """Read one group from its line."""
        with self._lock:
            return self._file.group(seq) if seq in self._contents.places else None

    def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
        """Yield groups in order, those written meanwhile included, those pruned meanwhile left out."""
        seq = after
        while (seq := max(seq + 1, self._contents.first)) <= self._contents.last:
            if upto is not None and seq > upto:
                return
            group = self.group(seq)
            if group is not None:
                yield group

    def groups_between(self, first_time: int, last_time: int) -> Iterator[Group]:
        """Yield the groups that touch a span of time."""
        with self._lock:
            places = list(self._contents.places.items())
        for seq, place in places:
            if place.first_time <= last_time and place.last_time >= first_time:
                group = self.group(seq)
                if group is not None:
                    yield group

    def indexed_upto(self) -> int:
        """Return the last group the index covers."""
        return self._contents.indexed

    def find(self, key: str) -> builtins.list[int]:
        """Return the numbers of the indexed groups in which `key` occurs."""
        with self._lock:
            return sorted(self._contents.index.get(key, ()))

    def entries(self, after: tuple[str, int] | None, limit: int) -> builtins.list[IndexEntry]:
        """Return the index, one entry for each key."""
        with self._lock:
            keys = sorted(key for key in self._contents.index if after is None or key > after[0])
            return [self._contents.entry(key) for key in keys[:limit]]

    def get(self, table: str, key: str) -> Row | None:
        """Return one row."""
        return self._contents.tables[table].get(key)

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
        with self._lock:
            return self._contents.list(
                table, where, after=after, limit=limit, newest_first=newest_first
            )

    def older(self, table: str, before: int, *, limit: int) -> builtins.list[str]:
        """Return the keys of the rows with a `created` before a time, the oldest first."""
        with self._lock:
            return self._contents.older(table, before, limit)

    def modules(self) -> builtins.list[str]:
        """Return the digests of the modules kept."""
        return sorted(self._contents.modules)

    def module(self, digest: str) -> bytes | None:
        """Return a module's bytes."""
        return self._contents.modules.get(digest)

    def verify(self) -> Iterator[str]:
        """Read the whole file again, and yield a sentence for each line, group and module that is wrong."""
        with self._lock:
            end = self._file.end
            broken = [at for at, text in self._file.lines() if at < end and from_text(text) is None]
        yield from (f"{self.path} has a broken line at {offset}." for offset in broken)
        for seq in range(self._contents.first, self._contents.last + 1):
            try:
                self.group(seq)
            except StorageFault as fault:
                yield str(fault.error)
        for digest, data in sorted(self._contents.modules.items()):
            if ModuleDigest.of(data) != digest:
                yield f"Module {digest} is corrupt: its bytes do not match its digest."

    def size(self) -> int:
        """Return the bytes of the file."""
        return self._file.end


def make(options: StorageOptions) -> Result[Storage, StorageError | InvalidSetting]:
    """Make the storage for a URL such as `jsonlines:///folder/file.jsonl`."""
    path = options.url.partition(":")[2].removeprefix("///")
    if not path:
        return Failure(InvalidSetting("storage.url", options.url, "name a file: jsonlines:///path"))
    read_only = options.read_only
    return Success(JsonLinesStorage(Path(path), durability=options.durability, read_only=read_only))


@hookimpl
def caxton_storages() -> Sequence[StorageKind]:
    """Add the storage `jsonlines:`."""
    return [StorageKind("jsonlines", ("jsonlines",), make)]
