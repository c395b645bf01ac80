"""The watermark: the newest group that was committed, in a file beside the storage that outlives the process.

Rules:
- It is raised after a commit, so with durability `disk` it never names a group that a power cut may take. A storage that
  ends before it has lost what was acknowledged: its log is damaged, or an older copy of it was put here.
- The file is mapped into memory: raising it costs one copy of 8 bytes.
"""

from __future__ import annotations

import logging
import mmap
from pathlib import Path
from typing import TYPE_CHECKING

from caxton_core.errors import Unreadable
from returns.result import Failure, Result

from caxton_server.runtime.attempts import mapped

if TYPE_CHECKING:
    from caxton_server.runtime.journal import Journal

_log = logging.getLogger(__name__)
_SIZE = 64
_GROUP = slice(0, 8)


class Watermark:
    """The watermark file of one node."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped

    @staticmethod
    def open(path: Path) -> Result[Watermark, Unreadable]:
        """Map the file, creating it or making it as long as it should be."""
        return mapped(path, _SIZE).map(Watermark)

    @property
    def group(self) -> int:
        """The newest group that was committed, 0 when nobody knows."""
        return int.from_bytes(self._mapped[_GROUP], "little")

    def note(self, seq: int) -> None:
        """Remember the newest group."""
        if not self._mapped.closed:
            self._mapped[_GROUP] = seq.to_bytes(8, "little")

    def close(self) -> None:
        """Let go of the file."""
        self._mapped.close()


def watch(path: Path, journal: Journal) -> Result[Watermark, Unreadable]:
    """Say it in the log if groups that were committed are gone, and remember from now on what is committed."""
    opened = Watermark.open(path)
    if isinstance(opened, Failure):
        return opened
    mark, storage = opened.unwrap(), journal.storage
    missing = lost(mark.group, storage.last_group(), storage.durability)
    if missing:
        _log.error(missing)
    mark.note(storage.last_group())
    journal.commits.on_commit.append(lambda _position: mark.note(storage.last_group()))
    return opened


def lost(known: int, last: int, durability: str) -> str:
    """Say what is missing when the storage ends before the watermark; nothing when it does not."""
    if known <= last:
        return ""
    why = "its log is damaged, or an older copy of it was restored"
    if durability != "disk":
        why = f"durability {durability} allows that after a power cut; else {why}"
    return f"the storage ends at group {last} of the journal, but {known} were committed: {why}"
