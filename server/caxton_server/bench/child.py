"""The process that measures one workload: `python -m caxton_server.bench.child W3 disk 5`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import msgspec
from returns.result import Failure

from caxton_server.app import relax_collector
from caxton_server.bench.beds import make_bed
from caxton_server.bench.workloads import WORKLOADS, Result


async def measure(workload: str, durability: str, seconds: float, folder: Path) -> list[Result]:
    """Start a node, run a workload on it and return what it measured."""
    made = await make_bed(folder, durability)
    if isinstance(made, Failure):
        raise SystemExit(str(made.failure()))
    bed = made.unwrap()
    try:
        found = await WORKLOADS[workload](bed, seconds)
        if wrong := bed.mishaps():
            raise SystemExit(f"not all went well: {wrong}")
    finally:
        await bed.close()
    return [{"workload": workload, "durability": durability, **result} for result in found]


def main(arguments: list[str]) -> int:
    """Measure what the arguments name and write the results to stdout as JSON."""
    workload, durability, seconds = arguments
    relax_collector()
    with tempfile.TemporaryDirectory(prefix="caxton-bench-", ignore_cleanup_errors=True) as folder:
        found = asyncio.run(measure(workload, durability, float(seconds), Path(folder)))
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
