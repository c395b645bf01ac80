"""Random agents of every protocol: they mostly do what their conversations allow, and now and then anything at all.

Rules:
- Each message has a number in its content; the agent writes in its durable state which it has handled, in the same
  step. A timer's payload has one too.
- What an attempt at a message wanted to send is noted outside the node, with what `send` said to it.
- Everything an agent does is drawn from its world's chance: the same seed, the same life.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import msgspec
from caxton_core.messages import Performative
from caxton_core.nesting import Codec
from caxton_core.ports import Fault, Host

from caxton_server.simulation.guests import Message, Script, encoded
from caxton_server.simulation.questions import question

if TYPE_CHECKING:
    from caxton_core.conversations import Conversation

    from caxton_server.simulation.worlds import World

ACTS = [str(act) for act in Performative]
DEEPEST = 5
"""How long a chain of messages may become, so that worlds calm down."""
FAULTS = ("trap", "agent-error", "cpu", "time", "memory", "host-calls")


class NodeKilled(BaseException):
    """The node dies in the middle of a step; no handler of ordinary errors may survive that."""


class Said(msgspec.Struct):
    """A message that an attempt wanted to send; a response learns of no result."""

    number: int
    result: int | None = None


class RandomAgent:
    """One agent; the same object lives through all versions, restarts and crashes, and remembers what it has tried."""

    def __init__(self, world: World, name: str, *, deliveries: int, mood: float) -> None:
        self.world, self.name, self.chance = world, name, world.chance
        self.deliveries, self.mood = deliveries, mood
        self.address = f"{name}@caxton"
        self.attempts: dict[int, list[list[Said]]] = defaultdict(list)
        self.heard: dict[tuple[str, str], str] = {}

    # The calls of a guest

    def start(self, host: Host, config: Message) -> Script:
        """Begin; now and then badly."""
        host.state_put(b"started", b"%d" % config.get("version", 0))
        if self.chance.random() < self.mood * self.world.unrest:
            return Fault(self.chance.choice(FAULTS), "a bad start")
        return None

    def drain(self, host: Host) -> Script:
        """Make the last call."""
        host.state_put(b"drained", b"")
        return None

    def export_state(self) -> bytes | None:
        """Give something to the next version, or nothing."""
        return b"handed over" if self.chance.random() < 0.5 else None

    def import_state(self, data: bytes, host: Host) -> Script:
        """Take what the version before has given."""
        host.state_put(b"imported", data)
        return None

    def act(self, message: Message, host: Host, codec: Codec) -> Script:
        """Handle a message: note it, say something, and end well or badly."""
        content = message.get("content")
        if isinstance(content, str) and message.get("ontology") == "caxton-timer":
            content = msgspec.json.decode(content)
        if not isinstance(content, dict) or "n" not in content:
            return None
        if content["n"] in self.world.deadly:
            self.world.kill(f"{self.name} killed the node with {content['n']}")
            raise NodeKilled
        return self._handle(message, content["n"], content["depth"] + 1, host, codec)

    def _handle(
        self, message: Message, number: int, depth: int, host: Host, codec: Codec
    ) -> Generator[None, None, Any]:
        said: list[Said] = []
        self.attempts[number].append(said)
        conversation = message.get("conversation_id", "")
        self.heard[conversation, message["sender"]] = message.get("reply_with") or message["id"]
        chance = self.chance
        host.state_put(b"%d" % number, b"")
        self._keep_time(host, depth)
        calm = depth >= DEEPEST
        for _ in range(0 if calm else chance.choice((0, 0, 1, 1, 2, 3))):
            fields = self.move(conversation, depth) if chance.random() < 0.7 else self.open(depth)
            result = host.send(encoded(fields, codec))
            if isinstance(fields["content"], dict):
                said.append(Said(fields["content"]["n"], result))
            if chance.random() < 0.05:
                yield
        while chance.random() < 0.15:
            yield
        return self._end(message, depth, said)

    def _keep_time(self, host: Host, depth: int) -> None:
        """Set a timer, and take one back, perhaps."""
        chance = self.chance
        if chance.random() < 0.15 and depth < DEEPEST:
            content = self.world.content(depth + 1)
            timer = host.set_timer(chance.choice((0, 5, 500, 20_000)), msgspec.json.encode(content))
            if chance.random() < 0.2:
                host.cancel_timer(timer)
            elif timer > 0:
                host.state_put(b"timer", b"%d" % timer)
        if chance.random() < 0.05:
            earlier = host.state_get(b"timer")
            if earlier is not None:
                host.cancel_timer(int(earlier))
                host.state_delete(b"timer")

    def _end(self, message: Message, depth: int, said: list[Said]) -> Any:
        """End a step: with a response or without, by a fault, or with what is no message."""
        chance = self.chance
        luck = chance.random()
        unrest = self.mood * self.world.unrest
        if luck < unrest:
            return Fault(chance.choice(FAULTS), "bad luck")
        if luck < 1.2 * unrest:
            return b"{"
        if luck < 0.4 or depth >= DEEPEST:
            return None
        acts = self.legal(message.get("conversation_id", ""), "participant") or ["inform"]
        fields: Message = {"performative": self.some(acts), "content": self.world.content(depth)}
        said.append(Said(fields["content"]["n"]))
        return fields

    # What it says

    def some(self, acts: list[str]) -> str:
        """Pick an act, now and then any."""
        return self.chance.choice(ACTS if self.chance.random() < 0.05 else acts)

    def legal(self, conversation_id: str, role: str) -> list[str]:
        """Return the acts that a conversation allows somebody of a role next."""
        conversation = self._conversation(conversation_id)
        if conversation is None:
            return []
        if conversation.floor is not None:
            states = {conversation.floor.state}
        else:
            mine = conversation.legs.get(self.address)
            legs = [mine] if mine else conversation.legs.values()
            states = {leg.state for leg in legs}
        return self.world.moves(conversation.protocol, role, states)

    def _conversation(self, conversation_id: str) -> Conversation | None:
        return self.world.node.conversations_.open.get(conversation_id)

    def move(self, conversation_id: str, depth: int) -> Message:
        """Go on with a conversation, or end it."""
        chance = self.chance
        fields: Message = {"conversation_id": conversation_id, "content": self.world.content(depth)}
        conversation = self._conversation(conversation_id)
        if conversation is None:
            receiver = chance.choice(self.world.names)
            return {**fields, "performative": self.some(["inform"]), "receiver": receiver}
        if conversation.initiator != self.address:
            act = self.some(self.legal(conversation_id, "participant") or ["inform"])
            quoted = self.heard.get((conversation_id, conversation.initiator))
            receiver = conversation.initiator
            return {**fields, "performative": act, "receiver": receiver, "in_reply_to": quoted}
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

    def open(self, depth: int) -> Message:
        """Open a conversation of any protocol, or say something outside of any."""
        chance = self.chance
        if chance.random() < 0.15:
            return question(chance, self.address)
        fields: Message = {"content": self.world.content(depth)}
        others = [name for name in self.world.names if name != self.name]
        if chance.random() < 0.3:
            to = [chance.choice([*others, "api", "service:x", "service:x*", "*", "nobody"])]
            return {**fields, "performative": "inform", "receiver": to}
        protocols = self.world.protocols
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
