"""Logs: one form, no control characters, nobody waits."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
import structlog
from caxton_server.telemetry import logs, traces


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the JSON lines that were written."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_event_is_one_json_line() -> None:
    """An event has timestamp, severity, body, the logger's name and its fields."""
    stream = io.StringIO()
    close = logs.setup("info", "json", stream=stream)
    structlog.get_logger("caxton.x").info("hello", agent="a", count=1)
    structlog.get_logger("caxton.x").debug("too quiet")
    close()
    (line,) = lines_of(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "severity": "info",
        "body": "hello",
        "logger": "caxton.x",
        "agent": "a",
        "count": 1,
    }


def test_trace_id_of_the_task_is_on_every_line() -> None:
    """What a request logs carries its trace id."""
    stream = io.StringIO()
    close = logs.setup("info", "json", stream=stream)
    with structlog.contextvars.bound_contextvars():
        trace_id = traces.begin(None)
        structlog.get_logger("caxton.x").info("hello")
    structlog.contextvars.clear_contextvars()
    close()
    assert lines_of(stream)[0]["trace_id"] == trace_id == traces.current()


@pytest.mark.parametrize("form", ["json", "text"])
def test_control_characters_of_a_guest_do_not_come_out(form: logs.Format) -> None:
    """Neither an escape sequence nor a second line can be forged by a value."""
    stream = io.StringIO()
    close = logs.setup("info", form, stream=stream)
    structlog.get_logger("caxton.x").info("log", text="a\x1b[2Jb\nc\x9b1m\u202e", more=["\x1b"])
    close()
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert not set("\x1b\x9b\u202e") & set(written)


def test_library_logs_come_out_in_the_same_form() -> None:
    """A warning of a library, with its traceback, is one JSON line."""
    stream = io.StringIO()
    close = logs.setup("info", "json", stream=stream)
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("aiohttp").exception("failed %s", "here")
    close()
    (line,) = lines_of(stream)
    assert (line["severity"], line["body"], line["logger"]) == ("error", "failed here", "aiohttp")
    assert line["exception"].endswith("ValueError: no")


def test_value_that_json_cannot_hold_does_not_cost_the_line() -> None:
    """A lone surrogate in a value is written as an escape."""
    stream = io.StringIO()
    close = logs.setup("info", "json", stream=stream)
    structlog.get_logger("caxton.x").info("hello", file="\udcff")
    close()
    assert lines_of(stream)[0]["body"] == "hello"


def test_broken_stream_harms_nobody() -> None:
    """When the stream is gone, logging goes on and counts what it lost."""

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    writer = logs.Writer(Gone())
    writer.write("a")
    writer.close()
    assert writer.dropped == 1


@pytest.mark.parametrize(
    ("traceparent", "valid"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("", False),
        (None, False),
    ],
)
def test_traceparent_is_read_as_w3c_says(traceparent: str | None, valid: bool) -> None:
    """Only a well-formed traceparent of a known or newer version continues a trace."""
    assert (traces.parse(traceparent) is not None) is valid
