"""Random agents of every protocol in a whole node, and the books that say what became of each of their messages.

Many of them: python -m tests.server.runtime.worlds 1000 1 (how many, and the seed).

Rules:
- Each message of an agent has a number; the agent writes in its durable state which it has handled, in the same step.
- What an attempt at a message wanted to send is noted outside the node, with what `send` said to it.
- At the end both are held against the journal and the dead letters: nobody but the agents knows the numbers.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
from caxton_core.conversations import Conversation
from caxton_core.messages import ANSWERED_NEVER, Performative
from caxton_core.ports import Fault
from caxton_server.runtime.records import Sent

from tests.server.runtime.nodes import Bench, Message, Script, Tools

NAMES = ("ann", "ben", "cyd", "dot")
ACTS = [str(act) for act in Performative]
DEEPEST = 5
"""How long a chain of messages may become, so that worlds calm down."""


class Said(msgspec.Struct):
    """A message an agent wanted to send; a response learns of no result."""

    number: int
    result: int | None = None


class Agent:
    """A random agent: it mostly does what its conversation allows next."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name, self.random = world, name, world.random
        self.address = f"{name}@caxton"
        self.script = Script(self.act)
        self.attempts: dict[int, list[list[Said]]] = defaultdict(list)
        self.heard: dict[tuple[str, str], str] = {}

    def act(self, message: Message, tools: Tools) -> Any:
        """Handle a message: note it, say something, and end well or badly."""
        content = message.get("content")
        if not isinstance(content, dict) or "n" not in content:
            return None
        number, depth = content["n"], content["depth"] + 1
        said: list[Said] = []
        self.attempts[number].append(said)
        conversation = message.get("conversation_id", "")
        self.heard[conversation, message["sender"]] = message.get("reply_with") or message["id"]
        host, chance = tools.host, self.random
        host.state_put(b"%d" % number, b"")
        for _ in range(chance.choice([0, 0, 1, 1, 2, 3]) if depth < DEEPEST else 0):
            fields = self.move(conversation, depth) if chance.random() < 0.7 else self.start(depth)
            said.append(Said(fields["content"]["n"], tools.send(**fields)))
        if chance.random() < 0.2:
            yield
        return self.ended(message, depth, said)

    def ended(self, message: Message, depth: int, said: list[Said]) -> Any:
        """End a step: with a response or without, by a fault, or with what is no message."""
        chance = self.random
        luck = chance.random()
        if luck < 0.08:
            return Fault(chance.choice(["trap", "agent-error", "cpu"]), "bad luck")
        if luck < 0.1:
            return b"{"
        if luck < 0.4 or depth >= DEEPEST:
            return None
        acts = self.legal(message.get("conversation_id", ""), "participant") or ["inform"]
        fields: Message = {"performative": self.some(acts), "content": self.world.content(depth)}
        said.append(Said(fields["content"]["n"]))
        return fields

    def some(self, acts: list[str]) -> str:
        """Pick an act, now and then any."""
        return self.random.choice(ACTS if self.random.random() < 0.05 else acts)

    def legal(self, conversation_id: str, role: str) -> list[str]:
        """Return the acts that a conversation allows somebody of a role next."""
        conversation = self.world.conversation(conversation_id)
        if conversation is None:
            return []
        if conversation.floor is not None:
            states = {conversation.floor.state}
        else:
            mine = conversation.legs.get(self.address)
            legs = [mine] if mine else conversation.legs.values()
            states = {leg.state for leg in legs}
        rows = self.world.bench.node.conversations_.protocols[conversation.protocol].table.moves()
        kinds = [
            event.partition("/")[0].partition(":") for state, event, _ in rows if state in states
        ]
        return [act for who, _, act in kinds if who == role and act in ACTS]

    def move(self, conversation_id: str, depth: int) -> Message:
        """Go on with a conversation, or end it."""
        chance = self.random
        fields: Message = {"conversation_id": conversation_id, "content": self.world.content(depth)}
        conversation = self.world.conversation(conversation_id)
        if conversation is None:
            return {
                **fields,
                "performative": self.some(["inform"]),
                "receiver": chance.choice(NAMES),
            }
        if conversation.initiator != self.address:
            act = self.some(self.legal(conversation_id, "participant") or ["inform"])
            quoted = self.heard.get((conversation_id, conversation.initiator))
            return {
                **fields,
                "performative": act,
                "receiver": conversation.initiator,
                "in_reply_to": quoted,
            }
        act = self.some([*self.legal(conversation_id, "initiator"), "cancel"])
        fields["performative"] = act
        if chance.random() < 0.8:
            to = chance.choice(list(conversation.legs))
            fields["receiver"] = to
            if act in {"accept-proposal", "reject-proposal", "propose", "not-understood"}:
                fields["in_reply_to"] = self.heard.get((conversation_id, to))
        if chance.random() < 0.2:
            fields["reply_by"] = f"+{chance.randint(0, 5)}s"
        return fields

    def start(self, depth: int) -> Message:
        """Open a conversation of any protocol, or say something outside of any."""
        chance = self.random
        fields: Message = {"content": self.world.content(depth)}
        others = [name for name in NAMES if name != self.name]
        if chance.random() < 0.3:
            to = [chance.choice([*others, "api", "service:x", "service:x*", "*", "nobody"])]
            return {**fields, "performative": "inform", "receiver": to}
        protocols = self.world.bench.node.conversations_.protocols
        protocol = protocols[chance.choice(sorted(protocols))]
        count = 1 if protocol.single else chance.randint(1, 3)
        fields["protocol"] = protocol.name
        fields["performative"] = chance.choice(sorted(protocol.openers))
        fields["receiver"] = chance.sample(others, count)
        if chance.random() < 0.5:
            fields["reply_by"] = f"+{chance.randint(1, 9)}s"
        if chance.random() < 0.3:
            fields["reply_with"] = f"t{chance.randrange(9)}"
        return fields


