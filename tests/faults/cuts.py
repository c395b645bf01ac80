"""Power cuts under load: `python -m tests.faults.cuts N SEED`.

A node works on a disk that writes down what happens to it (disk.c). At random moments of that log the data folder is
rebuilt as a power cut would have left it, and a node is started there. With durability `disk` all that was acknowledged
before the cut was done, exactly once. With `process` a `kill -9` loses nothing and a cut may lose the latest; with
`memory` a kill may lose the latest and a cut the database. What is left is always a prefix of the node's steps.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from pathlib import Path

import msgspec
from caxton_core.errors import StorageFault
from caxton_plugins.storages.sqlite import SqliteStorage
from returns.result import Success

from tests.e2e.nodes import Node
from tests.faults import guests, images
from tests.faults.campaigns import Nodes, main, say
from tests.faults.disks import EIO, Disk
from tests.faults.images import Kind
from tests.faults.ledgers import LARGE, Load, audit, counts, telling, totals
from tests.server.cli.servers import run as caxton

CUTS_A_RUN = 10
SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How much of what no sync has covered reaches the disk."""


class Cut(msgspec.Struct):
    """One cut: the folder it left, and what had been acknowledged before."""

    folder: Path
    acknowledged: list[str]


class Tally(msgspec.Struct):
    """What came of some cuts."""

    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    refused: int = 0


def record(
    nodes: Nodes, durability: str, rng: random.Random, *, broken_syncs: bool = False
) -> tuple[Node, Disk, Load]:
    """Load a node on a disk that writes everything down, and kill it; with `broken_syncs` its syncs fail for a while."""
    folder = nodes.room()
    disk = Disk(folder, recording=True)
    node = nodes.at(folder, CAXTON_STORAGE__DURABILITY=durability, **disk.environ)
    node.api.agent("ledger", guests.ledger(), limits=LARGE)
    log = disk.log
    assert log is not None
    load = Load(telling("ledger"), on_acknowledged=lambda key: images.note(log, key))
    load.start(node.api)
    load.wait_for(20)
    if broken_syncs:
        for _ in range(3):
            disk.turn(sync_error=EIO)
            time.sleep(rng.uniform(0.05, 0.5))
            disk.turn()
            load.wait_for(20)
    time.sleep(rng.uniform(0.2, 1.0))
    node.kill()
    load.join()
    return node, disk, load


def cuts(disk: Disk, count: int, rng: random.Random, into: Path) -> list[Cut]:
    """Rebuild the folder as cuts at random moments after the first acknowledgement leave it."""
    assert disk.log is not None
    kinds = [record.kind for record in images.records(disk.log)]
    first = kinds.index(Kind.NOTE)
    moments = sorted(rng.sample(range(first + 1, len(kinds)), count))
    folder = images.Folder(disk.data.resolve(), None, rng)
    acknowledged: list[str] = []
    found = []
    for number, entry in enumerate(images.records(disk.log)):
        if moments and number == moments[0]:
            del moments[0]
            place = into / f"cut-{number}"
            folder.write(place / "data", share=rng.choice(SHARES), rng=rng)
            if rng.random() < 0.5 and (disk.data / "running").exists():
                # It is mapped, so nobody knows what is on the disk: perhaps what was there at the end.
                shutil.copy(disk.data / "running", place / "data" / "running")
            found.append(Cut(place, list(acknowledged)))
        if entry.kind is Kind.NOTE:
            acknowledged.append(entry.data.decode())
        else:
            folder.apply(entry)
    return found


