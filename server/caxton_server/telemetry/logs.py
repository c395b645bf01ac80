"""Structured logs on stderr: JSON for machines, text for people, one writer thread for both.

Rules:
- Nobody waits for the terminal or the disk: a line is rendered at once and written by a thread.
- No text drives the operator's terminal: control characters are replaced in every value.
- Libraries that log through the standard library come out in the same form.
"""

from __future__ import annotations

import atexit
import logging
import queue
import sys
import threading
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.typing import Processor, WrappedLogger

Format = Literal["auto", "text", "json"]
Event = MutableMapping[str, Any]

LONGEST_QUEUE = 10_000
_FLUSH_SECONDS = 2.0
# C0 but tab, DEL, C1, the line separators and what turns the direction of text.
_CONTROLS = {
    code: "�"
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        0x2028,
        0x2029,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
    if code != 0x09
}
_CONTROLS_BUT_NEWLINE = {code: text for code, text in _CONTROLS.items() if code != 0x0A}
_MANY_LINES = frozenset({"exception", "stack"})
_encode = msgspec.json.Encoder(enc_hook=str).encode


def printable(text: str) -> str:
    """Replace what could drive a terminal or forge a line.

    >>> printable("a\\x1b[2Jb\\nc")
    'a�[2Jb�c'
    """
    return text if text.isascii() and text.isprintable() else text.translate(_CONTROLS)


def printable_lines(text: str) -> str:
    """Replace what could drive a terminal, keeping the ends of lines."""
    return text.translate(_CONTROLS_BUT_NEWLINE)


class Writer:
    """Writes lines to a stream from a thread; drops and counts what it can't keep up with."""

    def __init__(self, stream: TextIO) -> None:
        self.dropped = 0
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(LONGEST_QUEUE)
        self._thread = threading.Thread(target=self._run, name="caxton-logs", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queue one line."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what is queued, for a short while, and end the thread."""
        try:
            self._lines.put(None, timeout=_FLUSH_SECONDS)
        except queue.Full:
            return
        self._thread.join(_FLUSH_SECONDS)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(f"{line}\n")
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                # The stream is gone; there is nowhere left to say so.
                self.dropped += 1


def setup(
    level: str = "info", form: Format = "auto", *, stream: TextIO | None = None
) -> Callable[[], None]:
    """Send all logs of the process through one writer; returns what flushes and ends it."""
    target = sys.stderr if stream is None else stream
    writer = Writer(target)
    if form == "auto":
        form = "text" if target.isatty() else "json"
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors(form, colors=target.isatty()),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *names: _Line(writer, *names),
        cache_logger_on_first_use=False,
    )
    bridge = _Bridge(number)
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    root.handlers[:] = [bridge]
    root.setLevel(max(number, logging.WARNING))

    def close() -> None:
        root.handlers[:], level_before = before
        root.setLevel(level_before)
        structlog.reset_defaults()
        writer.close()
        atexit.unregister(close)

    atexit.register(close)
    return close


def processors(form: Format, *, colors: bool = False) -> list[Processor]:
    """Return the steps from an event to its line."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _clean,
    ]
    if form == "json":
        return [*shared, _json]
    return [*shared, structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0)]


class _Line:
    """The end of structlog's chain: every level writes the rendered line."""

    def __init__(self, writer: Writer, *names: object) -> None:
        self.name = str(names[0]) if names else "caxton"
        self.debug = self.info = self.warning = self.error = self.critical = writer.write
        self.msg = self.log = self.exception = self.fatal = self.warn = self.failure = writer.write


class _Bridge(logging.Handler):
    """Hands records of the standard library to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        given = {"exc_info": record.exc_info} if record.exc_info else {}
        logger.log(record.levelno, record.getMessage(), **given)


def _name(logger: WrappedLogger, _method: str, event: Event) -> Event:
    event.setdefault("logger", getattr(logger, "name", "caxton"))
    return event


def _clean(_logger: WrappedLogger, _method: str, event: Event) -> Event:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable_lines(value) if key in _MANY_LINES else printable(value)
        elif isinstance(value, bytes):
            event[key] = printable(value.decode("utf-8", "replace"))
    return event


def _json(_logger: WrappedLogger, _method: str, event: Event) -> str:
    body = event.pop("event", "")
    head = {
        "timestamp": event.pop("timestamp", ""),
        "severity": event.pop("level", ""),
        "body": body,
    }
    try:
        return _encode({**head, **event}).decode()
    except (UnicodeEncodeError, RecursionError, ValueError):
        # A value that JSON can't hold must not cost the line.
        return _encode({**head, "fields": ascii(event)}).decode()
