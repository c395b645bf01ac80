"""A process that may die of what it is given, and the one that survives to tell.

Rules:
- Every line asked for has an answer, or the process ended or hangs: then it is killed, and `Died` says how.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class Died(Exception):
    """A child ended, or had to be ended, before it answered."""


class Child:
    """One process that answers a line with a line."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        paths = os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": paths, "RUST_BACKTRACE": "0"},
            start_new_session=True,
        )
        self._rest = b""

    def say(self, line: bytes) -> None:
        """Give it a line."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise Died(self._end("it had ended before")) from None

    def hear(self, seconds: float) -> bytes:
        """Return its next line, or raise what became of it."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        until = time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise Died(self._end(f"it was silent for {seconds:g} s"))
            piece = os.read(descriptor, 1 << 16)
            if not piece:
                raise Died(self._end("it ended"))
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def ask(self, line: bytes, seconds: float) -> bytes:
        """Give it a line and return its answer."""
        self.say(line)
        return self.hear(seconds)

    def close(self, seconds: float = 30.0) -> Sequence[bytes]:
        """Let it end in order; returns what it said last."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        said = self._rest + self._process.stdout.read()
        code = self._process.wait(seconds)
        text = self._text()
        self._tidy()
        if code or text.strip():
            raise Died(f"it ended with {code}:\n{text}")
        return said.splitlines()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._end("")

    def _end(self, why: str) -> str:
        if self._process.poll() is None and why == "it ended":
            self._process.wait(10)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        text = self._text()
        self._tidy()
        return f"{why}: {how}\n{text[-3000:]}"

    def _text(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def _tidy(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
