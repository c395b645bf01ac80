"""Conversation-wide protocols: an English auction (FIPA XC00031) played through the hooks of `Rounds`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
import pytest
from caxton_core.conversations import (
    Admission,
    Conversation,
    Floor,
    Leg,
    Protocol,
    Rejection,
    admit,
    fail_leg,
    fire_timers,
    leg_outcome,
    open_conversation,
    outcome,
    state,
)
from caxton_core.conversations_protocols import Sweep
from caxton_core.tables import Table, Transition


class Auction(StrEnum):
    """The states of the conversation."""

    INITIAL = "initial"
    BIDDING = "bidding"
    DECIDING = "deciding"
    CLOSING = "closing"
    DONE = "done"


_ = Auction
BOTH = (_.BIDDING, _.DECIDING)
TABLE = Table(
    "auction",
    _.INITIAL,
    Transition[Any, Any]("initiator:cfp", (_.INITIAL, _.DECIDING), _.BIDDING),
    Transition[Any, Any]("participant:propose", (_.BIDDING,), _.BIDDING),
    Transition[Any, Any]("timer:round", (_.BIDDING,), _.DECIDING),
    Transition[Any, Any]("initiator:accept-proposal", BOTH, _.DECIDING),
    Transition[Any, Any]("initiator:reject-proposal", BOTH, _.DECIDING),
    Transition[Any, Any]("initiator:inform", BOTH, _.CLOSING),
    Transition[Any, Any]("initiator:request", (_.CLOSING,), _.DONE),
)
replace = msgspec.structs.replace


class English:
    """The conditions of the rounds."""

    def open(self, act: str, reply_by: int | None, /) -> Floor:
        """Begin with the first round."""
        return Floor("bidding", 1, reply_by)

    def move(
        self, floor: Floor, legs: Mapping[str, Leg], event: str, parties: tuple[str, ...],
        reply_by: int | None, /,
    ) -> Floor | None:  # fmt: skip
        """Judge bids, decisions, rounds and the end."""
        waiting, [party, *more] = floor.waiting, parties
        match event:
            case "participant:propose" if party not in floor.heard:
                return replace(floor, waiting=(*waiting, party), heard=(*floor.heard, party))
            case "initiator:accept-proposal" if not more and party in waiting:
                rest = tuple(name for name in waiting if name != party)
                return replace(floor, state="deciding", deadline=None, leader=party, waiting=rest)
            case "initiator:reject-proposal" if set(parties) <= set(waiting):
                return replace(floor, waiting=tuple(n for n in waiting if n not in parties))
            case "initiator:cfp" if floor.leader and not waiting:
                return Floor("bidding", floor.round + 1, reply_by, floor.leader)
            case "initiator:inform" if not waiting and floor.leader:
                return replace(floor, state="closing", deadline=None)
            case "initiator:inform" if not waiting:
                return replace(floor, result="unsold", ended=True)
            case "initiator:request" if parties == (floor.leader,):
                return replace(floor, result="sold", ended=True)
        return None

    def drop(self, floor: Floor, party: str, /) -> Floor:
        """Take back the bid and the lead of who is gone."""
        floor = replace(floor, waiting=tuple(name for name in floor.waiting if name != party))
        if floor.leader != party:
            return floor
        lost = floor.state == "closing"
        return replace(floor, leader="", result="unsold" if lost else "", ended=lost)

    def timeout(self, floor: Floor, /) -> Floor:
        """End the bidding of this round."""
        return replace(floor, state="deciding", deadline=None)


AUCTION = Protocol("auction", TABLE, rounds=English())
ME, A, B = "me@caxton", "a@caxton", "b@caxton"


class Play:
    """One auction, told move by move."""

    def __init__(self) -> None:
        opened = open_conversation(
            AUCTION,
            id="c",
            initiator=ME,
            participants=[A, B],
            performative="cfp",
            message_id="m",
            now=0,
            reply_by_ms=10,
            expires_at=100,
        )
        assert isinstance(opened, Admission)
        self.now: Conversation = opened.conversation

    def say(self, act: str, sender: str, *receivers: str, at: int = 1, **given: Any) -> str | None:
        """Judge a move; return the reason when it is illegal."""
        verdict = admit(
            AUCTION, self.now, performative=act, sender=sender, receivers=receivers, message_id="m", now=at,
            platform="caxton", **given,
        )  # fmt: skip
        if isinstance(verdict, Rejection):
            self.now = verdict.conversation or self.now
            return verdict.reason
        encoded = msgspec.msgpack.encode(verdict.conversation)
        self.now = msgspec.msgpack.decode(encoded, type=Conversation)
        assert self.now == verdict.conversation
        return None

    def end(self) -> tuple[str, str | None]:
        """Return the state and the outcome."""
        return state(AUCTION, self.now), outcome(AUCTION, self.now)


@pytest.fixture
def play() -> Play:
    """Open an auction with two bidders."""
    return Play()


def test_an_auction_sells_to_the_leader(play: Play) -> None:
    """Two rounds, a leader, and the sale ends the conversation whatever legs are open."""
    assert play.say("propose", A) is None
    assert play.say("propose", A) == "out-of-sequence"
    assert play.say("propose", B) is None
    assert play.say("accept-proposal", ME) == "out-of-sequence"
    assert play.say("accept-proposal", ME, B) is None
    assert play.say("cfp", ME) == "out-of-sequence"
    assert play.say("reject-proposal", ME, A) is None
    assert play.say("cfp", ME, A, reply_by_ms=20) is None
    assert play.now.next_deadline == 20
    assert play.say("propose", A, at=21) == "out-of-sequence"
    assert play.end() == ("deciding", None)
    assert play.say("inform", ME, at=22) is None
    assert play.end() == ("closing", None)
    assert play.say("request", ME, A, at=22) == "out-of-sequence"
    assert play.say("request", ME, B, at=22) is None
    assert play.end() == ("completed", "sold")
    assert play.now.terminal
    assert play.now.next_deadline is None
    assert play.say("propose", A, at=23) == "terminated"


def test_a_round_closes_no_leg(play: Play) -> None:
    """5.7: the round's reply-by moves the conversation, exactly on it a bid is in time."""
    assert play.say("propose", A, at=10) is None
    assert fire_timers(AUCTION, play.now, now=11).open_legs == 2
    assert play.say("propose", B, at=11) == "out-of-sequence"
    assert play.end() == ("deciding", None)
    assert play.now.next_deadline == 100


