"""How many agents a node holds: what each takes, and how fast one starts from a module the node knows.

Rules:
- What an agent takes is what the process grows by, divided by the agents: everything the node keeps for it counts.
- Every agent has handled a message before it is weighed: only then has it touched the memory it works with.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from pathlib import Path
from typing import Any

from caxton_server.bench.beds import Bed
from caxton_server.bench.machines import mappings, proportional_bytes
from caxton_server.bench.plans import Population
from caxton_server.bench.workloads import Result, percentile

WARM = 20
"""Agents that are deployed before the first is weighed: engines and pages all share."""


async def populate(bed: Bed, population: Population) -> list[Result]:
    """Deploy the agents one after the other, send each a message, and weigh them."""
    kind, count = population.kind, population.count
    guest: str | bytes = population.module
    if population.profile == "component" or "." in population.module:
        guest = await asyncio.to_thread(Path(population.module).read_bytes)
    manifest: dict[str, Any] = {
        "codec": "json", "profile": population.profile, "limits": {"memory": population.memory},
    }  # fmt: skip
    for number in range(WARM):
        await bed.deploy(f"warm-{number}", guest, {}, **manifest)
        await bed.send(f"warm-{number}", "request", "hello")
    await bed.quiet()
    gc.collect()
    before = proportional_bytes()
    took = []
    for number in range(count):
        began = time.perf_counter()
        await bed.deploy(f"{kind}-{number}", guest, {}, **manifest)
        took.append((time.perf_counter() - began) * 1e3)
    gc.collect()
    idle = proportional_bytes()
    for number in range(count):
        await bed.send(f"{kind}-{number}", "request", "hello")
    await bed.quiet()
    await bed.committed()
    gc.collect()
    return [
        {
            "metric": "kib_per_agent",
            "kind": kind,
            "value": (proportional_bytes() - before) / 1024 / count,
            "agents": count,
            "idle_kib": (idle - before) / 1024 / count,
            "start_ms_p50": statistics.median(took),
            "start_ms_p99": percentile(took, 0.99),
            "mappings": mappings(),
        }
    ]