def judge(nodes: Nodes, cut: Cut, whole: Path, load: Load, durability: str, tally: Tally) -> None:
    """Start a node on what a cut left, and compare."""
    tally.cuts += 1
    tally.acknowledged += len(cut.acknowledged)
    if not is_prefix(cut.folder, whole):
        # Only without any sync: then it says so, and does not serve.
        assert durability == "memory"
        refused(cut.folder, durability)
        tally.refused += 1
        return
    node = nodes.at(cut.folder, CAXTON_STORAGE__DURABILITY=durability)
    have = bool(node.api.all("agents"))
    handled = counts(node.api, "ledger", load.sent["ledger"]) if have else {}
    assert set(handled.values()) <= {0, 1}
    lost = [key for key in cut.acknowledged if not handled.get(key)]
    tally.lost += len(lost)
    if durability == "disk":
        assert lost == []
    for client in load.by_client:
        # A client sends one message after the other: those that are left are its first ones.
        left = [handled.get(key, 0) for key in client]
        assert left == sorted(left, reverse=True)
    if have:
        # What was handled once is not handled again when it is sent again, and the rest is.
        again = Load(telling("ledger"), clients=1)
        for key in load.sent["ledger"]:
            again.pending[0] = (again.works[0], key)
            again.settle(node.api)
        assert totals(node.api, "ledger") == (len(load.sent["ledger"]),) * 2
    node.kill()


def is_prefix(cut: Path, whole: Path) -> bool:
    """Tell whether the database opens and its journal is how another one began; on a copy, which is changed by that."""
    copy = cut / "copy"
    shutil.copytree(cut / "data", copy)
    left, all_ = SqliteStorage(copy / "caxton.db"), SqliteStorage(whole)
    try:
        if not isinstance(left.open(), Success):
            return False
        all_.open().unwrap()
        numbers = []
        for group in left.groups(0):
            assert group == all_.group(group.seq), f"group {group.seq} of a cut is another one"
            numbers.append(group.seq)
        return numbers == list(range(1, left.last_group() + 1))
    except StorageFault:
        return False
    finally:
        left.close()
        all_.close()
        shutil.rmtree(copy)


def refused(folder: Path, durability: str) -> None:
    """See that a node does not serve what a cut left, and says why in a sentence."""
    done = caxton(
        "serve",
        "--port",
        "0",
        "--data",
        str(folder / "data"),
        CAXTON_STORAGE__DURABILITY=durability,
    )
    assert done.returncode in (1, 2), done
    assert done.stderr.startswith("Error: "), done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def run(
    nodes: Nodes, durability: str, count: int, seed: int, *, broken_syncs: bool = False
) -> Tally:
    """Make so many cuts with one durability; a run of a node is cut at several moments."""
    rng = random.Random(f"{durability} {seed}")
    tally = Tally()
    began = time.monotonic()
    while tally.cuts < count:
        node, disk, load = record(nodes, durability, rng, broken_syncs=broken_syncs)
        whole = shutil.copytree(node.data, node.folder / "whole") / "caxton.db"
        for cut in cuts(disk, min(CUTS_A_RUN, count - tally.cuts), rng, node.folder):
            judge(nodes, cut, whole, load, durability, tally)
        killed(node, load, durability)
        shutil.rmtree(node.folder)
        if tally.cuts % 50 == 0:
            say(
                f"    {durability}: {tally.cuts} cuts, {tally.lost} lost, {time.monotonic() - began:.0f} s"
            )
    failing = ", syncs failed for a while" if broken_syncs else ""
    say(
        f"{durability}{failing}: {tally.cuts} cuts, {tally.acknowledged} acknowledged before them, {tally.lost} lost, "
        f"{tally.refused} databases refused; {time.monotonic() - began:.0f} s"
    )
    return tally


def killed(node: Node, load: Load, durability: str) -> None:
    """See what the kill alone has left: all of it, but with `memory` perhaps without the latest."""
    node.start()
    if durability == "memory":
        for client in load.by_client:
            left = list(counts(node.api, "ledger", client).values())
            assert set(left) <= {0, 1}
            assert left == sorted(left, reverse=True)
    else:
        load.settle(node.api)
        audit(node.api, load)
    node.kill()


def campaign(nodes: Nodes, count: int, seed: int) -> None:
    """Cut `disk` so often, and also with syncs that fail; the weaker ones a tenth as often."""
    assert run(nodes, "disk", count, seed).lost == 0
    assert run(nodes, "disk", max(count // 5, 2), seed, broken_syncs=True).lost == 0
    for weaker in ("process", "memory"):
        lost = run(nodes, weaker, max(count // 5, CUTS_A_RUN), seed).lost
        assert lost, f"cuts lose nothing of what {weaker} acknowledged: is the disk cut at all?"


if __name__ == "__main__":
    sys.exit(main(campaign, __doc__, count=100, meaning="cuts"))
