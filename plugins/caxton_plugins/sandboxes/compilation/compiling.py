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
from caxton_core.errors import InvalidModule
from returns.result import Failure, Success

from caxton_plugins.sandboxes.compilation.surveys import JobLimits, Kind, Survey

FILE: Final = 256 << 20
COMPONENT: Final = "component"
"""The one profile that takes components; every other takes core modules."""


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


def kind_of(profile: str) -> Kind:
    """Return how modules of a profile are compiled."""
    if profile == COMPONENT:
        from caxton_plugins.sandboxes.components.building import KIND
    else:
        from caxton_plugins.sandboxes.wasm.building import KIND
    return KIND


def limit(limits: JobLimits) -> None:
    """Take this process's means away."""
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(limits.niceness)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds)


def work(job: Job) -> Answer:
    """Do one job."""
    from wasmtime import WasmtimeError

    kind = kind_of(job.profile)
    if not job.source:
        kind.probe(job.profile)
        return Answer()
    with open(job.source, "rb") as file:
        data = file.read()
    found = kind.survey(data)
    if not isinstance(found, Success):
        return _refusal(found.failure())
    try:
        built = kind.build(data, job.profile)
    except WasmtimeError as error:
        return Answer(detail=_plain(str(error)))
    if isinstance(built, Failure):
        return _refusal(built.failure())
    with open(job.target, "wb") as file:
        file.write(built.unwrap())
    return Answer(survey=found.unwrap())


def _refusal(error: InvalidModule) -> Answer:
    return Answer(detail=error.detail)


def _plain(text: str) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())[:500]


def fork(job: Job) -> Answer:
    """Do one job in a process of its own."""
    out, into = os.pipe()
    limits = kind_of(job.profile).limits
    child = os.fork()
    if child == 0:
        os.close(out)
        try:
            limit(limits)
            answer = work(job)
        except MemoryError:
            answer = Answer(
                detail=f"compiling it takes more than {limits.memory >> 20} MiB of memory"
            )
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
    kind_of("strict")  # what takes long to import is there before the first job

    for line in sys.stdin.buffer:
        answer = fork(msgspec.json.decode(line, type=Job))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
