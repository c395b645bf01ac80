"""Kill -9 at random moments under load: `python -m tests.faults.kills N SEED`.

Clients send messages, set timers and open contract nets, and do each again until it is acknowledged; guests keep ledgers
of what they did. Every fifth kill meets a node that is just starting. At the end all that was acknowledged was done
exactly once. Then the time of a start with 100,000 stored messages is told.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import psutil

from tests.e2e.nodes import Node, until
from tests.faults import databases, guests
from tests.faults.campaigns import Nodes, main, say, spread
from tests.faults.ledgers import LARGE, Load, asked, audit, nets, telling
from tests.faults.outages import deploy

STORED = 100_000
AT_ONCE = 100


def run(start: Callable[..., Node], kills: int, seed: int) -> None:
    """Kill a node so many times, and compare the ledgers."""
    rng = random.Random(seed)
    node = start()
    deploy(node)
    load = Load(telling("ledger"), telling("clock"), nets("cheap", "dear"))
    recoveries = []
    began = time.monotonic()
    for kill in range(kills):
        if kill % 5 == 4:
            # While it starts, perhaps before it serves.
            node.kill()
            node.served = node.serve()
            time.sleep(rng.uniform(0, 1.5))
            node.kill()
        else:
            load.start(node.api)
            load.wait_for(1)
            time.sleep(rng.uniform(0, 0.4))
            node.kill()
            load.join()
        recoveries.append(started(node))
        if kill % 50 == 49:
            say(
                f"    {kill + 1} kills, {load.count} acknowledged, {time.monotonic() - began:.0f} s"
            )
    load.settle(node.api)
    audit(node.api, load)
    done = ", ".join(f"{len(keys)} {name}" for name, keys in load.acknowledged.items())
    say(f"{kills} kills, acknowledged: {done}; lost 0, twice 0; {time.monotonic() - began:.0f} s")
    say(f"start after a kill: {told(recoveries)}")


class Started(NamedTuple):
    """How long a node took until it served, by the wall and on the processor, which other work does not change."""

    wall: float
    processor: float


def started(node: Node) -> Started:
    """Start a node and tell how long it took."""
    began = time.monotonic()
    node.start()
    wall = time.monotonic() - began
    used = psutil.Process(node.pid).cpu_times()
    # Nothing that was committed is gone, and the watermark says nothing else.
    assert "the storage ends at group" not in node.log, node.log
    return Started(wall, used.user + used.system)


def told(starts: Sequence[Started]) -> str:
    """Tell some starts."""
    walls, processors = zip(*starts, strict=True)
    return f"{spread(walls)}; on the processor {spread(processors)}"


def fill(node: Node, messages: int) -> None:
    """Have so many messages sent and handled in a node."""
    node.api.agent("sink", guests.ledger(), limits=LARGE)
    node.api.agent("fountain", guests.fountain("sink", AT_ONCE), limits=LARGE)
    sent = 0
    while sent < messages:
        for _ in range(50):
            assert node.api.send("fountain").status == 202
            sent += AT_ONCE
        until(lambda: node.api.get("agents/sink")["queue"] == 0)
    assert asked(node.api, "sink", "." * 36) >= messages


def recover(start: Callable[..., Node], messages: int, **environ: str) -> None:
    """Tell how long a node with so many stored messages takes to start after a kill."""
    node = start(**environ)
    fill(node, messages)
    node.kill()
    took = [started(node)]
    node.kill()
    took.append(started(node))
    assert asked(node.api, "sink", "." * 36) >= messages
    node.kill()
    settings = "".join(f", {name}={value}" for name, value in environ.items())
    say(f"start with {messages} stored messages{settings}: {told(took)}")


def campaign(nodes: Nodes, kills: int, seed: int) -> None:
    """Run all of it on SQLite and on PostgreSQL, and tell how long an empty node takes to start."""
    empty = nodes.start()
    empty.kill()
    say(f"start of an empty node: {told([started(empty)])}")
    with databases.server() as postgres:

        def start(**environ: str) -> Node:
            return databases.start(nodes, postgres.create_database(), **environ)

        for name, starts in (("SQLite", nodes.start), ("PostgreSQL", start)):
            say(f"{name}:")
            run(starts, kills, seed)
            recover(starts, STORED)
            recover(starts, STORED, CAXTON_STORAGE__CHECKPOINT="1MiB")


if __name__ == "__main__":
    sys.exit(main(campaign, __doc__, count=200, meaning="kills"))
