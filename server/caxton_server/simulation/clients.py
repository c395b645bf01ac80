"""Those outside: clients that post messages and keep their answers, and a watcher that follows the events.

Rules:
- A client chooses the ids of its messages, and posts one again, unchanged, until it has an answer or gives up.
- What it holds an acknowledgement of must be in the journal for ever; what was refused must never be.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from caxton_core.initiators import ConversationSpec
from caxton_core.views import EventView
from returns.result import Success

from caxton_server.simulation.invariants import broken
from caxton_server.simulation.lives import Lost

if TYPE_CHECKING:
    from caxton_server.simulation.models import Model
    from caxton_server.simulation.worlds import World

AGAIN = frozenset({"storage_unavailable", "storage_full", "mailbox_full", "timeout"})
"""The errors after which a client tries again."""
TRIES = 8


class Client:
    """One client of the API."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.chance = Random(f"{world.seed} client {number}")
        self.acknowledged: dict[str, int] = {}
        """The ids of messages and their numbers."""
        self.refused: set[int] = set()

    async def live(self, steps: int) -> None:
        """Do one thing after the other."""
        chance = self.chance
        for _ in range(steps):
            await asyncio.sleep(chance.expovariate(4.0))
            luck = chance.random()
            if luck < 0.85:
                await self.post(waiting=luck < 0.15)
            else:
                await self.converse()

    def _message(self) -> dict[str, Any]:
        """Return a message to somebody, that opens a conversation or belongs to none."""
        chance, world = self.chance, self.world
        content = world.content(0)
        message: dict[str, Any] = {
            "id": str(UUID(int=chance.getrandbits(128), version=4)),
            "content": content,
            "receiver": chance.choice(world.names),
            "performative": "inform",
        }
        if chance.random() < 0.5:
            protocol = world.protocols[chance.choice(sorted(world.protocols))]
            message["protocol"] = protocol.name
            message["performative"] = chance.choice(sorted(protocol.openers))
            if chance.random() < 0.5:
                message["reply_by"] = f"+{chance.randint(1, 9)}s"
        return message

    async def post(self, *, waiting: bool) -> None:
        """Post a message until there is an answer."""
        chance, world = self.chance, self.world
        message = self._message()
        number = message["content"]["n"]
        body = msgspec.json.encode(message)
        for _ in range(TRIES):
            patience = chance.choice((0.02, 0.5, 5.0))
            try:
                if waiting:
                    done = await world.ask("request", patience, body=body, wait=patience / 2)
                else:
                    done = await world.ask("send", patience, body=body)
            except Lost:
                world.tally["unanswered"] += 1
            else:
                if isinstance(done, Success):
                    self._accepted(message["id"], number, done.unwrap())
                    return
                error = done.failure()
                world.tally[f"answer {error.code}"] += 1
                if error.code not in AGAIN:
                    # One that waits may be told that what it asked before is not kept any more.
                    if not waiting:
                        self.refused.add(number)
                    return
            await asyncio.sleep(chance.uniform(0.01, 1.0))
        world.tally["given up"] += 1

    def _accepted(self, message_id: str, number: int, answer: Any) -> None:
        view = msgspec.to_builtins(answer)
        found = view.get("id") or view["message"]["id"]
        if found != message_id:
            raise broken("acknowledged", f"message {message_id} was acknowledged as {found}")
        self.world.tally["acknowledged"] += 1
        self.acknowledged[message_id] = number

    async def converse(self) -> None:
        """Have the server open a conversation, and perhaps wait for its end."""
        chance, world = self.chance, self.world
        protocol = chance.choice(("fipa-contract-net", "fipa-request", "fipa-query"))
        spec = ConversationSpec(
            protocol=protocol,
            participants=chance.sample(
                list(world.names), 1 if protocol != "fipa-contract-net" else 3
            ),
            content=world.content(0),
            reply_by=f"+{chance.randint(1, 5)}s",
            wait=chance.choice((None, "2s")),
            ttl="60s",
        )
        try:
            done = await world.ask("start_conversation", 5.0, spec=spec)
        except Lost:
            return
        if isinstance(done, Success) and chance.random() < 0.3:
            try:
                await world.ask("cancel_conversation", 5.0, conversation_id=done.unwrap().id)
            except Lost:
                return

    def check(self, model: Model, *, forgiving: bool) -> None:
        """Look whether everything acknowledged is there, or forget what may be lost."""
        lost = [each for each in self.acknowledged if each not in model.messages]
        if lost and not forgiving:
            raise broken("acknowledged", f"message {lost[0]} was acknowledged and is lost")
        for each in lost:
            del self.acknowledged[each]


class Watcher:
    """Follows the events, from where it was, whatever happens to the node."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: list[EventView] = []

    async def watch(self) -> None:
        """Follow one node after the other."""
        world = self.world
        while True:
            await world.up.wait()
            life = world.life
            if life is None or not world.up.is_set():
                await asyncio.sleep(0)
                continue
            following = life.spawn(self._follow())
            await asyncio.wait({following})
            if not following.cancelled() and not life.storage.is_cut:
                following.result()
            await asyncio.sleep(0.05)

    async def _follow(self) -> None:
        after = self.seen[-1].seq if self.seen else 0
        async for view in self.world.node.events(after=after):
            gap = view.seq != after + 1 and not self.world.plan.forgets_events
            if gap or view.seq <= after:
                raise broken("events", f"event {view.seq} was seen behind {after}")
            after = view.seq
            self.seen.append(view)

    def check(self, model: Model, *, forgiving: bool) -> None:
        """Look whether every event that was seen is there."""
        for at, view in enumerate(self.seen):
            row = model.rows.get(("events", f"{view.seq:016d}"))
            if row is not None and row.deleted:
                continue
            if row is None or row.body != msgspec.json.encode(view):
                if not forgiving:
                    raise broken("events", f"event {view.seq} was seen and is lost")
                del self.seen[at:]
                return
