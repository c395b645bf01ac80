"""The child process that compiles: it waits for jobs on stdin, and forks for each a process with limits.

Rules:
- The waiting process never builds an engine, so it has one thread and may fork.
- A job may end in any way: the waiting process reports how, and takes the next.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Final

import msgspec
from returns.result import Success

from caxton_plugins.sandboxes.wasm import known, modules
from caxton_plugins.sandboxes.wasm.modules import Survey

CPU_SECONDS: Final = 10
WALL_SECONDS: Final = 13
MEMORY: Final = 1 << 30
FILE: Final = 256 << 20
NICENESS: Final = 10


class Job(msgspec.Struct, frozen=True):
    """A file to compile to another; without files only the profile's engine is built."""

    profile: str
    source: str = ""
    target: str = ""


class Answer(msgspec.Struct, frozen=True):
    """How a job ended: what the module is, or why it was refused, or the signal it died of."""

    survey: Survey | None = None
    detail: str = ""
    signal: int = 0


def limit() -> None:
    """Take this process's means away."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)


def work(job: Job) -> Answer:
    """Do one job."""
    from wasmtime import Engine, Module, WasmtimeError

    from caxton_plugins.sandboxes.wasm.engines import config_for

    if not job.source:
        Module(Engine(config_for(job.profile)), b"\0asm\1\0\0\0")
        return Answer()
    with open(job.source, "rb") as file:
        data = file.read()
    found = modules.survey(data, known.IMPORTS)
    if not isinstance(found, Success):
        return Answer(detail=found.failure().detail)
    try:
        code = Module(Engine(config_for(job.profile)), data).serialize()
    except WasmtimeError as error:
        text = "".join(letter if letter.isprintable() else " " for letter in str(error))
        return Answer(detail=" ".join(text.split())[:500])
    with open(job.target, "wb") as file:
        file.write(code)
    return Answer(survey=found.unwrap())


def fork(job: Job) -> Answer:
    """Do one job in a process of its own."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        try:
            limit()
            answer = work(job)
        except MemoryError:
            answer = Answer(detail=f"compiling it takes more than {MEMORY >> 20} MiB of memory")
        except BaseException as error:  # noqa: BLE001  # nothing may reach the loop of the process that forked
            answer = Answer(detail=f"{type(error).__name__}: {error}")
        os.write(into, msgspec.json.encode(answer))
        os._exit(0)
    os.close(into)
    with open(out, "rb") as reader:
        line = reader.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Answer(signal=os.WTERMSIG(status))
    return msgspec.json.decode(line, type=Answer)


def main() -> None:
    """Answer jobs until stdin ends."""
    import wasmtime  # noqa: F401  # what takes long is done before the first job

    for line in sys.stdin.buffer:
        answer = fork(msgspec.json.decode(line, type=Job))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
