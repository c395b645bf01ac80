"""Acknowledged messages over HTTP: what a client waits for at a given rate.

Rules:
- The clients are a process of their own: `python -m caxton_server.bench.posts URL RATE SECONDS` prints one JSON object.
- A request is due at a fixed time, and its latency counts from then: a node that falls behind is not spared those who
  would have come meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp
import msgspec

from caxton_server.bench.beds import Bed
from caxton_server.bench.floors import BODY
from caxton_server.bench.workloads import Result, percentile

CONNECTIONS = 64
WARM_SECONDS = 1.0
PATIENCE = 60.0


class Latencies(msgspec.Struct, frozen=True):
    """Seconds from when a request was due to its answer, and how many were answered with anything but 202."""

    seconds: list[float]
    refused: int
    took: float


async def post(url: str, rate: float, seconds: float) -> Latencies:
    """Post messages to the agent `receiver` at a rate, over connections that are kept."""
    latencies: list[float] = []
    refused = 0
    body = msgspec.json.encode({"performative": "inform", "receiver": "receiver", "content": BODY})
    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        began = time.perf_counter() + 0.1

        async def one(due: float, *, counts: bool) -> None:
            nonlocal refused
            async with session.post(f"{url}/api/v1/messages", data=body, headers=headers) as answer:
                await answer.read()
            if counts:
                latencies.append(time.perf_counter() - due)
                refused += answer.status != 202

        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * (WARM_SECONDS + seconds))):
                due = began + number / rate
                wait = due - time.perf_counter()
                if wait > 0:
                    await asyncio.sleep(wait)
                group.create_task(one(due, counts=number >= rate * WARM_SECONDS))
    return Latencies(latencies, refused, time.perf_counter() - began - WARM_SECONDS)


async def posts(bed: Bed, seconds: float, rate: float) -> list[Result]:
    """Have clients in a process of their own post at a rate, and return what they waited for."""
    await bed.deploy("receiver", "idle", {})
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "caxton_server.bench.posts", bed.url, str(rate), str(seconds),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    written, _ = await child.communicate()
    if child.returncode:
        raise SystemExit(f"the clients ended with {child.returncode}")
    found = msgspec.json.decode(written, type=Latencies)
    if found.refused:
        raise SystemExit(f"{found.refused} of {len(found.seconds)} messages were refused")
    return [
        {
            "metric": "p99_ms",
            "value": percentile(found.seconds, 0.99) * 1e3,
            "p50_ms": percentile(found.seconds, 0.5) * 1e3,
            "max_ms": max(found.seconds) * 1e3,
            "requests_per_s": len(found.seconds) / found.took,
        }
    ]


def main() -> int:
    """Post as the command line says, and write the latencies to stdout as JSON."""
    url, rate, seconds = sys.argv[1:]
    found = asyncio.run(post(url, float(rate), float(seconds)))
    sys.stdout.write(json.dumps(msgspec.to_builtins(found)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
