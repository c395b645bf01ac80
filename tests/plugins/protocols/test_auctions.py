"""Auctions (FIPA XC00031, XC00032), whose state is the conversation's: rounds, drops, and how they end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from caxton_core.conversations import (
    Admission,
    Conversation,
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
from caxton_core.conversations_changes import apply_change, change_between
from caxton_core.conversations_protocols import Sweep
from caxton_core.tables import Table, Transition
from caxton_plugins.protocols.auctions import ENGLISH, PROTOCOLS, EnglishState

AUCTION, DUTCH = PROTOCOLS
ME, A, B, C = "me@caxton", "a@caxton", "b@caxton", "c@caxton"


class Play:
    """One auction, told move by move."""

    def __init__(self, protocol: Protocol, *bidders: str, act: str = "cfp") -> None:
        self.protocol = protocol
        opened = open_conversation(
            protocol,
            id="c",
            initiator=ME,
            participants=bidders,
            performative=act,
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
            self.protocol, self.now, performative=act, sender=sender, receivers=receivers, message_id="m", now=at,
            platform="caxton", **given,
        )  # fmt: skip
        if isinstance(verdict, Rejection):
            self.now = verdict.conversation or self.now
            return verdict.reason
        after = verdict.conversation
        assert apply_change(self.now, change_between(self.now, after)) == after
        encoded = msgspec.msgpack.encode(after)
        self.now = msgspec.msgpack.decode(encoded, type=Conversation)
        assert self.now == verdict.conversation
        return None

    def end(self) -> tuple[str, str | None]:
        """Return the state and the outcome."""
        return state(self.protocol, self.now), outcome(self.protocol, self.now)

    def legs(self) -> list[str | None]:
        """Return the outcome of every leg."""
        return [leg_outcome(self.now, name) for name in self.now.legs]


@pytest.fixture
def play() -> Play:
    """Open an English auction with two bidders."""
    return Play(AUCTION, A, B)


@pytest.fixture
def dutch() -> Play:
    """Open a Dutch auction with three bidders."""
    return Play(DUTCH, A, B, C)


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
    assert play.now.floor is not None
    assert play.now.floor.round.deadline == 20
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
    assert not any(play.now.floor.round.bids.values())
    assert play.say("cancel", ME, B, reply_with="x") is None
    assert play.end() == ("cancelling", None)
    assert play.say("propose", B) is None
    assert play.say("inform", B, in_reply_to="x") is None
    assert not any(play.now.floor.round.bids.values())
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


def test_an_announcement_is_one_message_before_the_first_call() -> None:
    """5.7: bids wait for the call; a second announcement, and its reply-by, mean nothing."""
    play = Play(AUCTION, A, B, act="inform")
    assert play.end() == ("announced", None)
    assert play.say("propose", A) == "out-of-sequence"
    assert play.say("inform", ME) == "out-of-sequence"
    assert fire_timers(AUCTION, play.now, now=11) is play.now
    assert play.say("cfp", ME, reply_by_ms=20, at=15) is None
    assert play.end() == ("bidding", None)


@pytest.mark.parametrize("act", ["refuse", "agree", "inform", "failure"])
def test_not_to_bid_is_to_be_silent(play: Play, act: str) -> None:
    """5.7: a bidder has no other act than its bid."""
    assert play.say(act, A) == "out-of-sequence"


def test_one_bid_is_accepted_in_a_round(play: Play) -> None:
    """5.7: the second acceptance, a bid after it and a call before the last answer are illegal; the leader may bid again."""
    assert play.say("propose", A) is None
    assert play.say("propose", B) is None
    assert play.say("accept-proposal", ME, A) is None
    assert play.say("accept-proposal", ME, B) == "out-of-sequence"
    assert play.say("inform", ME) == "out-of-sequence"
    assert play.say("reject-proposal", ME, A, B) == "out-of-sequence"
    assert play.say("reject-proposal", ME, B) is None
    assert play.say("cfp", ME) is None
    assert play.say("propose", A) is None
    assert play.say("cfp", ME) == "out-of-sequence"
    assert play.say("reject-proposal", ME, A) is None
    assert play.say("cfp", ME) == "out-of-sequence"
    assert play.say("inform", ME) is None
    assert play.end() == ("closing", None)


def test_below_the_reserve_the_leader_is_rejected(play: Play) -> None:
    """5.7: closing ends with a rejection of the leader alone, and nobody has bought."""
    assert play.say("propose", A) is None
    assert play.say("accept-proposal", ME, A) is None
    assert play.say("inform", ME) is None
    assert play.say("propose", B) == "out-of-sequence"
    assert play.say("reject-proposal", ME, B) == "out-of-sequence"
    assert play.say("reject-proposal", ME, A) is None
    assert play.end() == ("completed", "unsold")
    assert play.legs() == ["rejected", "rejected"]


def test_a_sale_is_done_for_the_buyer_alone(play: Play) -> None:
    """The buyer's leg is done, the other open ones are rejected."""
    assert play.say("propose", B) is None
    assert play.say("accept-proposal", ME, B) is None
    assert play.say("inform", ME, A) is None
    assert play.say("request", ME, B) is None
    assert play.legs() == ["rejected", "done"]