class World:
    """A node full of random agents."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        self.number = 0
        self.posted: set[int] = set()
        self.agents = [Agent(self, name) for name in NAMES]
        self.bench = Bench(seed=self.random.randrange(1 << 30))
        self.checkpoint: Iterator[None] | None = None
        self.tally: Counter[str] = Counter()

    def content(self, depth: int) -> dict[str, int]:
        """Return the content of a message nobody has sent yet."""
        self.number += 1
        return {"n": self.number, "depth": depth}

    def conversation(self, conversation_id: str) -> Conversation | None:
        """Return an open conversation."""
        return self.bench.node.conversations_.open.get(conversation_id)

    async def play(self, moves: int) -> Counter[str]:
        """Let so many things happen, let everything end, and check the books."""
        await self.bench.start()
        for number, agent in enumerate(self.agents):
            await self.bench.deploy(
                agent.name, agent.script, deliveries=1 + number % 3, codec=("json", "msgpack")[number % 2],
                services=[{"type": "x"}], limits={"mailbox": 8, "conversations": 30},
                restart={"max_restarts": 1000, "within_s": 1},
            )  # fmt: skip
        for _ in range(moves):
            await self.move()
        await self.end()
        await self.check()
        return self.tally

    async def move(self) -> None:
        """Let something happen."""
        chance, bench = self.random, self.bench
        what = chance.random()
        if what < 0.35:
            content = self.content(0)
            routed = bench.post(chance.choice(NAMES), "inform", content=content)
            if hasattr(routed, "sender"):
                self.posted.add(content["n"])
        elif what < 0.75:
            for _ in range(chance.randint(1, 12)):
                bench.node.timers.fire(bench.node.kernel.tick(), limit=1)
                bench.turn()
                scheduler = bench.node.scheduler
                if scheduler.parked and chance.random() < 0.5:
                    scheduler.resume(scheduler.parked.popleft())
        elif what < 0.85:
            bench.clock.advance(chance.choice([0.1, 1, 3]))
        elif what < 0.9:
            self.go_on_with_checkpoint(chance.randint(1, 12))
        elif what < 0.98:
            verb = chance.choice(
                ["suspend", "resume", "resume", "stop", "start", "start", "restart"]
            )
            await self.operate(chance.choice(NAMES), verb)
        else:
            self.tally["crashes"] += 1
            self.checkpoint = None
            self.bench = await bench.again(seed=chance.randrange(1 << 30)).start()

    def go_on_with_checkpoint(self, bits: int) -> None:
        """Write some bits of a checkpoint."""
        if self.checkpoint is None:
            self.checkpoint = self.bench.checkpoint()
        for _ in range(bits):
            if next(self.checkpoint, self) is self:
                self.tally["checkpoints"] += 1
                self.checkpoint = None
                return

    async def operate(self, name: str, verb: str) -> None:
        """Ask something of an agent, and let the node run meanwhile."""
        task = asyncio.ensure_future(self.bench.node.control(name, verb))
        while not task.done():
            self.bench.settle()
            await asyncio.sleep(0)

    async def end(self) -> None:
        """Let every agent handle what it has, and every conversation end."""
        for name in NAMES:
            for verb in ("resume", "start"):
                await self.operate(name, verb)
        for _ in range(40):
            self.bench.advance(30)
        for _ in range(3):
            self.bench.advance(90_000)

    # The books

    def sent(self) -> Iterator[tuple[Sent, Message]]:
        """Yield everything that was sent, as the journal has it."""
        for record in self.bench.records():
            for field in record.__struct_fields__:
                value = getattr(record, field)
                for each in value if type(value) is tuple else (value,):
                    if isinstance(each, Sent):
                        decoder: Any = msgspec.json if each.wire[:1] == b"{" else msgspec.msgpack
                        yield each, decoder.decode(each.wire)

    async def check(self) -> None:
        """Hold what the agents know against what the node says."""
        node = self.bench.node
        conversations = node.conversations_
        assert conversations.open == {}
        assert not +conversations.per_agent
        assert all(len(cell.mailbox) == 0 and not cell.held for cell in node.kernel.cells.values())
        routes: dict[int, tuple[int, ...]] = {}
        told: Counter[str] = Counter()
        for sent, message in self.sent():
            content = message.get("content")
            if message["sender"] == "ams@caxton":
                told[message.get("in_reply_to", "")] += 1
            elif isinstance(content, dict) and "n" in content:
                assert content["n"] not in routes, f"{content} was sent twice"
                routes[content["n"]] = sent.to
        dead: Counter[tuple[int, str]] = Counter()
        ids: dict[str, Message] = {}
        buried: Counter[str] = Counter()
        for letter in await self.bench.letters():
            content = letter.message.get("content")
            if isinstance(content, dict) and "n" in content:
                dead[content["n"], letter.receiver] += 1
                ids[letter.message["id"]] = letter.message
                buried[letter.message["id"]] += 1
            elif letter.message["sender"] == "ams@caxton":
                told[letter.message.get("in_reply_to", "")] += 1
        self.every_message_has_one_end(routes, dead)
        self.only_steps_that_stand_have_said_something(routes, {number for number, _ in dead})
        for message_id, message in ids.items():
            expected = 0 if message["performative"] in ANSWERED_NEVER else buried[message_id]
            if message["sender"] != "api@caxton":
                assert told[message_id] + told[message.get("reply_with", "-")] >= expected, message
        self.tally["messages"] += len(routes)
        self.tally["dead letters"] += sum(dead.values())
        self.tally.update(f"{each.protocol} ended" for each in conversations.closed.values())

    def every_message_has_one_end(
        self, routes: dict[int, tuple[int, ...]], dead: Counter[tuple[int, str]]
    ) -> None:
        """Every receiver has handled its message once, or there is one dead letter that says it has not."""
        cells = {int(cell.handle): cell for cell in self.bench.node.kernel.cells.values()}
        for number in self.posted:
            assert number in routes, f"{number} was accepted and never sent"
        for number, handles in routes.items():
            for handle in handles:
                if handle:
                    cell = cells[handle]
                    ends = (b"%d" % number in cell.data) + dead[number, cell.address]
                    assert ends == 1, f"{number} to {cell.name} has {ends} ends"
        for cell in cells.values():
            for key in cell.data:
                assert cell.handle in routes[int(key)], f"{cell.name} handled {key!r}"

    def only_steps_that_stand_have_said_something(
        self, routes: dict[int, tuple[int, ...]], dead: set[int]
    ) -> None:
        """What a step that stands said is sent or a dead letter; what `send` refused and a failed attempt said is neither."""
        for agent in self.agents:
            done = self.bench.cell(agent.name).data
            for number, attempts in agent.attempts.items():
                *failed, last = attempts
                if b"%d" % number not in done:
                    failed.append(last)
                    last = []
                for said in last:
                    known = said.number in routes or said.number in dead
                    self.tally["said"] += 1
                    # A response to the API that may not be delivered ends there.
                    if said.result == 0:
                        assert known, f"{said} of {agent.name} is lost"
                    elif said.result is None:
                        assert known or number in self.posted, f"{said} of {agent.name} is lost"
                    else:
                        assert not known, f"{said} of {agent.name} was refused and sent"
                for said in [each for attempt in failed for each in attempt]:
                    self.tally["said in vain"] += 1
                    assert said.number not in routes, f"{said} of {agent.name} was never to be"


async def play(many: int, seed: int, *, moves: int = 80) -> Counter[str]:
    """Play some worlds, the same ones for the same seed."""
    tally: Counter[str] = Counter()
    for each in range(many):
        try:
            tally += await World(f"{seed} {each}").play(moves)
        except AssertionError as error:
            error.add_note(f"world {each} of seed {seed}")
            raise
    return tally


if __name__ == "__main__":
    started = time.perf_counter()
    counts = asyncio.run(play(int(sys.argv[1]), int(sys.argv[2])))
    took = time.perf_counter() - started
    sys.stdout.write(f"seed {sys.argv[2]}: {sys.argv[1]} worlds in {took:.0f} s\n")
    for what, count in sorted(counts.items()):
        sys.stdout.write(f"{what:32} {count:9}\n")
