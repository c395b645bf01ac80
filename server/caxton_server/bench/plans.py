"""What is measured, each part in a process of its own: a clean heap, and no workload that disturbs another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

_START_SECONDS = 90.0
_AGENT_SECONDS = 0.1
_BASIC = ("workload", "durability", "metric", "value", "floor")


class Population(msgspec.Struct, frozen=True):
    """Many agents of one module: a file, or the name of a guest of the benchmark; `memory` is the limit of each."""

    kind: str
    module: str
    profile: str
    count: int
    memory: str = "64MiB"


class Plan(msgspec.Struct, frozen=True):
    """One workload at one durability, a population to weigh, or requests at a rate; on SQLite if no storage is named."""

    workload: str
    durability: str
    seconds: float = 5.0
    population: Population | None = None
    rate: float | None = None
    storage: str = ""

    @property
    def title(self) -> str:
        """Say in a few words what is measured."""
        if self.population is None:
            what = "" if self.rate is None else f" ({self.rate:g} a second)"
            return f"{self.workload}{what} at {self.durability}"
        return f"{self.population.count} agents ({self.population.kind})"


class Found(msgspec.Struct, frozen=True):
    """What a process measured, or why it did not."""

    results: list[dict[str, Any]]
    error: str = ""


def choose(
    workloads: Iterable[str], durabilities: Iterable[str], *, seconds: float, storage: str = ""
) -> Iterator[Plan]:
    """Yield the parts to measure, in the order of the workloads."""
    durabilities = tuple(durabilities)
    for workload in workloads:
        for durability in durabilities:
            yield Plan(workload, durability, seconds, storage=storage)


def measure(plan: Plan) -> Found:
    """Measure one part in a child process."""
    command = [sys.executable, "-m", "caxton_server.bench.child"]
    agents = 0 if plan.population is None else plan.population.count
    limit = _START_SECONDS + 6 * plan.seconds + agents * _AGENT_SECONDS
    try:
        done = subprocess.run(
            command,
            input=msgspec.json.encode(plan),
            capture_output=True,
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return Found([], f"no result within {limit:g} s")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return Found([], lines[-1] if lines else f"the process ended with {done.returncode}")
    return Found(msgspec.json.decode(done.stdout, type=list[dict[str, Any]]))


def shown(value: float | None) -> str:
    """Write a figure so that it can be read at a glance.

    >>> shown(123456.7), shown(12.34), shown(0.1234), shown(None)
    ('123,457', '12.3', '0.123', '-')
    """
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def besides(result: Mapping[str, Any]) -> str:
    """Write what a result says beyond its value.

    >>> besides({"workload": "W1", "value": 1.0, "p50_us": 20.0, "p99_us": 41.27})
    'p50_us 20, p99_us 41.3'
    """
    return ", ".join(
        f"{name} {shown(value)}" for name, value in result.items() if name not in _BASIC
    )
