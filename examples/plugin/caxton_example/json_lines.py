"""The storage `jsonlines:`: one append-only text file that people can read with `less`.

    storage:
      url: jsonlines:///caxton-data/caxton.jsonl

Rules:
- A line is a checksum and a JSON value, written with one call; what it says happened all at once or not at all.
- A last line that is incomplete was never acknowledged: opening cuts it off. A broken line before others is an error.
- Groups stay in the file, and memory knows where; rows, index entries and modules are read into memory.
- The file only grows. This is an example; the built-in `sqlite` is what to use.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from struct import unpack
from zlib import crc32

import msgspec
from caxton_core.errors import (
    Corrupt,
    DatabaseTooNew,
    InvalidSetting,
    Locked,
    StorageError,
    StorageFault,
    StorageFull,
    StorageUnavailable,
    Unreadable,
)
from caxton_core.hookspecs import StorageKind, StorageOptions, hookimpl
from caxton_core.ports import TABLES, Durability, Group, IndexEntry, Row, Storage
from returns.result import Failure, Result, Success

caxton_api = 1
SCHEMA = 1


class Line(msgspec.Struct, omit_defaults=True):
    """What one line of the file says; the first says only which `schema` the others follow."""

    schema: int = 0
    groups: tuple[Group, ...] = ()
    rows: tuple[Row, ...] = ()
    entries: tuple[IndexEntry, ...] = ()
    upto: int | None = None
    modules: dict[str, bytes | None] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


class _Place(msgspec.Struct, frozen=True):
    """Where a group is: its line in the file, its number in that line, and its times."""

    offset: int
    length: int
    nth: int
    first_time: int
    last_time: int


class JsonLinesStorage:
    """Journal, index, tables and modules in the text file `path`."""

    name = "jsonlines"
    blocks = True

    def __init__(self, path: Path, *, durability: Durability = "disk") -> None:
        self.path = path
        self.durability: Durability = durability
        self._lock = threading.Lock()
        self._file = -1
        self._end = 0
        self._forget()

    def _forget(self) -> None:
        self._places: list[_Place] = []
        self._tables: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
        self._index: dict[str, set[int]] = {}
        self._indexed = 0
        self._modules: dict[str, bytes] = {}

    def open(self) -> Result[None, StorageError]:
        """Lock the file and read it from its beginning."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            return Failure(Locked(str(self.path)))
        except OSError as error:
            return Failure(Unreadable(str(self.path), error.strerror or str(error)))
        wrong = self._replay()
        if wrong is not None:
            self.close()
            return Failure(wrong)
        return Success(None) if self._end else self._write(Line(schema=SCHEMA))

    def _replay(self) -> StorageError | None:
        """Read every line; cut off the last one when it is incomplete."""
        self._forget()
        self._end = 0
        with open(self._file, "rb", closefd=False) as lines:
            lines.seek(0)
            for text in lines:
                line = _read(text)
                if line is None:
                    if lines.read(1):
                        return Corrupt(len(self._places) + 1, f"a broken line at {self._end}")
                    break
                if line.schema > SCHEMA:
                    return DatabaseTooNew(str(self.path), line.schema, SCHEMA)
                if not line.schema and not self._end:
                    return Unreadable(str(self.path), "it does not begin as a journal does")
                self._apply(line, self._end, len(text))
                self._end += len(text)
        os.ftruncate(self._file, self._end)
        return None

    def close(self) -> None:
        """Close the file, which frees its lock."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    # Writing

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Result[None, StorageError]:
        """Write groups and rows as one line; groups that are there already are passed over."""
        new = tuple(group for group in groups if group.seq > self.last_group())
        for number, group in enumerate(new, start=self.last_group() + 1):
            if group.seq != number:
                raise ValueError(f"group {group.seq} does not follow {number - 1}")
        for row in rows:
            if unknown := set(row.columns) - set(TABLES[row.table]):
                raise KeyError(f"{row.table} has no column {unknown}")
        return self._write(Line(groups=new, rows=tuple(rows)))

    def index(self, entries: Sequence[IndexEntry], upto: int) -> Result[None, StorageError]:
        """Write index entries as one line."""
        return self._write(Line(entries=tuple(entries), upto=upto))

    def put_module(self, digest: str, data: bytes) -> Result[None, StorageError]:
        """Write a module as one line."""
        return self._write(Line(modules={digest: data}))

    def delete_module(self, digest: str) -> Result[None, StorageError]:
        """Write that a module is gone; its bytes stay in the file."""
        return self._write(Line(modules={digest: None}))

    def _write(self, line: Line) -> Result[None, StorageError]:
        """Write one line and do what it says; when it can't be written nothing has happened."""
        body = _encode(line)
        text = b"%08x %s\n" % (crc32(body), body)
        with self._lock:
            try:
                written = os.write(self._file, text)
                if written < len(text):
                    os.ftruncate(self._file, self._end)
                    return Failure(StorageFull(f"{self.path} can't grow"))
                if self.durability == "disk":
                    os.fdatasync(self._file)
            except OSError as error:
                reason = f"{self.path}: {error.strerror}"
                if self._file >= 0:
                    os.ftruncate(self._file, self._end)
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                return Failure(StorageFull(reason) if full else StorageUnavailable(reason))
            self._apply(line, self._end, len(text))
            self._end += len(text)
        return Success(None)

    def _apply(self, line: Line, offset: int, length: int) -> None:
        self._places += [
            _Place(offset, length, nth, group.first_time, group.last_time)
            for nth, group in enumerate(line.groups)
        ]
        for row in line.rows:
            self._tables[row.table].pop(row.key, None)
            if not row.deleted:
                self._tables[row.table][row.key] = row
        for entry in line.entries:
            numbers = unpack(f"<{len(entry.groups) // 4}I", entry.groups)
            self._index.setdefault(entry.key, set()).update(numbers)
        self._indexed = max(self._indexed, line.upto or 0)
        for digest, data in line.modules.items():
            self._modules.pop(digest, None)
            if data is not None:
                self._modules[digest] = data

    # Reading

    def last_group(self) -> int:
        """Return the number of the newest group."""
        return len(self._places)

    def group(self, seq: int) -> Group | None:
        """Read one group from its line."""
        if not 0 < seq <= len(self._places):
            return None
        place = self._places[seq - 1]
        line = _read(os.pread(self._file, place.length, place.offset))
        group = line.groups[place.nth] if line else None
        if group is None or crc32(group.blob) != group.checksum:
            raise StorageFault(Corrupt(seq, "the checksum does not match"))
        return group

    def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
        """Yield groups in order, those written meanwhile included."""
        seq = after + 1
        while seq <= len(self._places) and (upto is None or seq <= upto):
            group = self.group(seq)
            if group is not None:
                yield group
            seq += 1

    def groups_between(self, first_time: int, last_time: int) -> Iterator[Group]:
        """Yield the groups that touch a span of time."""
        for seq, place in enumerate(list(self._places), start=1):
            if place.first_time <= last_time and place.last_time >= first_time:
                group = self.group(seq)
                if group is not None:
                    yield group

    def indexed_upto(self) -> int:
        """Return the last group the index covers."""
        return self._indexed

    def find(self, key: str) -> builtins.list[int]:
        """Return the numbers of the indexed groups in which `key` occurs."""
        with self._lock:
            return sorted(self._index.get(key, ()))

    def get(self, table: str, key: str) -> Row | None:
        """Return one row."""
        return self._tables[table].get(key)

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
            rows = [
                row
                for row in self._tables[table].values()
                if all(row.columns.get(column) == value for column, value in where.items())
                and (after is None or (row.key < after if newest_first else row.key > after))
            ]
        return sorted(rows, key=lambda row: row.key, reverse=newest_first)[:limit]

    def module(self, digest: str) -> bytes | None:
        """Return a module's bytes."""
        return self._modules.get(digest)

    def size(self) -> int:
        """Return the bytes of the file."""
        return self._end


def _read(text: bytes) -> Line | None:
    """Read a line; None when it is broken or incomplete."""
    checksum, _, body = text.removesuffix(b"\n").partition(b" ")
    if not text.endswith(b"\n") or b"%08x" % crc32(body) != checksum:
        return None
    try:
        return _decode(body)
    except msgspec.MsgspecError:
        return None


def make(options: StorageOptions) -> Result[Storage, StorageError | InvalidSetting]:
    """Make the storage for a URL such as `jsonlines:///folder/file.jsonl`."""
    path = options.url.partition(":")[2].removeprefix("///")
    if not path:
        return Failure(InvalidSetting("storage.url", options.url, "name a file: jsonlines:///path"))
    return Success(JsonLinesStorage(Path(path), durability=options.durability))


@hookimpl
def caxton_storages() -> Sequence[StorageKind]:
    """Add the storage `jsonlines:`."""
    return [StorageKind("jsonlines", ("jsonlines",), make)]
