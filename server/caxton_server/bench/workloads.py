"""The workloads: agents on a whole node, and what they get done.

Rules:
- A rate counts work that is durable as the configuration wants it: both ends of the span are commits, so a journal
  that lags cannot flatter it.
- Bodies have 300 bytes, codec msgpack; the agents are `examples/agents/bench`.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from caxton_server.bench import floors
from caxton_server.bench.beds import Bed
from caxton_server.bench.floors import BIDDERS, BODY, RING
from caxton_server.bench.machines import resident_bytes

IDLE_AGENTS = 1_000
_WARM_UP = 0.2
_ENDLESS_MS = 3_600_000
Result: TypeAlias = dict[str, Any]
Workload: TypeAlias = Callable[[Bed, float], Awaitable[list[Result]]]


class Span(msgspec.Struct, frozen=True):
    """What was counted, and the seconds it took until it was durable."""

    count: int
    seconds: float
    cpu_seconds: float

    def result(self, metric: str, floor: float, *, per: int = 1) -> Result:
        """Return the rate as a result, with the time on the processor that one of them took the loop."""
        done = max(self.count, 1) / per
        return {
            "metric": metric,
            "value": self.count / per / self.seconds,
            "floor": floor,
            "loop_cpu_us": self.cpu_seconds / done * 1e6,
        }


async def _span(bed: Bed, seconds: float, count: Callable[[], int]) -> Span:
    """Count for a while, from one commit to another."""
    await asyncio.sleep(seconds * _WARM_UP)
    first = count()
    await bed.committed()
    began, cpu = time.perf_counter(), time.thread_time()
    await asyncio.sleep(seconds)
    last = count()
    await bed.committed()
    return Span(last - first, time.perf_counter() - began, time.thread_time() - cpu)


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the value below which a share of the samples lies.

    >>> percentile([5.0, 1.0, 3.0, 2.0, 4.0], 0.5), percentile([1.0, 2.0], 0.99)
    (3.0, 2.0)
    """
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def _together(work: Iterable[Awaitable[object]]) -> None:
    """Do much at once, so that it shares commits."""
    await asyncio.gather(*work)


async def _ping_pong(bed: Bed) -> None:
    """Deploy two agents that pass one message back and forth."""
    await bed.deploy("ping", "forwarder", {"next": "pong"})
    await bed.deploy("pong", "forwarder", {"next": "ping"})
    await bed.send("ping", "inform", BODY)


async def round_trips(bed: Bed, seconds: float) -> list[Result]:
    """W1: two agents, one message under way."""
    floor = await floors.round_trips(seconds / 5)
    await _ping_pong(bed)
    span = await _span(bed, seconds, bed.handled)
    bed.watch()
    await asyncio.sleep(seconds * _WARM_UP)
    hops = bed.hops()
    latency = {"p50_us": percentile(hops, 0.5), "p99_us": percentile(hops, 0.99)}
    return [span.result("round_trips_per_s", floor, per=2) | latency]


async def stream(bed: Bed, seconds: float) -> list[Result]:
    """W2: one sender, one receiver, a hundred messages under way; only those of the sender count."""
    floor = await floors.stream(seconds / 5)
    receiver = await bed.deploy("receiver", "receiver", {})
    await bed.deploy("sender", "sender", {"to": "receiver"})
    await bed.send("sender", "request", BODY)
    span = await _span(bed, seconds, lambda: bed.handled_by(receiver))
    return [span.result("messages_per_s", floor)]


async def ring(bed: Bed, seconds: float) -> list[Result]:
    """W3: a thousand agents in a ring, a thousand messages under way."""
    floor = await floors.ring(seconds / 5)
    names = [f"ring-{number}" for number in range(RING)]
    await bed.deploy(names[0], "forwarder", {"next": names[1]})
    following = zip(names[1:], [*names[2:], names[0]], strict=True)
    await _together(bed.deploy(name, "forwarder", {"next": after}) for name, after in following)
    await _together(bed.send(name, "inform", BODY) for name in names)
    span = await _span(bed, seconds, bed.handled)
    return [span.result("messages_per_s", floor)]


