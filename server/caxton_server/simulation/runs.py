"""Runs: many seeds, one after the other or in several processes, and what came of them."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from itertools import repeat
from random import Random
from typing import Any

import msgspec
from caxton_core import registry as registries
from caxton_core.hookspecs import StorageOptions
from caxton_core.ports import Storage
from returns.result import Failure

from caxton_server.simulation.breaks import Break, break_disk
from caxton_server.simulation.disks import RealDisk, SimulatedDisk, WorldDisk
from caxton_server.simulation.guests import ScriptPlugin
from caxton_server.simulation.invariants import Broken
from caxton_server.simulation.loop import SimulatedLoop, Stuck
from caxton_server.simulation.plans import Plan, draw
from caxton_server.simulation.worlds import World

STEPS = 20
PLACE = "{seed}"
"""What is replaced by the seed in the URL of a storage."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of one seed: its digest, its counts, and the invariant that was broken, if one was."""

    seed: int
    digest: str
    counts: dict[str, int]
    seconds: float
    invariant: str = ""
    detail: str = ""
    trace: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def registry() -> registries.Registry:
    """Return the registry of every world: all plugins but the sandboxes."""
    blocked = ("wasm", "components", "inprocess")
    return registries.load(block=blocked, more={"scripts": ScriptPlugin()}).unwrap()


def make_memory() -> Storage:
    """Make a storage in memory."""
    kind = registry().storage("memory")
    assert kind is not None
    made = kind.make(StorageOptions("memory:", "memory")).unwrap()
    made.open()
    return made


class NoStorage(Exception):
    """The storage that was asked for can't be used."""


class Order(msgspec.Struct, frozen=True):
    """How seeds are to be played: steps, what is broken on purpose, and the storage, "" for a simulated one."""

    steps: int = STEPS
    broken: Break | None = None
    url: str = ""


def play(seed: int, order: Order | None = None) -> Outcome:
    """Play one seed."""
    order = order or Order()
    plan, disk = prepare(seed, order)
    loop = SimulatedLoop(Random(f"{seed} threads"))
    asyncio.set_event_loop(loop)
    world = World(seed, steps=order.steps, registry=registry(), loop=loop, disk=disk, plan=plan)
    wrong = _play(world)
    seconds = loop.time()
    trace = (
        tuple(f"{time:13.6f} {text % given}" for time, text, given in world.trace) if wrong else ()
    )
    world.ledger.digest.update(f"{seconds:.6f} {sorted(world.tally.items())}".encode())
    digest = world.ledger.digest.hexdigest()[:16]
    loop.run_until_complete(_end(loop))
    asyncio.set_event_loop(None)
    loop.close()
    disk.end()
    return Outcome(seed, digest, dict(world.tally), seconds, trace=trace, **wrong)


def _play(world: World) -> dict[str, Any]:
    """Play a world to its end; return what is wrong with it, if anything is."""
    try:
        world.loop.run_until_complete(world.play())
    except Broken as error:
        cause = error.__cause__
        more = "" if cause is None else "".join(traceback.format_exception(cause))
        return {"invariant": error.invariant, "detail": f"{error.detail}\n{more}".strip()}
    except Stuck:
        return {"invariant": "ends", "detail": "everybody waits, and nobody will ever do anything"}
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed that led to it is what is wanted
        return {"invariant": "errors", "detail": "".join(traceback.format_exception(error))}
    if world.loop.complaints:
        return {"invariant": "errors", "detail": world.loop.complaints[0]}
    return {}


async def _end(loop: SimulatedLoop) -> None:
    """End everything that still goes on in a world, so that it can be forgotten."""
    this = asyncio.current_task()
    for _ in range(10):
        left = [task for task in asyncio.all_tasks(loop) if task is not this]
        for task in left:
            task.cancel()
        if not left:
            break
        await asyncio.wait(left, timeout=1)
    await loop.shutdown_asyncgens()


def prepare(seed: int, order: Order) -> tuple[Plan, WorldDisk]:
    """Draw the plan of a seed, and make its disk."""
    plan = draw(Random(f"{seed} plan"))
    if order.url:
        # Which of them is a crash of the machine is not for us to say: that storage is real.
        made = real_disk(order.url.replace(PLACE, f"{seed}"))
        return msgspec.structs.replace(plan, durability=made.durability), made
    disk: WorldDisk = SimulatedDisk(make_memory, durability=plan.durability)
    if order.broken is not None:
        disk = break_disk(disk, order.broken, Random(f"{seed} break"))
    return plan, disk


def real_disk(url: str) -> RealDisk:
    """Open the storage of a plugin, which must be empty."""
    scheme = url.partition(":")[0]
    kind = registry().storage(scheme)
    if kind is None:
        raise NoStorage(f"no plugin stores {scheme}: URLs")
    disk = RealDisk(lambda: kind.make(StorageOptions(url, "disk")).unwrap())
    opened = disk.open()
    if isinstance(opened, Failure):
        raise NoStorage(f"{url}: {opened.failure()}")
    if disk.last_group():
        disk.end()
        raise NoStorage(f"{url} is not empty: each seed needs a fresh database")
    return disk


def quiet() -> None:
    """Log nothing: what goes wrong in a world is meant to."""
    logging.disable(logging.CRITICAL)


def play_all(
    seeds: Sequence[int], order: Order, *, jobs: int, report: Callable[[Outcome], bool]
) -> None:
    """Play seeds, in several processes if so wished, and report each as it ends, until a report is answered with True."""
    if jobs == 1:
        before = logging.root.manager.disable
        quiet()
        try:
            for seed in seeds:
                if report(play(seed, order)):
                    return
        finally:
            logging.disable(before)
        return
    with ProcessPoolExecutor(jobs, initializer=quiet) as pool:
        for outcome in pool.map(play, seeds, repeat(order), chunksize=4):
            if report(outcome):
                pool.shutdown(wait=False, cancel_futures=True)
                return
