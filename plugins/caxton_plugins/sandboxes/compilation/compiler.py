"""The compiler as the node sees it: one warm child process, one module at a time.

Compiling has no fuel: a module of 200 KB can cost seconds and hundreds of megabytes. So it happens in a process that
is limited (`compiling.py`), and whose death is an answer like any other.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import msgspec
from caxton_core.errors import InvalidModule
from returns.result import Failure, Result, Success

from caxton_plugins.sandboxes.compilation.compiling import Answer, Job, kind_of

if TYPE_CHECKING:
    from pathlib import Path

    from caxton_plugins.sandboxes.compilation.cache import Cache
    from caxton_plugins.sandboxes.compilation.surveys import JobLimits, Survey

_PATIENCE: Final = 5.0  # beyond the limit of the job itself


def _end(number: int, limits: JobLimits) -> str:
    """Say why a job died of a signal."""
    match signal.Signals(number):
        case signal.SIGXCPU:
            return f"compiling it takes more than {limits.cpu_seconds} s of CPU"
        case signal.SIGALRM:
            return f"compiling it takes more than {limits.wall_seconds} s"
        case signal.SIGABRT:
            return f"compiling it takes more than {limits.memory >> 20} MiB of memory, or breaks the compiler"
        case other:
            return f"the compiler died of {other.name}"


class Compiler:
    """Compiles in a child process that is started at the first job and after each mishap."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def warm(self) -> None:
        """Start the child, so that the first module need not wait for it."""
        with self._lock:
            self._start()

    def compile(self, source: Path, target: Path, profile: str) -> Result[Survey, InvalidModule]:
        """Compile a file; blocks up to the limits."""
        return self._ask(Job(profile, str(source), str(target))).bind(
            lambda answer: (
                Success(answer.survey)
                if answer.survey
                else Failure(InvalidModule(answer.detail or "the compiler gave nothing"))
            )
        )

    def probe(self, profile: str) -> Result[None, InvalidModule]:
        """Find out whether a profile's engine can be built on this machine without breaking the process."""
        return self._ask(Job(profile)).bind(
            lambda answer: (
                Failure(InvalidModule(f"profile {profile} does not work: {answer.detail}"))
                if answer.detail
                else Success(None)
            )
        )

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._stop()

    def _ask(self, job: Job) -> Result[Answer, InvalidModule]:
        with self._lock:
            try:
                child = self._start()
                assert child.stdin is not None
                child.stdin.write(msgspec.json.encode(job) + b"\n")
                child.stdin.flush()
                line = self._read_line(child, kind_of(job.profile).limits.wall_seconds + _PATIENCE)
                answer = msgspec.json.decode(line, type=Answer)
            except (OSError, msgspec.DecodeError) as error:
                self._stop()
                return Failure(InvalidModule(f"the compiler process ended: {error}"))
        if answer.signal:
            return Success(Answer(detail=_end(answer.signal, kind_of(job.profile).limits)))
        return Success(answer)

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._stop()
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "caxton_plugins.sandboxes.compilation.compiling"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": paths, "PYTHONSAFEPATH": "1", "RUST_BACKTRACE": "0"},
            start_new_session=True,
        )
        return self._child

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    @staticmethod
    def _read_line(child: subprocess.Popen[bytes], patience: float) -> bytes:
        assert child.stdout is not None
        descriptor = child.stdout.fileno()
        deadline = time.monotonic() + patience
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"no answer in {patience:g} s")
            piece = os.read(descriptor, 65536)
            if not piece:
                raise ConnectionError("it closed its output")
            line += piece
        return line


def compile_into(
    cache: Cache, compiler: Compiler, data: bytes, digest: str, profile: str
) -> Result[Survey, InvalidModule]:
    """Compile a module and keep the result in the cache."""
    target = cache.room(profile)
    source = target.with_suffix(".wasm")
    try:
        source.write_bytes(data)
        found = compiler.compile(source, target, profile)
        if isinstance(found, Success):
            cache.keep(digest, profile, target, found.unwrap())
            cache.remember_probe(profile)
        return found
    finally:
        source.unlink(missing_ok=True)
        target.unlink(missing_ok=True)


def probe_once(cache: Cache, compiler: Compiler, profile: str) -> Result[None, InvalidModule]:
    """Have a profile's engine built in the child process, unless one was built before."""
    if cache.probed(profile):
        return Success(None)
    probed = compiler.probe(profile)
    if isinstance(probed, Success):
        cache.remember_probe(profile)
    return probed
