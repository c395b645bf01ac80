"""What a Python program writes about itself, led to the agent's log: `print`, `logging`, and exceptions.

Rules:
- nothing here reads a file or a clock: in a component either ends the instance.
"""

from __future__ import annotations

import io
import linecache
import logging
import re
from types import TracebackType

from caxton_agent.hosts import Level, host, inside

_LEVELS: list[tuple[int, Level]] = [
    (logging.ERROR, "error"),
    (logging.WARNING, "warn"),
    (logging.INFO, "info"),
    (logging.DEBUG, "debug"),
]


class LogHandler(logging.Handler):
    """Writes the records of `logging` into the agent's log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, with its exception."""
        level: Level = next((name for least, name in _LEVELS if record.levelno >= least), "trace")
        host().log(level, f"{record.name}: {record.getMessage()}")
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            host().log(level, describe(error))


class LogWriter(io.TextIOBase):
    """A text file whose lines go to the agent's log."""

    def __init__(self, level: Level) -> None:
        self._level: Level = level
        self._line = ""

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Write what ends in a line break; the rest waits for one."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            host().log(self._level, line)
        return len(text)

    def flush(self) -> None:
        """Write what has no line break yet."""
        if self._line and inside():
            host().log(self._level, self._line)
            self._line = ""


def describe(error: BaseException) -> str:
    """Say where an exception came from, the latest call last, with the lines of source that are known."""
    parts = []
    if error.__cause__ is not None:
        parts.append(describe(error.__cause__) + "\n... which led to:")
    parts.extend(_frames(error.__traceback__))
    parts.append(summary(error))
    return "\n".join(parts)


def summary(error: BaseException) -> str:
    """Name an exception in one line.

    >>> summary(KeyError("price"))
    "KeyError: 'price'"
    """
    said = str(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _frames(traceback: TracebackType | None) -> list[str]:
    lines: list[str] = []
    while traceback is not None:
        code, at = traceback.tb_frame.f_code, traceback.tb_lineno
        # What the library did before it called the agent says nothing.
        if lines or "/caxton_agent/" not in code.co_filename:
            # The compiler mounts the project's folders as /0, /1 and so on.
            lines.append(f"{re.sub(r'^/[0-9]+/', '', code.co_filename)}:{at} in {code.co_name}")
            source = linecache.getline(code.co_filename, at).strip()
            lines.extend([f"    {source}"] if source else [])
        traceback = traceback.tb_next
    # A recursion without end has a thousand.
    return lines if len(lines) <= 40 else [*lines[:10], "...", *lines[-20:]]
