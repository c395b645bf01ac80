"""The operator: deploys, stops, starts, suspends, drains and updates agents, and looks after dead letters."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

from caxton_core.resources import Manifest
from returns.result import Success

from caxton_server.simulation.invariants import broken
from caxton_server.simulation.lives import Lost

if TYPE_CHECKING:
    from caxton_server.simulation.worlds import World

PATIENCE = 20.0
VERBS = ("stop", "start", "start", "drain", "suspend", "resume", "resume", "restart")
LONGEST_WAIT = 600


class Operator:
    """The one operator of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.chance = Random(f"{world.seed} operator")
        self.versions = dict.fromkeys(world.names, 1)

    def manifest(self, name: str) -> Manifest:
        """Return the manifest of an agent's present version."""
        world = self.world
        number = world.names.index(name)
        return Manifest.parse({
            "name": name,
            "version": f"{self.versions[name]}.0.0",
            "deliveries": world.agents[name].deliveries,
            "codec": ("json", "msgpack")[(number + self.versions[name]) % 2],
            "services": [{"type": "x"}],
            "limits": {"mailbox": 8, "conversations": 30},
            "restart": {"max_restarts": (3, 5, 1000, 5)[number], "within_s": (60, 5, 1, 60)[number]},
            "config": {"version": self.versions[name]},
        }).unwrap()  # fmt: skip

    async def ask(self, what: str, **given: Any) -> Any:
        """Ask a node; None when no answer comes."""
        try:
            return await self.world.ask(what, PATIENCE, **given)
        except Lost:
            return None

    async def deploy_all(self) -> None:
        """Deploy every agent, however often a node dies meanwhile."""
        for name in self.world.names:
            for _ in range(LONGEST_WAIT):
                if await self.there(name):
                    break
                await self._deploy(name)
                await asyncio.sleep(0.05)

    async def there(self, name: str) -> bool:
        """Tell whether the node that runs now knows an agent; waits for one to run."""
        await self.world.up.wait()
        return self.world.life is not None and isinstance(self.world.node.agent(name), Success)

    async def _deploy(self, name: str) -> None:
        module = f"{name} {self.versions[name]}".encode()
        await self.ask("update", manifest=self.manifest(name), module=module)

    async def live(self, steps: int) -> None:
        """Do one thing after the other."""
        chance, world = self.chance, self.world
        for _ in range(steps):
            await asyncio.sleep(chance.expovariate(3.0))
            name = chance.choice(world.names)
            luck = chance.random()
            if luck < 0.6:
                await self.ask("control", ref=name, verb=chance.choice(VERBS))
            elif luck < 0.75:
                self.versions[name] += 1
                world.tally["updates"] += 1
                await self._deploy(name)
            elif luck < 0.8:
                await self.ask("remove_agent", ref=name)
                await self._deploy(name)
            else:
                await self._letters()
        await self.deploy_all()

    async def _letters(self) -> None:
        """Send dead letters again, or remove them."""
        page = await self.ask("dead_letters", limit=20)
        for letter in () if page is None else page.items:
            luck = self.chance.random()
            if luck < 0.3:
                done = await self.ask("redrive", letter_id=letter.id)
                if isinstance(done, Success):
                    self.world.tally["redriven"] += 1
            elif luck < 0.4:
                await self.ask("remove_dead_letter", letter_id=letter.id)

    async def start_all(self) -> None:
        """Have every agent run, whatever state it is in."""
        for name in self.world.names:
            for tried in range(LONGEST_WAIT):
                if not await self.there(name):
                    await self._deploy(name)
                    continue
                state = self.world.node.agent(name).unwrap().state
                if state == "running":
                    break
                verb = {"suspended": "resume", "stopped": "start", "failed": "restart"}.get(
                    state, "stop"
                )
                # A draining agent stops by itself, but it may have a conversation that lasts for a day.
                if verb != "stop" or tried > 50:
                    await self.ask("control", ref=name, verb=verb)
                await asyncio.sleep(0.5)
            else:
                raise broken("ends", f"{name} never came to run: {self.world.node.agent(name)}")
