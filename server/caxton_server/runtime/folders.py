"""The data folder of a node: its lock, and where everything in it lies.

Rules:
- One node uses a folder at a time. The lock is the operating system's (flock), so it is free once the process is gone,
  however it went; the number in the lock file only tells people who holds it.
- The lock file is never removed: a node could then hold the lock of a file that others no longer see.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from caxton_core.errors import Locked, Unreadable
from returns.result import Failure, Result, Success

WATERMARK: Final = "committed"
"""The name of the file that names the newest committed group."""


class Folder:
    """A data folder this process holds the lock of."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock: int | None = lock

    @staticmethod
    def open(path: Path) -> Result[Folder, Unreadable | Locked]:
        """Create the folder if need be, and lock it."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            return Failure(Unreadable(str(path), error.strerror or str(error)))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            (path / "modules").mkdir(mode=0o700, exist_ok=True)
            # Being able to lock a file does not mean being able to make another one.
            probe = path / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            os.close(lock)
            who = f"process {holder}" if holder.isdecimal() else "another node"
            return Failure(Locked(str(path), f"{who} is using it"))
        except OSError as error:
            os.close(lock)
            return Failure(Unreadable(str(path), error.strerror or str(error)))
        return Success(Folder(path, lock))

    @property
    def database(self) -> Path:
        """The SQLite database."""
        return self.path / "caxton.db"

    @property
    def modules(self) -> Path:
        """The folder of compiled modules."""
        return self.path / "modules"

    @property
    def mark(self) -> Path:
        """The file that names the running message."""
        return self.path / "running"

    @property
    def watermark(self) -> Path:
        """The file that names the newest committed group."""
        return self.path / WATERMARK

    def close(self) -> None:
        """Let another node use the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