def test_time_ends_even_a_closing_auction(play: Play) -> None:
    """5.7: the leader lost by the time-to-live is the general rule's."""
    assert play.say("propose", A) is None
    assert play.say("accept-proposal", ME, A) is None
    assert play.say("inform", ME) is None
    late = fire_timers(AUCTION, play.now, now=101)
    assert (state(AUCTION, late), outcome(AUCTION, late)) == ("expired", "expired")


def test_a_dutch_auction_sells_to_the_first(dutch: Play) -> None:
    """5.8: only the first unanswered bid can be accepted, and the last rejection completes the sale."""
    assert [dutch.say("propose", name) for name in (B, A, C)] == [None, None, None]
    assert dutch.say("accept-proposal", ME, A) == "out-of-sequence"
    assert dutch.say("reject-proposal", ME, B) is None
    assert dutch.say("accept-proposal", ME, A) is None
    assert dutch.end() == ("deciding", None)
    for act, receivers in (("accept-proposal", [C]), ("cfp", []), ("inform", []), ("request", [A])):
        assert dutch.say(act, ME, *receivers) == "out-of-sequence"
    assert dutch.say("propose", B) == "out-of-sequence"
    assert dutch.say("reject-proposal", ME, C) is None
    assert dutch.end() == ("completed", "sold")
    assert dutch.legs() == ["done", "rejected", "rejected"]


def test_a_single_bid_is_sold_at_once(dutch: Play) -> None:
    """5.8: with no bid left to answer the acceptance completes it, also after the round's end."""
    assert dutch.say("propose", C, at=10) is None
    assert dutch.say("accept-proposal", ME, C, at=11) is None
    assert dutch.end() == ("completed", "sold")


def test_the_price_falls_before_the_deadline_too(dutch: Play) -> None:
    """5.8: a new round needs no end of the last, only that nothing is sold and nobody waits."""
    assert dutch.say("cfp", ME, reply_by_ms=20) is None
    assert dutch.say("propose", A) is None
    assert dutch.say("cfp", ME) == "out-of-sequence"
    assert dutch.say("inform", ME) == "out-of-sequence"
    assert dutch.say("reject-proposal", ME, A) is None
    assert dutch.say("inform", ME) is None
    assert dutch.end() == ("completed", "unsold")


def test_sold_is_sold_however_the_others_end(dutch: Play) -> None:
    """5.8: a drop that leaves no bid unanswered completes it, the time-to-live and the buyer's drop too."""
    assert [dutch.say("propose", name) for name in (A, B)] == [None, None]
    assert dutch.say("accept-proposal", ME, A) is None
    sold = ("completed", "sold")
    late = fire_timers(DUTCH, dutch.now, now=101)
    assert (state(DUTCH, late), outcome(DUTCH, late)) == sold
    gone = fail_leg(DUTCH, dutch.now, B, now=1)
    assert (state(DUTCH, gone), outcome(DUTCH, gone)) == sold
    assert dutch.say("not-understood", A) is None
    assert dutch.end() == ("deciding", None)
    assert dutch.say("reject-proposal", ME, B) is None
    assert dutch.end() == sold


def test_hooks_on_unknown_events_are_a_bug() -> None:
    """A protocol that marks, sweeps or bars what its table lacks, or whose conditions nobody judges, is refused."""
    for wrong in (
        {"marks": {"initiator:ask": "asked"}},
        {"bars": {"initiator:ask": lambda conversation: True}},
        {"sweeps": (Sweep("initiator:ask", EnglishState.BIDDING, EnglishState.SOLD),)},
    ):
        with pytest.raises(ValueError, match="initiator:ask"):
            Protocol("wrong", ENGLISH, **wrong)
    with pytest.raises(ValueError, match="nobody judges"):
        Protocol("wrong", ENGLISH)
    row: Transition[Any, Any] = Transition("ask", (EnglishState.INITIAL,), EnglishState.BIDDING)
    with pytest.raises(ValueError, match="names no role"):
        Protocol("wrong", Table("x", EnglishState.INITIAL, row))
    assert repr(AUCTION) == "Protocol('fipa-auction-english')"
