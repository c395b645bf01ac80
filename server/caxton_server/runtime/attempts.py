"""The mark of the message that is running now, in a file that outlives the process.

Rules:
- The file is mapped into memory: a mark costs one copy of 16 bytes and survives kill -9, because the page belongs to
  the operating system. It need not survive a power cut: what was lost then killed nobody.
- At start the marked message is charged an attempt; the mark is cleared when the charge is durable.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from functools import partial
from operator import setitem
from pathlib import Path

from caxton_core.errors import Unreadable
from returns.result import Failure, Result, Success

_SIZE = 64
_MARK = slice(0, 16)
_NOTHING = bytes(16)


def mapped(path: Path, size: int) -> Result[mmap.mmap, Unreadable]:
    """Map a file into memory, creating it or making it as long as it should be."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)
            return Success(mmap.mmap(handle, size))
        finally:
            os.close(handle)
    except OSError as error:
        return Failure(Unreadable(str(path), error.strerror or str(error)))


class Attempts:
    """The mark file of one node; `mark` takes the 16 bytes of the running message's id."""

    mark: Callable[[bytes], None]

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped
        # A bound C function: a method of this class would cost twice as much.
        self.mark = partial(setitem, mapped, _MARK)

    @staticmethod
    def open(path: Path) -> Result[Attempts, Unreadable]:
        """Map the file, creating it or making it as long as it should be."""
        return mapped(path, _SIZE).map(Attempts)

    def clear(self) -> None:
        """Say that nothing runs."""
        self.mark(_NOTHING)

    def read_after_crash(self) -> bytes | None:
        """Return the 16 bytes of the message that ran when the process ended, None when there was none."""
        found = self._mapped[_MARK]
        return None if found == _NOTHING else found

    def close(self) -> None:
        """Say that nothing runs, and let go of the file."""
        self.clear()
        self._mapped.close()
