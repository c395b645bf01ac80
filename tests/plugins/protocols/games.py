"""Random conversations, each told to the engine and to the oracle, which must never disagree.

Many of them, with a tally: python -m tests.plugins.protocols.games 100000 1 (how many, and the seed).

Rules:
- most moves are legal or nearly: likely acts of likely agents that quote the right message;
- the rest is noise: any act by anybody to anybody, wrong protocols, cancels, reports of the platform, time that passes;
- after every move both name the same state and outcomes, and the value is consistent and can be stored.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from random import Random

import msgspec
from caxton_core.conversations import (
    OUTCOMES,
    Admission,
    Conversation,
    admit,
    fire_timers,
    open_conversation,
    outcome,
    state,
)
from caxton_core.conversations_changes import apply_change, change_between
from caxton_core.messages import Performative
from caxton_core.registry import load

from tests.plugins.protocols.oracle import ALIASES, FINISHED, Oracle, Said
from tests.plugins.protocols.oracle_auctions import AuctionOracle

PROTOCOLS = {protocol.name: protocol for protocol in load().unwrap().protocols()}
INITIATOR, DESK, NOBODY = "boss@caxton", "desk@caxton", "nobody@caxton"
ACTS = [str(act) for act in Performative]
ROLES = {"I": "initiator", "P": "participant", "A": "ams", "X": "nobody"}
ENDINGS = ("refuse", "failure", "reject-proposal", "inform")
TOKENS = [None, None, None, "a", "b"]
GIVEN = [None, None, None, "fipa-request", "other", *ALIASES.values()]


class Game:
    """One conversation and what both say of it; `tally` counts moves and ends, by protocol."""

    def __init__(self, random: Random, tally: Counter[tuple[str, str]]) -> None:
        self.random, self.tally, self.now, self.count = random, tally, 1000, 0
        self.protocol = PROTOCOLS[random.choice(sorted(PROTOCOLS))]
        size = 1 if self.protocol.single else random.randint(1, 4)
        self.names = [f"p{number}@caxton" for number in range(size)]
        ttl = random.choice([20, 60, 400, 400])
        opener = Said(
            self.now,
            "I",
            random.choice(list(self.protocol.openers)),
            "id0",
            reply_with=random.choice(TOKENS),
            reply_by=self._reply_by(),
            reply_to=self._reply_to(),
        )
        opened = open_conversation(
            self.protocol,
            id="c",
            initiator=INITIATOR,
            participants=self.names,
            performative=opener.act,
            message_id=opener.id,
            now=self.now,
            reply_with=opener.reply_with,
            reply_by_ms=opener.reply_by,
            reply_to=opener.reply_to,
            expires_at=self.now + ttl,
        )
        assert isinstance(opened, Admission)
        self.conversation = opened.conversation
        kind = AuctionOracle if self.protocol.rounds else Oracle
        self.oracle = kind(self.protocol.name, INITIATOR, opener, self.names, ttl)

    def _reply_by(self) -> int | None:
        return self.now + self.random.randint(0, 30) if self.random.random() < 0.3 else None

    def _reply_to(self) -> tuple[str, ...]:
        return (DESK,) if self.random.random() < 0.2 else ()

    def _some(self, chance: float) -> bool:
        return self.random.random() < chance

    def _quote(self, said: Said | None) -> str | None:
        """Quote a message rightly, or now and then wrongly."""
        if self._some(0.05):
            return self.random.choice(TOKENS)
        if said is None:
            return None
        return said.id if self._some(0.2) else said.reply_with

    def _act(self, likely: list[str]) -> str:
        """Pick an act, mostly a likely one, and what ends a leg less often."""
        if not likely or self._some(0.05):
            return self.random.choice(ACTS)
        return self.random.choices(likely, [1 if act in ENDINGS else 3 for act in likely])[0]

    def tell(self, role: str, act: str, sender: str, receivers: tuple[str, ...], **given: object) -> None:  # fmt: skip
        """Tell both one message; they must agree on the verdict and its reason."""
        self.count += 1
        self.now += self.random.choice([0, 0, 0, 1, 2])
        said = msgspec.convert(
            {"time": self.now, "role": role, "act": act, "id": f"id{self.count}", "sender": sender,
             "receivers": receivers, **given}, Said,
        )  # fmt: skip
        before = self.conversation
        verdict = admit(
            self.protocol,
            before,
            performative=act,
            sender=sender,
            message_id=said.id,
            now=said.time,
            receivers=receivers,
            reply_with=said.reply_with,
            in_reply_to=said.in_reply_to,
            reply_by_ms=said.reply_by,
            reply_to=said.reply_to,
            protocol_given=said.protocol,
            platform="caxton",
            about=said.about,
        )
        expected = self.oracle.hear(said)
        if isinstance(verdict, Admission):
            assert expected is None, (said, expected)
            self.conversation = verdict.conversation
        else:
            assert verdict.reason == expected, (said, verdict)
            self.conversation = verdict.conversation or before
        assert apply_change(before, change_between(before, self.conversation)) == self.conversation
        self.tally[self.protocol.name, expected or "admitted"] += 1
        if expected is None:
            self.note_rows(before, f"{ROLES[role]}:{act}")
        self.check()

    def note_rows(self, before: Conversation, event: str) -> None:
        """Count the rows that an act has taken, of the conversation's table or of its legs'."""
        after, taken = self.conversation, set()
        if before.floor and after.floor:
            taken = {(before.floor.state, after.floor.state)}
        else:
            pairs = zip(before.legs.values(), after.legs.values(), strict=True)
            taken = {(old.state, new.state) for old, new in pairs if old is not new}
        for source, target in taken:
            self.tally[self.protocol.name, f"row {source} {event} {target}"] += 1

    def participant(self) -> None:
        """Let a participant say something, mostly what its state allows."""
        name = self.random.choice(list(self.oracle.open_sides()) or self.names)
        side = self.oracle.sides[name]
        act, quoted = self._act(self.oracle.likely("P", name)), side.last("I")
        if side.cancel and self._some(0.4):
            act, quoted = (
                self.random.choice(["inform", "failure", "not-understood", act]),
                side.cancel,
            )
        if self._some(0.03):
            act = "not-understood"
        receivers: tuple[str, ...] = self.random.choice([(), (INITIATOR,)])
        if self._some(0.1):
            receivers = self.random.choice([(DESK,), (INITIATOR, DESK), (INITIATOR, name)])
        self.tell(
            "P", act, name, receivers, reply_with=self.random.choice(TOKENS), in_reply_to=self._quote(quoted),
            reply_by=self._reply_by(),
        )  # fmt: skip

    def initiator(self) -> None:
        """Let the initiator say something, mostly what a leg or the auction allows."""
        targets = self.oracle.targets() or self.names
        receivers = self.random.choice([(), targets, targets[:1], [self.random.choice(targets)]])
        if self._some(0.1):
            receivers = self.random.choices(self.names, k=self.random.randint(1, 3))
        name = receivers[0] if receivers else targets[0]
        act = self._act(self.oracle.likely("I", name))
        if self._some(0.08):
            act = self.random.choice(["cancel", "cancel", "not-understood"])
        quoted = self.oracle.sides[name].last("P")
        strict = act in {"accept-proposal", "reject-proposal", "propose", "not-understood"}
        self.tell(
            "I", act, INITIATOR, tuple(receivers), reply_with=self.random.choice(TOKENS),
            in_reply_to=self._quote(quoted) if strict or self._some(0.3) else None, reply_by=self._reply_by(),
            reply_to=self._reply_to(),
        )  # fmt: skip

    def noise(self) -> None:
        """Let anybody say anything to anybody."""
        everybody = [INITIATOR, NOBODY, *self.names]
        sender = self.random.choice(everybody)
        role = {INITIATOR: "I", NOBODY: "X"}.get(sender, "P")
        receivers = tuple(self.random.choices(everybody, k=self.random.randint(0, 3)))
        self.tell(
            role, self.random.choice(ACTS), sender, receivers, in_reply_to=self.random.choice(TOKENS),
            protocol=self.random.choice([*GIVEN, self.protocol.name]),
        )  # fmt: skip

    def ams(self) -> None:
        """Let the platform report a delivery that failed, or say what counts for nothing."""
        about = self.random.choice([INITIATOR, *self.names])
        act = self.random.choice(["failure", "failure", "inform", "not-understood"])
        self.tell("A", act, "ams@caxton", (INITIATOR,), about=about)

    def read(self) -> None:
        """Let time pass and read."""
        self.now += self.random.randint(1, 12)
        self.oracle.pass_time(self.now)
        self.conversation = fire_timers(self.protocol, self.conversation, now=self.now)
        self.check()

    def move(self) -> None:
        """Let something happen."""
        moves = [self.participant, self.initiator, self.noise, self.ams, self.read]
        self.random.choices(moves, [50, 40, 4, 1, 5])[0]()

    def check(self) -> None:
        """Both name the same state, outcome and leg outcomes, and the value is consistent."""
        value = self.conversation
        assert state(self.protocol, value) == self.oracle.state()
        assert outcome(self.protocol, value) == self.oracle.outcome()
        ends = {name: leg.state for name, leg in value.legs.items() if leg.state in OUTCOMES}
        assert ends == {n: s.state for n, s in self.oracle.sides.items() if s.state in FINISHED}
        assert value.open_legs == len(value.legs) - len(ends)
        swept = self.protocol.swept
        assert value.swept == sum(leg.state in swept for leg in value.legs.values())
        due = [leg.deadline for leg in value.legs.values()] + [value.expires_at]
        due += [value.floor.round.deadline] if value.floor else []
        if value.open_legs:
            assert value.next_deadline is not None
            assert value.next_deadline <= min(at for at in due if at is not None)
        else:
            assert value.next_deadline is None
        encoded = msgspec.msgpack.encode(value)
        assert msgspec.msgpack.decode(encoded, type=Conversation) == value

    def finish(self) -> None:
        """Whatever was said, the time-to-live ends it."""
        self.now += 1000
        self.oracle.pass_time(self.now)
        self.conversation = fire_timers(self.protocol, self.conversation, now=self.now)
        self.check()
        assert self.conversation.terminal
        self.tally[self.protocol.name, f"ends {self.oracle.outcome()}"] += 1


def play(many: int, number: int) -> Counter[tuple[str, str]]:
    """Play some conversations, the same ones for the same seed."""
    tally: Counter[tuple[str, str]] = Counter()
    for each in range(many):
        random = Random(f"{number} {each}")
        try:
            game = Game(random, tally)
            for _ in range(random.randint(5, 40)):
                game.move()
                if game.conversation.terminal and random.random() < 0.5:
                    break
            game.finish()
        except AssertionError as error:
            error.add_note(f"conversation {each} of seed {number}")
            raise
    return tally


if __name__ == "__main__":
    started = time.perf_counter()
    counts = play(int(sys.argv[1]), int(sys.argv[2]))
    took = time.perf_counter() - started
    sys.stdout.write(f"seed {sys.argv[2]}: {sys.argv[1]} conversations in {took:.0f} s\n")
    for (protocol, what), count in sorted(counts.items()):
        if what.startswith("row "):
            continue
        sys.stdout.write(f"{protocol:28} {what:26} {count:9}\n")
