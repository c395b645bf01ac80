"""Worlds: one seed, one world: its time, its disk, its agents, everybody outside, and one node after the other.

Rules:
- Everything that happens is drawn from the seed: the same seed gives the same world, in any process.
- A world lives for a while, then calms down: faults end, every agent is started, time passes, and the books are closed.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Collection, Coroutine, Mapping
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from caxton_core.ports import TABLES

from caxton_server.simulation import books
from caxton_server.simulation.agents import ACTS, RandomAgent
from caxton_server.simulation.clients import Client, Watcher
from caxton_server.simulation.clocks import SimulatedClock
from caxton_server.simulation.guests import Behaviour, Scripts
from caxton_server.simulation.invariants import broken
from caxton_server.simulation.ledgers import Ledger, Witness
from caxton_server.simulation.lives import Life, Lost, new_mark
from caxton_server.simulation.loop import SimulatedLoop
from caxton_server.simulation.models import Model, rebuilt
from caxton_server.simulation.operators import Operator
from caxton_server.simulation.plans import Plan

if TYPE_CHECKING:
    from caxton_core.conversations import Protocol
    from caxton_core.registry import Registry

    from caxton_server.runtime.node import Node
    from caxton_server.simulation.disks import WorldDisk

T = TypeVar("T")

NAMES = ("ann", "ben", "cyd", "dot")
EVENTS_KEPT = 40
MOST_FRUITLESS = 300
CALM_SECONDS = 200
"""Longer than any conversation, timer or pause."""


class World:
    """One seed."""

    def __init__(
        self, seed: int, *, steps: int, registry: Registry, loop: SimulatedLoop, disk: WorldDisk, plan: Plan
    ) -> None:  # fmt: skip
        self.seed, self.steps, self.registry, self.loop = seed, steps, registry, loop
        self.plan, self.disk, self.config = plan, disk, plan.config()
        self.chance = Random(f"{seed} agents")
        self.fortune = Random(f"{seed} fortune")
        """Decides over crashes and jumps of the clock."""
        self.clock = SimulatedClock(loop, reading_seconds=plan.reading_seconds)
        self.ledger = Ledger(loop.time)
        self.witness = Witness(disk, self.ledger)
        self.tally: Counter[str] = Counter()
        self.trace: deque[tuple[float, str, tuple[object, ...]]] = deque(maxlen=EVENTS_KEPT)
        self.mark = new_mark()
        self.healed = False
        self.unrest = plan.unrest
        self.deadly: set[int] = set()
        self.life: Life | None = None
        self.lives = 0
        self.up = asyncio.Event()
        self.names = NAMES
        self.protocols: Mapping[str, Protocol] = {
            name: protocol for protocol in registry.protocols() for name in protocol.names
        }
        self.agents = {
            name: RandomAgent(self, name, deliveries=1 + number % 3, mood=(1, 1, 3, 0.3)[number])
            for number, name in enumerate(NAMES)
        }
        self.sandbox = Scripts(self._behave)
        self.clients = [Client(self, number) for number in range(3)]
        self.watcher = Watcher(self)
        self.operator = Operator(self)
        self._number = 0

    def _behave(self, name: str, _version: str) -> Behaviour:
        return self.agents[name]

    # What agents ask of their world

    @property
    def node(self) -> Node:
        """Return the node; asked by its guests, so there is one."""
        assert self.life is not None
        return self.life.node

    def content(self, depth: int) -> dict[str, int]:
        """Return the content of a message nobody has sent yet."""
        self._number += 1
        if self.unrest and self.chance.random() < 0.002:
            self.deadly.add(self._number)
        return {"n": self._number, "depth": depth}

    def moves(self, protocol: str, role: str, states: Collection[str]) -> list[str]:
        """Return the acts that somebody of a role may make in some states of a protocol."""
        rows = _rows(self.protocols[protocol])
        return [act for who, state, act in rows if who == role and state in states]

    def kill(self, why: str) -> None:
        """End the node that runs now, in the middle of what it does."""
        self.tell("%s", why)
        assert self.life is not None
        self.life.storage.cut()
        self.life.end("kill")

    def tell(self, text: str, *arguments: object) -> None:
        """Note something for the trace."""
        self.trace.append((self.loop.time(), text, arguments))

    # What those outside ask of it

    async def ask(self, what: str, seconds: float, **given: Any) -> Any:
        """Call a method of the node that runs now; raises `Lost` when no answer comes."""
        life = self.life
        if life is None or not self.up.is_set():
            raise Lost
        return await life.ask(getattr(life.node, what)(**given), seconds)

    # Life

    async def play(self) -> None:
        """Live, calm down, and close the books."""
        keeper = self.loop.create_task(self._keep())
        people = self.loop.create_task(self._live())
        done, _ = await asyncio.wait({keeper, people}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    async def _live(self) -> None:
        await self.operator.deploy_all()
        chaos = self.loop.create_task(self._chaos())
        watcher = self.loop.create_task(self.watcher.watch())
        people = [client.live(self.steps // 3 + 1) for client in self.clients]
        await _all(self.loop, [*people, self.operator.live(self.steps // 3)])
        chaos.cancel()
        await asyncio.gather(chaos, return_exceptions=True)
        await self._calm_down()
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        await self._close()

    async def _keep(self) -> None:
        """Keep a node running: start one, let it live, bury it, start the next."""
        fruitless = 0
        while True:
            self.lives += 1
            life = self.life = Life(self, self.lives)
            beginning = life.spawn(life.begin())
            either: set[asyncio.Future[Any]] = {beginning, life.fate}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if beginning.done() and not beginning.cancelled() and beginning.result():
                self.up.set()
                self.tell("node %d is up", self.lives)
                await life.fate
                self.up.clear()
                fruitless = 0
            else:
                fruitless += 1
                if fruitless > MOST_FRUITLESS:
                    raise broken("ends", f"none of {fruitless} nodes came to run")
            how = life.fate.result() if life.fate.done() else "start again"
            await self._bury(life, how)
            self.life = None
            life.gone.set()
            await asyncio.sleep(self.fortune.uniform(0, 0.5))

    async def _bury(self, life: Life, how: str) -> None:
        """End a node, and see what is left of it."""
        journal = life.node.kernel.journal if life.node.running else None
        if how == "stop" and journal is not None:
            await life.spawn(life.node.stop())
            left = self.ledger.turns[self.ledger.durable(self.ledger.last_group) :]
            calm = self.plan.slow == 0.0 and not self.plan.failing
            if calm and any(turn.count or turn.images or turn.rows for turn in left):
                raise broken("acknowledged", "a node that was stopped left something uncommitted")
        life.check_loop()
        promised = 0 if journal is None else journal.committed
        given = 0 if journal is None else journal.position
        before = len(self.ledger.turns)
        await life.die()
        self.tally["crashes" if how in ("kill", "power") else how] += 1
        if journal is not None:
            counters = life.node.kernel.counters
            self.tally["checkpoints"] += counters.checkpoints
            self.tally["pruned groups"] += counters.pruned_groups
        kept = self.disk.crash(power=how == "power", chance=self.fortune)
        self.ledger.crash(kept)
        if how in ("power", "stop"):
            self.mark = new_mark()
        lost = before - len(self.ledger.turns)
        self.tell("node %d ends by %s at %d of %d; %d turns are lost", self.lives, how, promised, given, lost)  # fmt: skip
        self.ledger.digest.update(f"{how} {self.loop.time():.6f} {lost}\n".encode())
        model = Model(self.ledger.turns)
        for client in self.clients:
            client.check(model, forgiving=self.forgiving(how))
        self.watcher.check(model, forgiving=self.forgiving(how))
        self._check_tables(model)

    def _check_tables(self, model: Model) -> None:
        """Hold the tables against what was put into them, and against what the journal would make of them anew."""
        for difference in model.row_differences(self.disk, TABLES):
            raise broken("tables", difference)
        anew = rebuilt(self.disk)
        for difference in anew.row_differences(self.disk, TABLES):
            raise broken("rebuilt", difference)

    def forgiving(self, how: str) -> bool:
        """Tell whether what was acknowledged may be lost when a node ends that way."""
        return self.plan.durability == "memory" or (
            self.plan.durability == "process" and how == "power"
        )

    async def _chaos(self) -> None:
        """Kill nodes and set clocks."""
        chance, plan = self.fortune, self.plan
        while True:
            await asyncio.sleep(chance.expovariate(1 / plan.crash_seconds))
            life = self.life
            luck = chance.random()
            if life is None:
                continue
            if luck < 0.2 and plan.jumps:
                self.clock.jump(chance.choice((-60, -5, -0.5, 0.5, 5, 60)))
                self.tell("the clock was set")
            elif luck < 0.4 and self.up.is_set():
                life.examine("journal")
            else:
                life.end(chance.choice(("kill", "kill", "power", "stop")))

    async def _calm_down(self) -> None:
        """Let faults end, every agent run, and every conversation come to its end."""
        self.healed, self.unrest = True, 0.0
        self.deadly.clear()
        if self.life is not None:
            self.life.storage.heal()
        for _ in range(3):
            await self.operator.start_all()
            await asyncio.sleep(20)
        await asyncio.sleep(CALM_SECONDS + self.clock.set_back)

    async def _close(self) -> None:
        """Hold everything against everything."""
        await self.up.wait()
        life = self.life
        assert life is not None
        await life.ask(life.node.kernel.journal.readable(), 60)
        life.examine("journal")
        model = Model(self.ledger.turns)
        self._check_tables(model)
        books.close(self, model)
        life.end("stop")
        await life.gone.wait()
        await self.up.wait()


async def _all(loop: SimulatedLoop, works: list[Coroutine[Any, Any, None]]) -> None:
    """Run everything to its end; the first to fail ends all."""
    tasks = [loop.create_task(work) for work in works]
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
    assert not left


@lru_cache(maxsize=64)
def _rows(protocol: Protocol) -> list[tuple[str, str, str]]:
    """Return who may make which act in which state."""
    rows = []
    for state, event, _ in protocol.table.moves():
        role, _, act = event.partition("/")[0].partition(":")
        if act in ACTS:
            rows.append((role, state, act))
    return rows
