"""A storage that fails for a while, under load: `python -m tests.faults.outages N SEED`, N times each outage.

While it lasts new work is refused with 507, or with 503 and a time to come again; `/readyz` says 503 and `/livez` 200,
both at once. Nothing that was acknowledged is lost, nothing is done twice, and the node goes on by itself.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.e2e.nodes import Api, Node, until
from tests.faults import guests
from tests.faults.campaigns import Nodes, main, say
from tests.faults.disks import EIO, ENOSPC, EROFS, Disk
from tests.faults.ledgers import LARGE, Load, audit, nets, telling

RECOVERED_SECONDS = 60.0
"""How long a node may take to go on, so that a test ends; what it took is told."""


PATIENT = {"cpu_ms": 60_000, "time_ms": 60_000}
"""Limits of an agent that has much to do, on a machine that may have, too."""


class Outage(NamedTuple):
    """How to begin and to end it, on a node that is running."""

    begin: Callable[[], None]
    end: Callable[[], None]


class Probes:
    """Asks a node's probes all the time, and keeps what they say and how long the slowest took."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.live: set[int] = set()
        self.ready: list[int] = []
        self.slowest = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                self.live.add(self._api.call("GET", "/livez").status)
                self.ready.append(self._api.call("GET", "/readyz").status)
            except OSError:
                self.live.add(0)
            self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(0.02)

    def __enter__(self) -> Probes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def deploy(node: Node, *, sum: bool = False) -> None:
    """Deploy the guests that keep ledgers, or `sum`."""
    node.api.agent("ledger", guests.ledger(sum=sum), limits=LARGE)
    node.api.agent("clock", guests.alarm_clock(50, sum=sum), limits=LARGE)
    for name, cost in (("cheap", 2), ("dear", 9)):
        node.api.agent(name, guests.bidder(cost, sum=sum), limits=LARGE)


def endure(
    name: str, node: Node, outage: Outage, *, seconds: float, statuses: set[int], refuses: bool = True,
    flood: bool = False,
) -> None:  # fmt: skip
    """Have a node endure an outage under load; what it said and did is checked when it is over, and after a restart.

    With `flood` agents send each other more than the storage can take.
    """
    deploy(node)
    if flood:
        node.api.agent("sink", guests.ledger(), limits=LARGE)
        node.api.agent("fountain", guests.fountain("sink", 100, 30_000), limits=PATIENT)
    more = Load(*([telling("fountain")] if flood else []), clients=8 * flood, until_broken=False)
    load = Load(telling("ledger"), telling("clock"), nets("cheap", "dear"), until_broken=False)
    load.start(node.api)
    load.wait_for(30)
    with Probes(node.api) as probes:
        outage.begin()
        more.start(node.api)
        time.sleep(seconds)
        said, before = list(probes.ready), load.count
        threading.Thread(target=more.stop).start()
        outage.end()
        began = time.monotonic()
        if refuses:
            load.wait_for(1, seconds=RECOVERED_SECONDS)
            until(lambda: node.api.call("GET", "/readyz").status == 200)
        back = time.monotonic() - began
        load.wait_for(30, seconds=RECOVERED_SECONDS)
    load.stop()
    more.stop()
    assert (load.wrong, load.broken, more.wrong, more.broken) == ([], [], [], [])
    assert probes.live == {200}
    if refuses:
        assert 503 in said, said
        assert load.refused
    assert set(load.refused) <= statuses, load.refusals
    audit(node.api, load)
    node.again()
    audit(node.api, load)
    assert "Traceback" not in node.log, node.log
    say(
        f"{name}: {load.count} acknowledged ({before} before it ended), refused {load.refused}, slowest probe "
        f"{probes.slowest:.2f} s, slowest answer {load.slowest:.2f} s, went on after {back:.2f} s; lost 0, twice 0"
    )
    for refusal in sorted(load.refusals):
        say(f"    {refusal}")


# The disk


def limited(node: Node) -> Outage:
    """No file of the node may grow: its disk is full, as far as it can tell."""

    def limit(size: int) -> None:
        hard = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (size, hard))

    def begin() -> None:
        log = node.data / "caxton.db-wal"
        limit(log.stat().st_size + 100_000)

    return Outage(begin, lambda: limit(resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a file system of so many bytes on a folder; raises `PermissionError` for who may not."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "caxton-faults", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        raise PermissionError("mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def filled(folder: Path) -> Outage:
    """Another file takes all the room there is."""
    filler = folder / "filler"

    def begin() -> None:
        with filler.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(4096))
                except OSError:
                    return

    return Outage(begin, filler.unlink)


def turned(disk: Disk, **knobs: int) -> Outage:
    """The disk of a node fails or is slow as its knobs are turned."""
    return Outage(lambda: disk.turn(**knobs), disk.turn)


def full(nodes: Nodes, seconds: float) -> None:
    """The files of the node may not grow."""
    node = nodes.start()
    endure("files may not grow", node, limited(node), seconds=seconds, statuses={507, 503})


def small(nodes: Nodes, seconds: float) -> None:
    """A file system has no room left; only for who may mount one."""
    folder = nodes.room()
    (folder / "data").mkdir()
    with small_disk(folder / "data", 64 * 1024 * 1024):
        node = nodes.at(folder)
        outage = filled(folder / "data")
        endure("no room left", node, outage, seconds=seconds, statuses={507, 503})
        node.stop()


def failing(nodes: Nodes, seconds: float, **knobs: int) -> None:
    """Syncs or writes end with an error."""
    folder = nodes.room()
    disk = Disk(folder)
    node = nodes.at(folder, **disk.environ)
    told = ", ".join(f"{name} {os.strerror(number)}" for name, number in knobs.items())
    outage = turned(disk, **knobs)
    endure(told, node, outage, seconds=seconds, statuses={507, 503})


def slow(nodes: Nodes, seconds: float, sync_ms: int, *, flood: bool = False) -> None:
    """Each sync takes long: nothing is lost, the node answers meanwhile, and callers hear of it when it is too long."""
    folder = nodes.room()
    disk = Disk(folder)
    node = nodes.at(folder, **disk.environ)
    # Two seconds may be uncommitted.
    refuses = flood or sync_ms > 2000
    outage = turned(disk, sync_ms=sync_ms)
    name = f"syncs take {sync_ms} ms{', and agents send much' if flood else ''}"
    endure(name, node, outage, seconds=seconds, statuses={503}, refuses=refuses, flood=flood)


DISKS: dict[str, Callable[[Nodes, float], None]] = {
    "full": full,
    "small": small,
    "sync-error": lambda nodes, seconds: failing(nodes, seconds, sync_error=EIO),
    "write-error": lambda nodes, seconds: failing(nodes, seconds, write_error=EIO),
    "no-space": lambda nodes, seconds: failing(nodes, seconds, write_error=ENOSPC),
    "read-only": lambda nodes, seconds: failing(nodes, seconds, write_error=EROFS),
    "slow": lambda nodes, seconds: slow(nodes, seconds, 200),
    "flooded": lambda nodes, seconds: slow(nodes, seconds, 1000, flood=True),
    "slower": lambda nodes, seconds: slow(nodes, seconds, 3000),
}


def campaign(nodes: Nodes, count: int, seed: int) -> None:
    """Run every outage so often, each for some seconds."""
    rng = random.Random(seed)
    for _ in range(count):
        for name, run in DISKS.items():
            try:
                run(nodes, rng.uniform(3, 20))
            except PermissionError:
                say(f"{name}: not tried, because it takes root to mount a file system")


if __name__ == "__main__":
    sys.exit(main(campaign, __doc__, count=1, meaning="times each outage"))
