"""Random moves of random agents: the engine and the oracle must never disagree."""

from __future__ import annotations

import os

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
from caxton_core.registry import load
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.plugins.protocols.oracle import FINISHED, ROWS, Oracle, Said

# Auctions are played in test_auctions.py and by the cases of examples/conformance.
PROTOCOLS = {
    protocol.name: protocol for protocol in load().unwrap().protocols() if protocol.name in ROWS
}
INITIATOR = "boss@caxton"
TTL = 60
LIKELY = [
    "agree", "refuse", "inform", "failure", "propose", "accept-proposal", "reject-proposal", "cancel",
    "not-understood",
]  # fmt: skip
ACTS = [*LIKELY, "request", "cfp", "confirm", "subscribe"]
TOKENS = [None, "a", "b", "c"]
OPTIONAL_DELAY = st.none() | st.integers(0, 20)
REPLY_TO = st.sampled_from([(), (), ("desk@caxton",)])


class RandomConversation(RuleBasedStateMachine):
    """One conversation, told the same to both."""

    conversation: Conversation
    oracle: Oracle

    @initialize(
        name=st.sampled_from(sorted(PROTOCOLS)),
        size=st.integers(1, 4),
        token=st.sampled_from(TOKENS),
        reply_by=OPTIONAL_DELAY,
        reply_to=REPLY_TO,
    )
    def begin(
        self,
        name: str,
        size: int,
        token: str | None,
        reply_by: int | None,
        reply_to: tuple[str, ...],
    ) -> None:
        """Open a conversation of one protocol with a few participants."""
        self.now, self.count = 1000, 0
        self.protocol = PROTOCOLS[name]
        opener, size = next(iter(self.protocol.openers)), 1 if self.protocol.single else size
        self.names = [f"p{number}@caxton" for number in range(size)]
        deadline = None if reply_by is None else self.now + reply_by
        opened = open_conversation(
            self.protocol,
            id="c",
            initiator=INITIATOR,
            participants=self.names,
            performative=opener,
            message_id="id0",
            now=self.now,
            reply_with=token,
            reply_by_ms=deadline,
            reply_to=reply_to,
            expires_at=self.now + TTL,
        )
        assert isinstance(opened, Admission)
        self.conversation = opened.conversation
        said = Said(
            self.now, "I", opener, "id0", reply_with=token, reply_by=deadline, reply_to=reply_to
        )
        self.oracle = Oracle(name, INITIATOR, said, self.names, TTL)

    def tell(self, said: Said) -> None:
        """Tell both one message; they must agree on the verdict and its reason."""
        before = self.conversation
        verdict = admit(
            self.protocol,
            before,
            performative=said.act,
            sender=said.sender,
            message_id=said.id,
            now=said.time,
            receivers=said.receivers,
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

    def _id(self, delay: int) -> str:
        self.count += 1
        self.now += delay
        return f"id{self.count}"

    @rule(
        data=st.data(),
        act=st.none() | st.sampled_from(LIKELY),
        token=st.sampled_from(TOKENS),
        reply_by=OPTIONAL_DELAY,
        delay=st.sampled_from([0, 0, 1, 5]),
    )
    def participant(
        self,
        data: st.DataObject,
        act: str | None,
        token: str | None,
        reply_by: int | None,
        delay: int,
    ) -> None:
        """Let a participant say something likely, mostly what its state allows."""
        name = data.draw(st.sampled_from(list(self.oracle.open_sides()) or self.names))
        cancel = self.oracle.sides[name].cancel
        if act is None:
            triggers = self.oracle.machine.get_triggers(self.oracle.sides[name].state)
            legal = [event[2:] for event in triggers if event.startswith("P ")]
            act = data.draw(st.sampled_from(legal or LIKELY))
        quoted = [s for s in (self.oracle.sides[name].last("I"), cancel) if s]
        tokens = [t for said in quoted for t in (said.reply_with, said.id)]
        identity = self._id(delay)
        self.tell(
            Said(
                self.now,
                "P",
                act,
                identity,
                name,
                data.draw(st.sampled_from([(), (INITIATOR,), ("desk@caxton",), (INITIATOR, name)])),
                token,
                data.draw(st.sampled_from([*tokens, *tokens, *TOKENS])),
                None if reply_by is None else self.now + reply_by,
            )
        )

    @rule(
        data=st.data(),
        act=st.sampled_from(
            ["accept-proposal", "reject-proposal", "cfp", "propose", "cancel", "not-understood"]
        ),
        token=st.sampled_from(TOKENS),
        reply_by=OPTIONAL_DELAY,
        reply_to=REPLY_TO,
        delay=st.sampled_from([0, 0, 1, 5]),
    )
    def initiator(
        self,
        data: st.DataObject,
        act: str,
        token: str | None,
        reply_by: int | None,
        reply_to: tuple[str, ...],
        delay: int,
    ) -> None:
        """Let the initiator say something likely to none, one or several."""
        receivers = tuple(data.draw(st.lists(st.sampled_from(self.names), max_size=3)))
        name = receivers[0] if receivers else self.names[0]
        heard = self.oracle.sides[name].last("P")
        tokens = [heard.reply_with, heard.id] if heard else []
        identity = self._id(delay)
        self.tell(
            Said(
                self.now,
                "I",
                act,
                identity,
                INITIATOR,
                receivers,
                token,
                data.draw(st.sampled_from([*tokens, *tokens, *tokens, *TOKENS])),
                None if reply_by is None else self.now + reply_by,
                reply_to,
            )
        )

    @rule(
        data=st.data(),
        act=st.sampled_from(ACTS),
        given=st.sampled_from([None, None, "fipa-request", "fipa-contract-net", "other"]),
    )
    def noise(self, data: st.DataObject, act: str, given: str | None) -> None:
        """Let anybody say anything to anybody."""
        sender = data.draw(st.sampled_from([INITIATOR, "nobody@caxton", *self.names]))
        receivers = data.draw(
            st.lists(st.sampled_from([INITIATOR, "nobody@caxton", *self.names]), max_size=3)
        )
        role = {INITIATOR: "I", "nobody@caxton": "X"}.get(sender, "P")
        token = data.draw(st.sampled_from(TOKENS))
        identity = self._id(0)
        self.tell(
            Said(
                self.now, role, act, identity, sender, tuple(receivers), None, token, protocol=given
            )
        )

    @precondition(lambda self: self.count > 2)
    @rule(data=st.data(), act=st.sampled_from(["failure", "failure", "inform", "not-understood"]))
    def ams(self, data: st.DataObject, act: str) -> None:
        """Let the platform report a failed delivery."""
        about = data.draw(st.sampled_from([INITIATOR, *self.names]))
        self.tell(Said(self.now, "A", act, self._id(0), "ams@caxton", (INITIATOR,), about=about))

    @rule(delay=st.integers(1, 12))
    def read(self, delay: int) -> None:
        """Let time pass and read."""
        self.now += delay
        self.oracle.pass_time(self.now)
        self.conversation = fire_timers(self.protocol, self.conversation, now=self.now)

    @invariant()
    def same(self) -> None:
        """Both name the same state, outcome and leg outcomes, and the value is consistent."""
        value = self.conversation
        assert state(self.protocol, value) == self.oracle.state()
        assert outcome(self.protocol, value) == self.oracle.outcome()
        ends = {name: leg.state for name, leg in value.legs.items() if leg.state in OUTCOMES}
        assert ends == {n: s.state for n, s in self.oracle.sides.items() if s.state in FINISHED}
        assert value.open_legs == len(value.legs) - len(ends)
        deadlines = [leg.deadline for leg in value.legs.values() if leg.deadline is not None]
        if value.open_legs:
            assert value.next_deadline is not None
            assert value.next_deadline <= min([*deadlines, 1000 + TTL])
        else:
            assert value.next_deadline is None
        encoded = msgspec.msgpack.encode(value)
        assert msgspec.msgpack.decode(encoded, type=Conversation) == value

    def teardown(self) -> None:
        """Whatever was said, the time-to-live ends it."""
        if hasattr(self, "conversation"):
            late = fire_timers(self.protocol, self.conversation, now=1000 + TTL + self.now)
            assert late.terminal
            assert outcome(self.protocol, late) is not None


def test_engine_and_oracle_agree() -> None:
    """Whatever is said by whomever, both give the same verdicts, states and outcomes."""
    many = int(os.environ.get("CAXTON_TEST_CONVERSATIONS", "250"))
    run_state_machine_as_test(
        RandomConversation,
        settings=settings(
            max_examples=many,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
