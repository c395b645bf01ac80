"""A long run at half load: `python -m tests.faults.soak SECONDS SEED`.

Messages, timers, contract nets, deployments and restarts of agents, as fast as half of what the node can do. Told are the
slope of its memory, its open files and what it takes on the disk; the rest is that nothing goes wrong, and that all that
was acknowledged was done once.
"""

from __future__ import annotations

import random
import statistics
import sys
import threading
import time
from collections.abc import Sequence

import psutil

from tests.e2e.nodes import Node
from tests.faults import guests
from tests.faults.campaigns import Nodes, main, say
from tests.faults.ledgers import Load, audit, nets, telling
from tests.faults.outages import deploy

PROBE_SECONDS = 5.0
SETTLING_SECONDS = 120.0
"""What is not counted in the slope: caches fill, tables find their size."""
MIB = 1024 * 1024


class Sampler:
    """Looks at a process from time to time: seconds, resident memory, open files, bytes in its folder."""

    def __init__(self, node: Node, every: float) -> None:
        self._node, self._every = node, every
        self._process = psutil.Process(node.pid)
        self._began = time.monotonic()
        self.samples: list[tuple[float, int, int, int]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            size = sum(file.stat().st_size for file in self._node.data.glob("caxton.db*"))
            memory, files = self._process.memory_info().rss, self._process.num_fds()
            self.samples.append((time.monotonic() - self._began, memory, files, size))

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Return by how much the second grows with the first, by least squares.

    >>> slope([(0, 1), (1, 3), (2, 5)])
    2.0
    """
    if len(samples) < 2:
        return 0.0
    return statistics.linear_regression([x for x, _ in samples], [y for _, y in samples]).slope


def pace(load: Load) -> float:
    """Measure for how long each client must rest so that the node has half of what it can do."""
    began, before = time.monotonic(), load.count
    load.wait_for(100)
    time.sleep(PROBE_SECONDS)
    return (time.monotonic() - began) * load.clients / (load.count - before)


def disturb(node: Node, rng: random.Random, ended: threading.Event, tally: dict[str, int]) -> None:
    """Deploy and remove agents, and restart others, until told to end."""
    number = 0
    while not ended.wait(1.0):
        name = f"passing-{number}"
        node.api.agent(name, guests.ledger())
        assert node.api.post(f"agents/{rng.choice(('cheap', 'dear'))}/restart").status == 200
        assert node.api.call("DELETE", f"/api/v1/agents/{name}").status == 204
        number += 1
        tally["agents deployed and removed"] = tally["agents restarted"] = number


def run(nodes: Nodes, seconds: float, seed: int) -> None:
    """Run for so long."""
    node = nodes.start()
    deploy(node, sum=True)
    rng = random.Random(seed)
    load = Load(telling("ledger"), telling("clock"), nets("cheap", "dear"), until_broken=False)
    load.start(node.api)
    load.pause = pace(load)
    sampler = Sampler(node, max(seconds / 200, 0.2))
    ended = threading.Event()
    tally: dict[str, int] = {}
    disturber = threading.Thread(target=disturb, args=(node, rng, ended, tally), daemon=True)
    disturber.start()
    time.sleep(seconds)
    alive = disturber.is_alive()
    ended.set()
    load.stop()
    disturber.join()
    sampler.stop()
    assert alive, "an operation failed"
    assert (load.wrong, load.broken) == ([], [])
    report(sampler, load, tally, seconds)
    audit(node.api, load, sum=True)
    assert node.stop() == 0
    assert "Traceback" not in node.log, node.log


def report(sampler: Sampler, load: Load, tally: dict[str, int], seconds: float) -> None:
    """Print the figures."""
    settling = min(SETTLING_SECONDS, seconds / 5)
    late = [sample for sample in sampler.samples if sample[0] >= settling]
    memories = [(at, memory * 60 / MIB) for at, memory, _, _ in late]
    growth, later = slope(memories), slope(memories[len(memories) // 2 :])
    files = [found for _, _, found, _ in late]
    disk = slope([(at, size) for at, _, _, size in late]) * 60 / MIB
    done = {**{name: len(keys) for name, keys in load.acknowledged.items()}, **tally}
    say(f"{seconds:.0f} s: {', '.join(f'{number} {name}' for name, number in done.items())}")
    say(f"refused {load.refused}, slowest answer {load.slowest:.2f} s")
    say(
        f"memory after {settling:.0f} s: {late[0][1] / MIB:.0f} to {late[-1][1] / MIB:.0f} MiB, {growth:+.2f} MiB/min, "
        f"in the second half {later:+.2f}"
    )
    say(
        f"open files: {min(files)} to {max(files)}; database: {late[-1][3] / MIB:.0f} MiB, {disk:+.1f} MiB/min"
    )
    # A leak of files shows at once; a reader more or less does not matter.
    assert max(files[len(files) // 2 :]) <= max(files[: len(files) // 2 + 1]) + 8, files


def campaign(nodes: Nodes, seconds: int, seed: int) -> None:
    """Run for so many seconds."""
    run(nodes, seconds, seed)


if __name__ == "__main__":
    sys.exit(main(campaign, __doc__, count=600, meaning="seconds"))
