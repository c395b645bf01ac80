"""SIGTERM under load: `python -m tests.faults.stops N SEED`.

A node ends within its grace period: `/readyz` says 503 first, whoever asks meanwhile is answered, all that was acknowledged
is stored, and the exit code is 0. With a storage that fails it ends too, with 1 and a sentence, and has told nobody that
something is safe which is not.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

from tests.e2e.nodes import Node, until
from tests.e2e.wat import guest
from tests.faults.campaigns import Nodes, main, say, spread
from tests.faults.ledgers import Load, audit, nets, telling
from tests.faults.outages import Outage, Probes, deploy, limited

GRACE_SECONDS = 30.0
ENDLESS = "(loop $for_ever (br $for_ever)) (unreachable)"


def end(node: Node, load: Load) -> tuple[int, float]:
    """Ask a node to end under load; return its exit code and how long it took. `/readyz` says so before it is gone."""
    with Probes(node.api) as probes:
        until(lambda: probes.ready)
        began = time.monotonic()
        node.served.send(signal.SIGTERM)
        code = node.served.wait(GRACE_SECONDS)
        took = time.monotonic() - began
    load.join()
    assert probes.live <= {200, 0}
    assert probes.ready[-1] == 503, probes.ready[-10:]
    # What was asked was answered, also while the node ended.
    assert [broken for broken in load.broken if broken.waiting] == []
    assert load.wrong == [], load.wrong
    assert "Traceback" not in node.log, node.log
    return code, took


def run(nodes: Nodes, stops: int, seed: int) -> None:
    """Stop a node so many times while it works, each time with a step that does not end by itself."""
    rng = random.Random(seed)
    node = nodes.start()
    deploy(node)
    spin = guest(ENDLESS)
    node.api.agent("spins", spin, limits={"cpu_ms": 3_600_000, "time_ms": 3_600_000})
    load = Load(telling("ledger"), telling("clock"), nets("cheap", "dear"))
    took = []
    for number in range(stops):
        load.start(node.api)
        load.wait_for(20)
        if number == 0:
            assert node.api.send("spins").status == 202
        time.sleep(rng.uniform(0, 0.5))
        code, seconds = end(node, load)
        assert code == 0, node.log
        took.append(seconds)
        node.start()
    assert node.api.call("DELETE", "/api/v1/agents/spins").status == 204
    load.settle(node.api)
    letters = node.api.all("dead-letters")
    assert [letter["receiver"] for letter in letters] == ["spins@caxton"]
    assert node.api.call("DELETE", f"/api/v1/dead-letters/{letters[0]['id']}").status == 204
    audit(node.api, load)
    say(
        f"{stops} stops, {load.count} acknowledged, lost 0, twice 0, no request unanswered; {spread(took)}"
    )


def stuck(name: str, node: Node, outage: Outage) -> None:
    """Stop a node whose storage fails."""
    deploy(node)
    load = Load(telling("ledger"), telling("clock"), nets("cheap", "dear"))
    load.start(node.api)
    load.wait_for(20)
    outage.begin()
    # Without clients nothing would be uncommitted, and the node right to be ready.
    until(lambda: load.wrong or load.broken or node.api.call("GET", "/readyz").status == 503)
    assert (load.wrong, load.broken) == ([], [])
    code, took = end(node, load)
    assert code == 1, node.log
    assert "Error: The node stopped, but what it did last is not stored" in node.log, node.log
    outage.end()
    node.start()
    load.settle(node.api)
    audit(node.api, load)
    say(
        f"stopped while {name}: exit code 1 after {took:.1f} s, {load.count} acknowledged, lost 0, twice 0"
    )


def full(nodes: Nodes) -> None:
    """Stop a node whose files may not grow."""
    node = nodes.start()
    outage = limited(node)
    # The limit goes with the process.
    stuck("its files may not grow", node, Outage(outage.begin, lambda: None))


def campaign(nodes: Nodes, count: int, seed: int) -> None:
    """Run all of it."""
    run(nodes, count, seed)
    full(nodes)


if __name__ == "__main__":
    try:
        sys.exit(main(campaign, __doc__, count=20, meaning="stops"))
    except subprocess.TimeoutExpired:  # of `wait`
        say(f"broken: the node did not end within {GRACE_SECONDS} s")
        sys.exit(1)
