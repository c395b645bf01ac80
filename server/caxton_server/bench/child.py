"""The process that measures one workload: it reads a `Plan` as JSON from stdin and writes its results to stdout."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import msgspec
from returns.result import Failure

from caxton_server.app import relax_collector
from caxton_server.bench.beds import make_bed
from caxton_server.bench.plans import Plan
from caxton_server.bench.populations import populate
from caxton_server.bench.posts import posts
from caxton_server.bench.workloads import WORKLOADS, Result


async def measure(plan: Plan, folder: Path) -> list[Result]:
    """Start a node, run a workload on it and return what it measured."""
    made = await make_bed(
        folder, plan.durability, storage=plan.storage, listens=plan.rate is not None
    )
    if isinstance(made, Failure):
        raise SystemExit(str(made.failure()))
    bed = made.unwrap()
    try:
        if plan.population is not None:
            found = await populate(bed, plan.population)
        elif plan.rate is not None:
            found = await posts(bed, plan.seconds, plan.rate)
        else:
            found = await WORKLOADS[plan.workload](bed, plan.seconds)
        if wrong := bed.mishaps():
            raise SystemExit(f"not all went well: {wrong}")
    finally:
        await bed.close()
    given = {"workload": plan.workload, "durability": plan.durability}
    return [given | result for result in found]


def main() -> int:
    """Measure what the plan says and write the results to stdout as JSON."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    relax_collector()
    with tempfile.TemporaryDirectory(prefix="caxton-bench-", ignore_cleanup_errors=True) as folder:
        found = asyncio.run(measure(plan, Path(folder)))
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