async def contract_nets(bed: Bed, seconds: float) -> list[Result]:
    """W4: contract nets with ten bidders, one after the other; 31 messages each."""
    floor = await floors.contract_nets(seconds / 5)
    for bidder in range(BIDDERS):
        await bed.deploy(f"bidder-{bidder}", "bidder", {"cost": 100 + (bidder * 7) % 10})
    await bed.deploy("initiator", "initiator", {"bidders": BIDDERS})
    await bed.send("initiator", "request", "begin")
    span = await _span(bed, seconds, bed.closed)
    return [span.result("conversations_per_s", floor)]


async def idle_agents(bed: Bed, seconds: float) -> list[Result]:
    """W5: the memory an agent takes that waits, and the time to create one."""
    del seconds
    for number in range(50):
        await bed.deploy(f"warm-{number}", "idle", {})
    gc.collect()
    before = resident_bytes()
    took = []
    for number in range(IDLE_AGENTS):
        began = time.perf_counter()
        await bed.deploy(f"idle-{number}", "idle", {})
        took.append((time.perf_counter() - began) * 1e6)
    gc.collect()
    after = resident_bytes()
    await _together(bed.send(f"idle-{number}", "inform", BODY) for number in range(IDLE_AGENTS))
    await bed.quiet()
    gc.collect()
    used = (resident_bytes() - before) / 1024 / IDLE_AGENTS
    return [
        {
            "metric": "kib_per_agent",
            "value": (after - before) / 1024 / IDLE_AGENTS,
            # Last, and of many: what it gives back would hide what agents take, and what a start leaves free hides a little.
            "floor": await floors.memory_per_agent(10 * IDLE_AGENTS),
            "create_us": statistics.median(took),
            "after_a_message_kib": used,
        }
    ]


async def deploys(bed: Bed, seconds: float) -> list[Result]:
    """Time from a deploy to the agent running: of a module the node knows, and of a new one."""
    results = []
    await bed.deploy("first", "forwarder", {"next": "first"})
    for metric, renewed in (("deploy_known_ms", False), ("deploy_new_ms", True)):
        took: list[float] = []
        until = time.perf_counter() + seconds / 2
        while len(took) < 20 or (len(took) < 1_000 and time.perf_counter() < until):
            name = f"{'new' if renewed else 'known'}-{len(took)}"
            began = time.perf_counter()
            await bed.deploy(name, "forwarder", {"next": name}, mark=name if renewed else "")
            took.append((time.perf_counter() - began) * 1e3)
        results.append(
            {
                "metric": metric,
                "value": statistics.median(took),
                "p50": statistics.median(took),
                "p99": percentile(took, 0.99),
            }
        )
    return results


async def neighbours(bed: Bed, seconds: float) -> list[Result]:
    """What one agent in an endless loop does to the hops of two others."""
    await _ping_pong(bed)
    await asyncio.sleep(seconds * _WARM_UP)
    bed.watch()
    await asyncio.sleep(seconds / 2)
    alone = bed.hops()
    endless = {"cpu_ms": _ENDLESS_MS, "time_ms": _ENDLESS_MS}
    await bed.deploy("spinner", "spinner", {}, limits=endless)
    await bed.send("spinner", "inform", "turn")
    await asyncio.sleep(seconds * _WARM_UP)
    bed.watch()
    await asyncio.sleep(seconds / 2)
    beside = bed.hops()
    return [
        {
            "metric": "p99_us",
            "value": percentile(alone, 0.99),
            "beside_us": percentile(beside, 0.99),
            "p50_us": percentile(alone, 0.5),
            "beside_p50_us": percentile(beside, 0.5),
        }
    ]


WORKLOADS: dict[str, Workload] = {
    "W1": round_trips,
    "W2": stream,
    "W3": ring,
    "W4": contract_nets,
    "W5": idle_agents,
    "deploy": deploys,
    "neighbour": neighbours,
}
