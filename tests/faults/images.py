"""What a power cut leaves of a data folder, rebuilt from the log that the library of disk.c wrote.

Rules:
- What was synced is there. Of what was written later, any part may be: by sectors of 512 bytes, in any order.
- A sync covers what happened before it began, and counts once it has succeeded. One that failed has given up its writes:
  of each sector chance decides at once, and a later sync does not know of them any more.
- New, removed and renamed names are there as far as their folder was synced, and further in order.
- Memory mapped by the database's readers (`-shm`) is gone.
"""

from __future__ import annotations

import enum
import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

SECTOR = 512
_HEADER = struct.Struct("<4sIQqqI")
_MAGIC = b"DISK"


class Kind(enum.IntEnum):
    """What an entry of the log tells; `NOTE` is put there by a client, between the changes before and after it."""

    OPEN, WRITE, SIZE, BEGIN, SYNCED, LOST, UNLINK, RENAME, MAKE = range(1, 10)
    NOTE = 100


class Record(msgspec.Struct, frozen=True):
    """One entry of the log."""

    kind: Kind
    id: int
    a: int
    b: int
    data: bytes


def note(log: Path, text: str) -> None:
    """Put a client's note into a log that nodes are writing to."""
    data = text.encode()
    with log.open("ab", buffering=0) as file:
        file.write(_HEADER.pack(_MAGIC, Kind.NOTE, 0, 0, 0, len(data)) + data)


def records(log: Path) -> Iterator[Record]:
    """Read a log; a last entry that was cut off by the end of its process never was."""
    with log.open("rb") as file:
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            magic, kind, id_, a, b, size = _HEADER.unpack(header)
            assert magic == _MAGIC, f"the log is not one, before byte {file.tell()}"
            data = file.read(size)
            if len(data) < size:
                return
            yield Record(Kind(kind), id_, a, b, data)


class File:
    """One file: what is durable of it, and what was changed since."""

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = bytearray(durable)
        self.pending: list[tuple[int, int, bytes | None]] = []
        """Number of the change, offset and data; a new size is an offset without data."""

    def sync(self, before: int) -> None:
        """Make durable what was changed before a moment."""
        for number, offset, data in self.pending:
            if number < before:
                _change(self.durable, offset, data)
        self._forget(before)

    def lose(self, before: int, rng: random.Random) -> None:
        """Give up what was changed before a moment; chance has saved some of it."""
        for number, offset, data in self.pending:
            if number < before:
                _tear(self.durable, offset, data, 0.5, rng)
        self._forget(before)

    def _forget(self, before: int) -> None:
        self.pending = [change for change in self.pending if change[0] >= before]

    def cut(self, share: float, rng: random.Random) -> bytes:
        """Return the bytes after a cut: the durable ones, and a share of the sectors that were changed since."""
        found = bytearray(self.durable)
        for _, offset, data in self.pending:
            _tear(found, offset, data, share, rng)
        return bytes(found)


def _change(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        data = b""
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _tear(
    content: bytearray, offset: int, data: bytes | None, share: float, rng: random.Random
) -> None:
    if data is None:
        if rng.random() < share:
            _change(content, offset, None)
        return
    at = 0
    while at < len(data):
        end = min(len(data), at + SECTOR - (offset + at) % SECTOR)
        if rng.random() < share:
            _change(content, offset + at, data[at:end])
        at = end


class Folder:
    """A folder as the log tells it, from what was in it at first, all of that durable."""

    def __init__(self, root: Path, base: Path | None, rng: random.Random) -> None:
        self._root, self._rng = root, rng
        self._names: dict[str, File] = {}
        if base is not None:
            self._names = {
                str(path.relative_to(base)): File(path.read_bytes())
                for path in base.rglob("*")
                if path.is_file()
            }
        self._durable = dict(self._names)
        self._pending: list[tuple[int, str, File | None]] = []
        """Changes of names that no sync has covered: which name, and what it stands for since."""
        self._open: dict[int, tuple[str, File]] = {}
        self._begun: dict[int, int] = {}
        self._number = 0

    def apply(self, record: Record) -> None:
        """Take the next entry of the log."""
        self._number += 1
        match record.kind:
            case Kind.OPEN:
                self._opened(record)
            case Kind.WRITE if record.id in self._open:
                self._open[record.id][1].pending.append((self._number, record.a, record.data))
            case Kind.SIZE if record.id in self._open:
                self._open[record.id][1].pending.append((self._number, record.a, None))
            case Kind.BEGIN:
                self._begun[record.id] = self._number
            case Kind.SYNCED if record.id in self._open:
                name, file = self._open[record.id]
                before = self._begun[record.id]
                file.sync(before)
                self._sync_names(name, before)
            case Kind.LOST if record.id in self._open:
                self._open[record.id][1].lose(self._begun[record.id], self._rng)
            case Kind.UNLINK:
                self._name(record.data.rstrip(b"\0").decode(), None)
            case Kind.RENAME:
                old, _, new = record.data.decode().partition("\0")
                file = self._names.get(self._relative(old)) or File()
                self._name(new, file)
                self._name(old, None)

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self._root)

    def _opened(self, record: Record) -> None:
        path = record.data.rstrip(b"\0").decode()
        name = self._relative(path)
        file = self._names.get(name)
        if file is None:
            file = File()
            if record.a & os.O_CREAT:
                self._name(path, file)
        elif record.a & os.O_TRUNC:
            file.pending.append((self._number, 0, None))
        self._open[record.id] = (name, file)

    def _name(self, path: str, file: File | None) -> None:
        name = self._relative(path)
        self._pending.append((self._number, name, file))
        _rename(self._names, name, file)

    def _sync_names(self, folder: str, before: int) -> None:
        """Make durable the names in a folder; `folder` is a file when none of them is in it."""
        kept = []
        for number, name, file in self._pending:
            if number < before and (os.path.dirname(name) or ".") == folder:
                _rename(self._durable, name, file)
            else:
                kept.append((number, name, file))
        self._pending = kept

    def write(self, into: Path, *, share: float, rng: random.Random) -> None:
        """Write what a cut at this moment leaves: chance keeps a share of the sectors that no sync has covered."""
        names = dict(self._durable)
        for _, name, file in self._pending[: round(share * len(self._pending))]:
            _rename(names, name, file)
        into.mkdir(mode=0o700, parents=True)
        for name, file in names.items():
            if not name.endswith("-shm"):
                (into / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                (into / name).write_bytes(file.cut(share, rng))


def _rename(names: dict[str, File], name: str, file: File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file
