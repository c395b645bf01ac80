"""The file of a `jsonlines:` storage and what it says, kept in step.

Rules:
- A line counts when `write` returns; what is left of one that failed is cut off before the next.
- Whoever looks at the path finds the old file or the one that took its place, whole.
- Nothing here is locked against other threads: the storage does that.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from caxton_core.errors import (
    Corrupt,
    DatabaseTooNew,
    StorageError,
    StorageFault,
    StorageFull,
    StorageUnavailable,
    Unreadable,
)
from caxton_core.ports import Group

from caxton_example.contents import Contents
from caxton_example.lines import SCHEMA, Line, from_text, to_text


class File:
    """A file of lines; with `sync` each is on the disk when it is written."""

    def __init__(self, path: Path, *, sync: bool, read_only: bool = False) -> None:
        self.path = path
        self.contents = Contents()
        self.end = 0
        """How long it is, without a last line that does not count."""
        self._sync = sync
        self._read_only = read_only
        self._file = -1
        self._torn = False

    def open(self) -> StorageError | None:
        """Lock and read it, or return what is wrong with what it says; `BlockingIOError` when it is locked."""
        if self._read_only:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _open_locked(self.path)
        return self._replay()

    def _replay(self) -> StorageError | None:
        """Read every line; cut off the last one when it is incomplete."""
        self.contents, self.end, self._torn = Contents(), 0, False
        lines = self.lines()
        for at, text in lines:
            line = from_text(text)
            if line is None:
                if next(lines, None) is not None:
                    return Corrupt(self.contents.last + 1, f"a broken line at {at}")
                break
            if line.schema > SCHEMA:
                return DatabaseTooNew(str(self.path), line.schema, SCHEMA)
            if not line.schema and not at:
                return Unreadable(str(self.path), "it does not begin as a journal does")
            self.contents.apply(line, at, len(text))
            self.end += len(text)
        if not self._read_only:
            os.ftruncate(self._file, self.end)
        return None

    def close(self) -> None:
        """Close it, which frees the lock."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Read it from its beginning: where each line is, and the line."""
        at = 0
        with open(os.dup(self._file), "rb") as lines:
            lines.seek(0)
            for text in lines:
                yield at, text
                at += len(text)

    def group(self, seq: int) -> Group:
        """Read a group that is there from its line; raises `StorageFault`."""
        place = self.contents.places[seq]
        try:
            line = from_text(os.pread(self._file, place.length, place.offset))
        except OSError as error:
            raise StorageFault(error_of(self.path, error)) from error
        group = line.groups[place.nth] if line else None
        if group is None or crc32(group.blob) != group.checksum:
            raise StorageFault(Corrupt(seq, "the checksum does not match"))
        return group

    def write(self, line: Line) -> None:
        """Write one line and do what it says; raises `OSError`, and then nothing has happened."""
        text = to_text(line)
        if self._torn:
            os.ftruncate(self._file, self.end)
        self._torn = True
        if os.write(self._file, text) < len(text):
            raise OSError(errno.ENOSPC, "it can't grow")
        if self._sync:
            os.fdatasync(self._file)
        self._torn = False
        self.contents.apply(line, self.end, len(text))
        self.end += len(text)

    def anew(self) -> File:
        """Put one in its place that says the same in fewer lines, close this one and return the other.

        Raises `OSError`, and then this one is as good as it was.
        """
        beside = self.path.with_name(f"{self.path.name}.new")
        beside.unlink(missing_ok=True)
        new = File(beside, sync=False)
        new.open()
        try:
            new.write(Line(schema=SCHEMA))
            for seq in range(self.contents.first, self.contents.last + 1):
                new.write(Line(groups=(self.group(seq),)))
            for line in self.contents.lines():
                new.write(line)
            os.fsync(new._file)
            os.rename(beside, self.path)
        except BaseException:  # whatever it was, the new file is not the one
            new.close()
            beside.unlink(missing_ok=True)
            raise
        self.close()
        new.path, new._sync = self.path, self._sync
        return new

    def sync_name(self) -> None:
        """Make its name safe."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _open_locked(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # While this one waited, a new file may have taken the place of the one it opened.
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return file
        except BaseException:  # whatever it was, the file is not left open
            os.close(file)
            raise
        os.close(file)


def error_of(path: Path, error: OSError) -> StorageError:
    """Return what a storage says when its file fails."""
    reason = f"{path}: {error.strerror}"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return StorageFull(reason) if full else StorageUnavailable(reason)
