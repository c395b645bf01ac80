"""Job-shop scheduling: reading instances, checking schedules.

Rules:
- Jobs, operations and machines count from 0, as in the files.
- An instance is valid when it exists: every job has one operation for each column pair, every machine number is in range.
- A schedule is checked from nothing but the instance and the placements, never from how they came about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import msgspec
from returns.result import Failure, Result, Success

_OPTIMUM = re.compile(r"\boptimal\s+makespan\s*:?\s*(\d{1,15})\b", re.IGNORECASE)
_INTEGER = re.compile(r"-?\d+")
_MOST = 1_000
_LONGEST = 1_000_000_000


class BrokenInstance(msgspec.Struct, frozen=True, tag=True):
    """A file that is no job-shop instance, and where."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class InfeasibleSchedule(msgspec.Struct, frozen=True, tag=True):
    """What is wrong with a schedule, one sentence each."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "the schedule is not feasible: " + "; ".join(self.reasons)


class Operation(msgspec.Struct, frozen=True):
    """One step of a job: which machine, for how long."""

    machine: int
    duration: int


class Instance(msgspec.Struct, frozen=True):
    """A job-shop problem; `optimum` is its known optimal makespan."""

    name: str
    machines: int
    jobs: tuple[tuple[Operation, ...], ...]
    optimum: int | None = None

    @property
    def operations(self) -> int:
        """Count the operations of all jobs."""
        return sum(map(len, self.jobs))


class Placement(msgspec.Struct, frozen=True, order=True):
    """When one operation of one job runs on which machine."""

    job: int
    operation: int
    machine: int
    start: int
    end: int


class _Broken(Exception):
    def __init__(self, line: int, reason: str) -> None:
        self.error = BrokenInstance(line, reason)


def parse_instance(text: str, *, name: str) -> Result[Instance, BrokenInstance]:
    """Read an instance: comments (`#`), one line `jobs machines`, then a line of pairs `machine duration` for each job.

    >>> parse_instance("# optimal makespan 7\\n1 2\\n1 3 0 4", name="tiny").unwrap().optimum
    7
    >>> str(parse_instance("2 1\\n0 5\\n1 5", name="bad").failure())
    'line 3: there is no machine 1, only 0 to 0'
    """
    try:
        return Success(_instance(text, name))
    except _Broken as broken:
        return Failure(broken.error)


def _instance(text: str, name: str) -> Instance:
    lines = list(enumerate(text.removeprefix("\N{BYTE ORDER MARK}").split("\n"), start=1))
    stated = (_OPTIMUM.search(line) for _, line in lines if line.lstrip().startswith("#"))
    optimum = next((int(found[1]) for found in stated if found), None)
    rows = [
        (at, line.split())
        for at, line in lines
        if line.strip() and not line.lstrip().startswith("#")
    ]
    last = max(1, len(lines) - (not lines[-1][1].strip() and len(lines) > 1))
    if not rows:
        raise _Broken(last, "the file holds no instance")
    at, head = rows[0]
    if len(head) != 2:
        raise _Broken(at, "expected two numbers: jobs and machines")
    jobs, machines = (
        _number(word, at, 1, _MOST, what)
        for word, what in zip(head, ("jobs", "machines"), strict=True)
    )
    if len(rows) - 1 < jobs:
        raise _Broken(rows[-1][0], f"expected {jobs} jobs, but the file ends after {len(rows) - 1}")
    if len(rows) - 1 > jobs:
        raise _Broken(rows[jobs + 1][0], f"a line too many: the first line says {jobs} jobs")
    return Instance(
        name, machines, tuple(_job(words, at, machines) for at, words in rows[1:]), optimum
    )


def _job(words: list[str], at: int, machines: int) -> tuple[Operation, ...]:
    if len(words) != 2 * machines:
        raise _Broken(
            at, f"expected {machines} pairs of machine and duration, found {len(words)} numbers"
        )
    pairs = zip(words[::2], words[1::2], strict=True)
    return tuple(
        Operation(_machine(m, at, machines), _number(d, at, 0, _LONGEST, "duration"))
        for m, d in pairs
    )


def _machine(word: str, at: int, machines: int) -> int:
    number = _number(word, at, 0, None, "machine")
    if number >= machines:
        raise _Broken(at, f"there is no machine {number}, only 0 to {machines - 1}")
    return number


def _number(word: str, at: int, least: int, most: int | None, what: str) -> int:
    shown = word if len(word) <= 20 else word[:17] + "..."
    if not word.isascii() or not _INTEGER.fullmatch(word):
        raise _Broken(at, f"{shown!r} is not a whole number ({what})")
    if len(word) > 15 or int(word) > (most or 10**15):
        raise _Broken(at, f"{what} {shown} is too large" + (f", at most {most}" if most else ""))
    if int(word) < least:
        raise _Broken(at, f"{what} {shown} is too small, at least {least}")
    return int(word)


def check_schedule(
    instance: Instance, placements: Iterable[Placement]
) -> Result[int, InfeasibleSchedule]:
    """Return the makespan of a feasible schedule: every operation once, in job order, no machine doing two at a time."""
    placed = sorted(placements)
    wrong: list[str] = []
    counts = Counter((p.job, p.operation) for p in placed)
    wanted = {(j, o): op for j, job in enumerate(instance.jobs) for o, op in enumerate(job)}
    wrong += [f"job {j} operation {o} is missing" for j, o in wanted if (j, o) not in counts]
    wrong += [f"job {j} operation {o} is placed {n} times" for (j, o), n in counts.items() if n > 1]
    wrong += [f"there is no job {j} operation {o}" for j, o in counts if (j, o) not in wanted]
    for p in placed:
        operation = wanted.get((p.job, p.operation))
        if operation is not None and (p.machine, p.end - p.start) != (
            operation.machine,
            operation.duration,
        ):
            wrong.append(
                f"job {p.job} operation {p.operation} needs machine {operation.machine} for {operation.duration}, "
                f"not machine {p.machine} for {p.end - p.start}"
            )
        if p.start < 0:
            wrong.append(f"job {p.job} operation {p.operation} starts before 0")
    wrong += [
        f"job {b.job} operation {b.operation} starts before the one before it ends"
        for a, b in pairwise(placed)
        if a.job == b.job and b.start < a.end
    ]
    wrong += _overlaps(placed)
    if wrong:
        return Failure(InfeasibleSchedule(tuple(wrong)))
    return Success(max((p.end for p in placed), default=0))


def _overlaps(placed: list[Placement]) -> list[str]:
    busy = sorted((p for p in placed if p.end > p.start), key=lambda p: (p.machine, p.start))
    return [
        f"machine {b.machine} does job {a.job} and job {b.job} at the same time"
        for a, b in pairwise(busy)
        if a.machine == b.machine and b.start < a.end
    ]