def test_an_auction_without_bids_is_unsold(play: Play) -> None:
    """5.7: the end without a leader."""
    assert play.say("inform", ME, at=11) is None
    assert play.end() == ("completed", "unsold")


def test_a_dropped_leader_leaves_the_sale_undone(play: Play) -> None:
    """5.7: `closing` that loses its leader is unsold at once."""
    for act, sender, *receivers in (
        ("propose", A),
        ("accept-proposal", ME, A),
        ("inform", ME),
    ):
        assert play.say(act, sender, *receivers) is None
    failed = fail_leg(AUCTION, play.now, A, now=1)
    assert (state(AUCTION, failed), outcome(AUCTION, failed)) == ("completed", "unsold")
    assert play.say("not-understood", A) is None
    assert play.end() == ("completed", "unsold")


def test_a_bidder_that_leaves_takes_its_bid_along(play: Play) -> None:
    """5.7: not-understood, a failed delivery or a cancel drop the bidder; the rest go on."""
    assert play.say("not-understood", ME, A) == "out-of-sequence"
    assert play.say("propose", A) is None
    assert play.say("not-understood", ME, A) is None
    assert play.now.floor is not None
    assert play.now.floor.waiting == ()
    assert play.say("cancel", ME, B, reply_with="x") is None
    assert play.end() == ("cancelling", None)
    assert play.say("propose", B) is None
    assert play.say("inform", B, in_reply_to="x") is None
    assert play.now.floor.waiting == ()
    assert play.end() == ("cancelled", "cancelled")


def test_the_round_runs_on_while_a_leg_is_cancelling(play: Play) -> None:
    """4.4, 4.6: the round's deadline is not held, the cancel's comes first at the same time."""
    assert play.say("propose", A) is None
    assert play.say("cancel", ME, A, reply_by_ms=10) is None
    assert play.say("propose", B, at=11) == "out-of-sequence"
    assert play.end() == ("deciding", None)
    assert leg_outcome(play.now, A) == "cancelled"


def test_a_round_ends_strictly_after_its_time(play: Play) -> None:
    """4.4: another deadline has passed, the round's is exactly now."""
    assert play.say("cancel", ME, A, reply_by_ms=5) is None
    assert play.say("propose", B, at=10) is None
    assert play.end() == ("bidding", None)
    assert leg_outcome(play.now, A) == "cancelled"


def test_time_ends_an_auction(play: Play) -> None:
    """4.4: at the time-to-live every open leg expires and the general rule says the outcome."""
    late = fire_timers(AUCTION, play.now, now=101)
    assert (state(AUCTION, late), outcome(AUCTION, late)) == ("expired", "expired")


def test_an_act_without_a_row_is_out_of_sequence(play: Play) -> None:
    """The table is asked before the rounds."""
    assert play.say("refuse", A) == "out-of-sequence"
    assert play.say("request", ME, A) == "out-of-sequence"


def test_hooks_on_unknown_events_are_a_bug() -> None:
    """A protocol that marks, sweeps or bars what its table lacks is refused when it is made."""
    for wrong in (
        {"marks": {"initiator:ask": "asked"}},
        {"bars": {"initiator:ask": lambda conversation: True}},
        {"sweeps": (Sweep("initiator:ask", _.BIDDING, _.DONE),)},
    ):
        with pytest.raises(ValueError, match="initiator:ask"):
            Protocol("wrong", TABLE, **wrong)
    with pytest.raises(ValueError, match="names no role"):
        Protocol("wrong", Table("x", _.INITIAL, Transition("ask", (_.INITIAL,), _.BIDDING)))
    assert repr(AUCTION) == "Protocol('auction')"
