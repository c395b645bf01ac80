"""The books: what became of every message, timer, conversation and dead letter of a world, when it has calmed down.

Rules:
- They are kept from the turns that survived, and from what those outside and the agents remember for themselves.
- Nobody but the agents knows the numbers of messages: what a step says has a number that was never used before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from caxton_core.restarts import delay_before

from caxton_server.runtime.records import (
    AgentRemoved,
    AgentSaved,
    Asked,
    Cleared,
    Restarted,
    Routed,
    Sent,
    Served,
    Step,
)
from caxton_server.simulation.invariants import broken
from caxton_server.simulation.models import records_of

if TYPE_CHECKING:
    from caxton_server.simulation.models import Model
    from caxton_server.simulation.worlds import World


class Wire(msgspec.Struct):
    """What the books read of a message."""

    sender: str
    content: Any = None
    conversation_id: str = ""
    ontology: str | None = None
    performative: str = ""


_from_json = msgspec.json.Decoder(Wire).decode
_from_msgpack = msgspec.msgpack.Decoder(Wire).decode


class Delivery(msgspec.Struct):
    """One message on its way to one agent, and how that ended: handled, failed, cleared, or with its agent."""

    serial: int
    handle: int
    message: str
    number: int
    wire: Wire
    end: str = ""


class Books:
    """Everything that was sent, set and ended, in the order of the turns."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.deliveries: dict[int, Delivery] = {}
        self.pending: dict[int, dict[int, Delivery]] = defaultdict(dict)
        self.names: dict[int, str] = {}
        self.sends: Counter[int] = Counter()
        self.timers: dict[tuple[int, int], int] = {}
        self.timer_ends: Counter[tuple[int, int]] = Counter()
        self.latest: dict[tuple[int, str, str], int] = {}
        self.letters: Counter[tuple[str, str]] = Counter()
        self.letter_numbers: Counter[int] = Counter()
        self.restarts: dict[int, list[int]] = defaultdict(list)
        self._letters_seen: set[str] = set()
        for turn in world.ledger.turns:
            for record in records_of(turn):
                self._take(record)
            for row in turn.rows.values():
                # Rows that are carried to a later group come twice.
                if (
                    row.table == "dead_letters"
                    and not row.deleted
                    and row.key not in self._letters_seen
                ):
                    self._letters_seen.add(row.key)
                    self._letter(row.body)

    def _take(self, record: Any) -> None:
        if isinstance(record, Step):
            self._step(record)
            self._send(record.sent)
        elif isinstance(record, Routed):
            if record.timer:
                self._rung(record)
            self._send((record.sent,))
        elif isinstance(record, Cleared):
            for delivery in list(self.pending[record.agent].values()):
                self._end(delivery, "failed")
            self._send(record.sent)
        elif isinstance(record, Served):
            self._send(record.sent)
        elif isinstance(record, Asked):
            self.world.tally["asked of the directory"] += 1
        elif isinstance(record, Restarted):
            self._restarted(record)
        elif isinstance(record, AgentSaved):
            self.names[record.id] = record.name
        elif isinstance(record, AgentRemoved):
            for delivery in list(self.pending[record.id].values()):
                self._end(delivery, "removed")
            for key in [key for key in self.timers if key[0] == record.id]:
                self.timer_ends[key] = 1

    def _send(self, sent: tuple[Sent, ...]) -> None:
        for each in sent:
            wire = (_from_json if each.wire[:1] == b"{" else _from_msgpack)(each.wire)
            number = _number(wire)
            if number:
                self.sends[number] += 1
            for serial, handle in enumerate(each.to, each.serial):
                if serial in self.deliveries:
                    raise broken("once", f"the serial {serial} was given out twice")
                if handle:
                    made = Delivery(serial, handle, each.message, number, wire)
                    self.deliveries[serial] = self.pending[handle][serial] = made

    def _step(self, record: Step) -> None:
        effects = record.effects
        if record.consumed:
            delivery = self.pending[record.agent].get(record.consumed)
            if delivery is None:
                raise broken("once", f"delivery {record.consumed} was handled when it was over")
            if effects is None or not effects.retry:
                self._end(
                    delivery, "handled" if effects is None or effects.fault is None else "failed"
                )
        if effects is None or effects.fault is not None:
            return
        for cancelled in effects.cancelled:
            if (record.agent, cancelled) in self.timers:
                self.timer_ends[record.agent, cancelled] += 1
        for timer in effects.timers:
            self.timers[record.agent, timer.id] = timer.due

    def _rung(self, record: Routed) -> None:
        for handle in record.sent.to:
            key = handle, record.timer
            if key not in self.timers:
                raise broken(
                    "timers",
                    f"timer {record.timer} of {self.names.get(handle)} rang and was never set",
                )
            self.timer_ends[key] += 1
            if record.time < self.timers[key]:
                raise broken("timers", f"timer {record.timer} rang before it was due")

    def _end(self, delivery: Delivery, how: str) -> None:
        delivery.end = how
        del self.pending[delivery.handle][delivery.serial]
        if how != "handled":
            return
        key = delivery.handle, delivery.wire.sender, delivery.wire.conversation_id
        if self.latest.get(key, 0) > delivery.serial:
            raise broken(
                "order", f"delivery {delivery.serial} was handled behind {self.latest[key]}"
            )
        self.latest[key] = delivery.serial

    def _letter(self, body: bytes) -> None:
        letter = msgspec.json.decode(body)
        message = letter["message"]
        self.letters[message["id"], letter["receiver"]] += 1
        content = message.get("content")
        if isinstance(content, dict) and "n" in content:
            self.letter_numbers[content["n"]] += 1

    def _restarted(self, record: Restarted) -> None:
        """Supervision keeps to its policy: not too many restarts, and each after its pause."""
        history, known = record.history, self.restarts[record.agent]
        if not history.times:
            known.clear()
            return
        due = history.times[-1]
        if self.world.plan.jumps or (known and due <= known[-1]):
            # The clock was set, or this is none that counts.
            return
        name = self.names[record.agent]
        policy = self.world.operator.manifest(name).restart
        span = policy.within_s * 1000
        row = 1
        while row <= len(known) and [*known, record.time][-row] - known[-row] < span:
            row += 1
        if row > 1 and due - record.time < 0.8 * delay_before(row):
            raise broken(
                "supervision",
                f"{name} was restarted {due - record.time} ms after restart {row - 1} in a row",
            )
        known.append(due)
        recent = [each for each in known if due - each < span]
        if len(recent) > policy.max_restarts:
            raise broken(
                "supervision", f"{name} was restarted {len(recent)} times in {policy.within_s} s"
            )

    # The end

    def close(self, model: Model) -> None:
        """Look whether everything has come to its one end."""
        for delivery in self.deliveries.values():
            name = self.names[delivery.handle]
            if not delivery.end:
                raise broken(
                    "mailboxes",
                    f"{delivery.wire.performative} {delivery.serial} stays in {name}'s mailbox",
                )
            key = delivery.message, f"{name}@caxton"
            if delivery.end == "failed" and not self.letters[key]:
                raise broken(
                    "lost", f"delivery {delivery.serial} to {name} failed and left no dead letter"
                )
        self._handled_once(model)
        self._said()
        for timer, due in self.timers.items():
            if self.timer_ends[timer] != 1:
                raise broken(
                    "timers",
                    f"timer {timer[1]} of {self.names[timer[0]]}, due {due}, ended {self.timer_ends[timer]} times",
                )
        still = [each for each in model.conversations.values() if each.open_legs]
        if still:
            raise broken("ends", f"conversation {still[0].id} of {still[0].protocol} is still open")

    def _handled_once(self, model: Model) -> None:
        """No effect twice: a message is handled once at most, and the state holds what was handled."""
        handled: dict[int, Counter[int]] = defaultdict(Counter)
        for delivery in self.deliveries.values():
            if delivery.end == "handled" and delivery.number:
                handled[delivery.handle][delivery.number] += 1
        for handle, numbers in handled.items():
            number, most = numbers.most_common(1)[0]
            if most > 1:
                raise broken("once", f"{self.names[handle]} handled {number} {most} times")
        for handle, agent in model.agents.items():
            kept = {int(key) for key in agent.data if key.isdigit()}
            if kept != handled[handle].keys():
                wrong = sorted(kept ^ handled[handle].keys())
                raise broken(
                    "state",
                    f"{self.names.get(handle)} keeps and has handled different messages: {wrong[:5]}",
                )

    def _said(self) -> None:
        """What a step that stands has said is sent, or a dead letter; what was refused or undone is neither."""
        world = self.world
        done = {
            (self.names[each.handle], each.number) for each in self.deliveries.values() if each.end == "handled"
        }  # fmt: skip
        for agent in world.agents.values():
            for number, attempts in agent.attempts.items():
                *vain, last = attempts
                if (agent.name, number) not in done:
                    vain, last = attempts, []
                for said in last:
                    world.tally["said"] += 1
                    known = self.sends[said.number] or self.letter_numbers[said.number]
                    if said.result == 0 and not known:
                        raise broken("lost", f"{agent.name} said {said.number}, and it is nowhere")
                    if said.result is not None and said.result < 0 and known:
                        raise broken(
                            "refused", f"{agent.name} was refused {said.number}, and it was sent"
                        )
                for each in vain:
                    for said in each:
                        world.tally["said in vain"] += 1
                        if self.sends[said.number]:
                            raise broken(
                                "undone", f"{said.number} was sent by a step that was undone"
                            )
        for client in world.clients:
            for number in client.refused:
                if self.sends[number]:
                    raise broken("refused", f"the API was refused {number}, and it was sent")


def _number(wire: Wire) -> int:
    content = wire.content
    if isinstance(content, str) and wire.ontology == "caxton-timer":
        content = msgspec.json.decode(content)
    return content["n"] if isinstance(content, dict) and "n" in content else 0


def close(world: World, model: Model) -> None:
    """Close the books of a world."""
    books = Books(world)
    books.close(model)
    world.tally["messages"] += len(books.deliveries)
    world.tally["dead letters"] += sum(books.letters.values())
    world.tally["timers"] += len(books.timers)
    world.tally["conversations"] += len(model.conversations)
