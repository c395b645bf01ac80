"""Log lines of one agent: the latest ones, for `caxton agent logs` and its followers.

Rules:
- A guest's text is hostile: control characters are replaced before it is kept.
- The buffer is bounded; `seq` shows a reader what it missed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from caxton_core.times import format_time
from caxton_core.views import LogLine

LEVELS = ("trace", "debug", "info", "warn", "error")
KEPT = 500
BACKLOG = 1000
"""Lines that wait for a slow follower; what comes then is not for it."""

_CONTROL = {
    code: "�"
    for code in (
        *range(32),
        *range(127, 160),
        0x2028,
        0x2029,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
    if code != 9
}


def printable(text: bytes) -> str:
    """Decode a guest's text and replace what could drive a terminal."""
    return text.decode("utf-8", "replace").translate(_CONTROL)


class LogBuffer:
    """The latest log lines of an agent."""

    __slots__ = ("followers", "lines", "seq")

    def __init__(self) -> None:
        self.lines: deque[tuple[int, int, int, bytes]] = deque(maxlen=KEPT)
        self.seq = 0
        self.followers: list[Callable[[LogLine], None]] = []

    def write(self, time_ms: int, level: int, text: bytes) -> None:
        """Keep a line; it is decoded when read."""
        self.seq += 1
        line = (self.seq, time_ms, level, text)
        self.lines.append(line)
        for follower in tuple(self.followers):
            follower(self._view(line))

    def read(self, after: int = 0) -> list[LogLine]:
        """Return the kept lines with a greater `seq`."""
        return [self._view(line) for line in self.lines if line[0] > after]

    @staticmethod
    def _view(line: tuple[int, int, int, bytes]) -> LogLine:
        seq, time_ms, level, text = line
        return LogLine(seq, format_time(time_ms), LEVELS[min(max(level, 0), 4)], printable(text))


async def follow(logs: LogBuffer | None, after: int) -> AsyncIterator[LogLine]:
    """Yield the kept lines with a greater `seq`, then those that are written, for ever; none when there is no log."""
    if logs is None:
        return
    queue: asyncio.Queue[LogLine] = asyncio.Queue(BACKLOG)

    def written(line: LogLine) -> None:
        if not queue.full():
            queue.put_nowait(line)

    logs.followers.append(written)
    try:
        for line in logs.read(after):
            yield line
        while True:
            yield await queue.get()
    finally:
        logs.followers.remove(written)
