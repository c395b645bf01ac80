"""fipa-auction-english (XC00031) and fipa-auction-dutch (XC00032): bids in rounds, one sale at most.

Rules:
- the table is the conversation's; a leg only says who has dropped out;
- a condition that the table can't see is judged here and picks the row: whether a bid is open, leads, is the first;
- English: each round one bid is accepted and its bidder leads; the end is announced, then the leader gets the sale
  or, below the reserve, a rejection. A leader who drops out leaves the lot unsold;
- Dutch: the first unanswered bid is the sale, and sold is sold however the other legs end.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, TypeAlias

from caxton_core.conversations_protocols import Protocol, Ruling
from caxton_core.conversations_values import Round
from caxton_core.hookspecs import hookimpl
from caxton_core.tables import Table, Transition

from caxton_plugins.protocols.auctions_initiator import DUTCH_INITIATIVE, ENGLISH_INITIATIVE

__all__ = [
    "DUTCH", "ENGLISH", "PROTOCOLS", "DutchRounds", "DutchState", "EnglishRounds", "EnglishState", "caxton_api", "caxton_protocols",
]  # fmt: skip

caxton_api = 1


class EnglishState(StrEnum):
    """Where an English auction stands."""

    INITIAL = "initial"
    ANNOUNCED = "announced"
    BIDDING = "bidding"
    DECIDING = "deciding"
    CLOSING = "closing"
    SOLD = "sold"
    UNSOLD = "unsold"


class DutchState(StrEnum):
    """Where a Dutch auction stands; one that is sold is `deciding` while bids are unanswered."""

    INITIAL = "initial"
    ANNOUNCED = "announced"
    BIDDING = "bidding"
    DECIDING = "deciding"
    SOLD = "sold"
    UNSOLD = "unsold"


# The rows of English auctions.
_ = EnglishState
Initial: TypeAlias = Literal[EnglishState.INITIAL]
Announced: TypeAlias = Literal[EnglishState.ANNOUNCED]
Bidding: TypeAlias = Literal[EnglishState.BIDDING]
Deciding: TypeAlias = Literal[EnglishState.DECIDING]
Closing: TypeAlias = Literal[EnglishState.CLOSING]
Sold: TypeAlias = Literal[EnglishState.SOLD]
Unsold: TypeAlias = Literal[EnglishState.UNSOLD]
Open: TypeAlias = Bidding | Deciding
OPEN: Final = (_.BIDDING, _.DECIDING)

ANNOUNCE: Transition[Initial, Announced] = Transition(
    "initiator:inform/announcement", (_.INITIAL,), _.ANNOUNCED
)
CALL: Transition[Initial | Announced, Bidding] = Transition(
    "initiator:cfp/first", (_.INITIAL, _.ANNOUNCED), _.BIDDING
)
BID: Transition[Bidding, Bidding] = Transition("participant:propose", (_.BIDDING,), _.BIDDING)
ROUND_OVER: Transition[Bidding, Deciding] = Transition("timer:round", (_.BIDDING,), _.DECIDING)
ACCEPT: Transition[Open, Deciding] = Transition("initiator:accept-proposal/bid", OPEN, _.DECIDING)
REJECT: Transition[Bidding, Bidding] = Transition(
    "initiator:reject-proposal/bid", (_.BIDDING,), _.BIDDING
)
REJECT_LATER: Transition[Deciding, Deciding] = Transition(
    "initiator:reject-proposal/bid", (_.DECIDING,), _.DECIDING
)
RAISE: Transition[Deciding, Bidding] = Transition("initiator:cfp/next", (_.DECIDING,), _.BIDDING)
END: Transition[Open, Closing] = Transition("initiator:inform/leader", OPEN, _.CLOSING)
END_UNSOLD: Transition[Open, Unsold] = Transition("initiator:inform/no-leader", OPEN, _.UNSOLD)
SELL: Transition[Closing, Sold] = Transition("initiator:request/leader", (_.CLOSING,), _.SOLD)
WITHHOLD: Transition[Closing, Unsold] = Transition(
    "initiator:reject-proposal/leader", (_.CLOSING,), _.UNSOLD
)
LEADER_GONE: Transition[Closing, Unsold] = Transition("leg:closed/leader", (_.CLOSING,), _.UNSOLD)
ENGLISH = Table(
    "fipa-auction-english", _.INITIAL, ANNOUNCE, CALL, BID, ROUND_OVER, ACCEPT, REJECT, REJECT_LATER, RAISE, END,
    END_UNSOLD, SELL, WITHHOLD, LEADER_GONE,
)  # fmt: skip

# The rows of Dutch auctions.
__ = DutchState
DutchInitial: TypeAlias = Literal[DutchState.INITIAL]
DutchAnnounced: TypeAlias = Literal[DutchState.ANNOUNCED]
DutchBidding: TypeAlias = Literal[DutchState.BIDDING]
DutchDeciding: TypeAlias = Literal[DutchState.DECIDING]
DutchSold: TypeAlias = Literal[DutchState.SOLD]
DutchUnsold: TypeAlias = Literal[DutchState.UNSOLD]
DutchOpen: TypeAlias = DutchBidding | DutchDeciding
DUTCH_OPEN: Final = (__.BIDDING, __.DECIDING)

DUTCH_ANNOUNCE: Transition[DutchInitial, DutchAnnounced] = Transition(
    "initiator:inform/announcement", (__.INITIAL,), __.ANNOUNCED
)
DUTCH_CALL: Transition[DutchInitial | DutchAnnounced, DutchBidding] = Transition(
    "initiator:cfp/first", (__.INITIAL, __.ANNOUNCED), __.BIDDING
)
DUTCH_BID: Transition[DutchBidding, DutchBidding] = Transition(
    "participant:propose", (__.BIDDING,), __.BIDDING
)
DUTCH_ROUND_OVER: Transition[DutchBidding, DutchDeciding] = Transition(
    "timer:round", (__.BIDDING,), __.DECIDING
)
TAKE_ONLY: Transition[DutchOpen, DutchSold] = Transition(
    "initiator:accept-proposal/only", DUTCH_OPEN, __.SOLD
)
TAKE_FIRST: Transition[DutchOpen, DutchDeciding] = Transition(
    "initiator:accept-proposal/first", DUTCH_OPEN, __.DECIDING
)
DUTCH_REJECT: Transition[DutchBidding, DutchBidding] = Transition(
    "initiator:reject-proposal/bid", (__.BIDDING,), __.BIDDING
)
DUTCH_REJECT_LATER: Transition[DutchDeciding, DutchDeciding] = Transition(
    "initiator:reject-proposal/bid", (__.DECIDING,), __.DECIDING
)
REJECT_LAST: Transition[DutchDeciding, DutchSold] = Transition(
    "initiator:reject-proposal/last", (__.DECIDING,), __.SOLD
)
LOWER: Transition[DutchOpen, DutchBidding] = Transition(
    "initiator:cfp/next", DUTCH_OPEN, __.BIDDING
)
GIVE_UP: Transition[DutchOpen, DutchUnsold] = Transition(
    "initiator:inform/nothing-sold", DUTCH_OPEN, __.UNSOLD
)
LAST_GONE: Transition[DutchDeciding, DutchSold] = Transition(
    "leg:closed/last", (__.DECIDING,), __.SOLD
)
TIME_UP: Transition[DutchDeciding, DutchSold] = Transition(
    "timer:time-to-live/sold", (__.DECIDING,), __.SOLD
)
DUTCH = Table(
    "fipa-auction-dutch", __.INITIAL, DUTCH_ANNOUNCE, DUTCH_CALL, DUTCH_BID, DUTCH_ROUND_OVER, TAKE_ONLY, TAKE_FIRST,
    DUTCH_REJECT, DUTCH_REJECT_LATER, REJECT_LAST, LOWER, GIVE_UP, LAST_GONE, TIME_UP,
)  # fmt: skip


def _anybody(round: Round) -> bool:
    """Tell whether a bid is unanswered."""
    return True in round.bids.values()


def _first(round: Round) -> tuple[str, ...]:
    """Name who has waited longest for an answer, if anybody waits."""
    return next(((name,) for name, waits in round.bids.items() if waits), ())


def _answered(
    round: Round, parties: tuple[str, ...], leader: str | None = None, *, taken: bool = False
) -> Round:
    """Take note that bids are answered, or gone with their bidders; `leader` is the new one."""
    bids = round.bids.copy()
    for party in parties:
        if party in bids:
            bids[party] = False
    lead = round.leader if leader is None else leader
    return Round(round.number, round.deadline, lead, taken or round.taken, bids)


def _bid(round: Round, party: str) -> Ruling | None:
    """Record a bid: one of a bidder in a round."""
    if party in round.bids:
        return None
    bids = round.bids.copy()
    bids[party] = True
    return "", Round(round.number, round.deadline, round.leader, round.taken, bids)


class EnglishRounds:
    """The conditions of an English auction."""

    def judge(
        self, round: Round, event: str, parties: tuple[str, ...], reply_by: int | None, /
    ) -> Ruling | None:
        """Say which condition holds and what is remembered."""
        if event == "participant:propose":
            return _bid(round, parties[0])
        waiting, bids_only = _anybody(round), all(map(round.bids.get, parties))
        match event:
            case "initiator:inform" if not round.number:
                return "announcement", round
            case "initiator:cfp" if not round.number:
                return "first", Round(1, reply_by)
            case "initiator:cfp" if round.taken and not waiting:
                return "next", Round(round.number + 1, reply_by, round.leader)
            case "initiator:accept-proposal" if bids_only and len(parties) == 1 and not round.taken:
                return "bid", _answered(round, parties, parties[0], taken=True)
            case "initiator:reject-proposal" if bids_only:
                return "bid", _answered(round, parties)
            case "initiator:reject-proposal" if parties == (round.leader,):
                return "leader", _answered(round, (), "")
            case "initiator:inform" if not waiting:
                return "leader" if round.leader else "no-leader", round
            case "initiator:request" if parties == (round.leader,):
                return "leader", round
            case "leg:closed" if round.leader in parties:
                return "leader", _answered(round, parties, "")
            case "leg:closed":
                return "", _answered(round, parties)
        return None


class DutchRounds:
    """The conditions of a Dutch auction; its leader is the buyer."""

    def judge(
        self, round: Round, event: str, parties: tuple[str, ...], reply_by: int | None, /
    ) -> Ruling | None:
        """Say which condition holds and what is remembered."""
        if event == "participant:propose":
            return _bid(round, parties[0])
        waiting, bids_only = _anybody(round), all(map(round.bids.get, parties))
        sold = bool(round.leader)
        match event:
            case "initiator:inform" if not round.number:
                return "announcement", round
            case "initiator:cfp" if not round.number:
                return "first", Round(1, reply_by)
            case "initiator:cfp" if not sold and not waiting:
                return "next", Round(round.number + 1, reply_by)
            case "initiator:inform" if not sold and not waiting:
                return "nothing-sold", round
            case "initiator:accept-proposal" if not sold and parties == _first(round):
                left = _answered(round, parties, parties[0])
                return "first" if _anybody(left) else "only", left
            case "initiator:reject-proposal" if bids_only:
                left = _answered(round, parties)
                return "last" if sold and not _anybody(left) else "bid", left
            case "leg:closed":
                left = _answered(round, parties)
                return "last" if sold and not _anybody(left) else "", left
            case "timer:time-to-live" if sold:
                return "sold", round
        return None


PROTOCOLS = (
    Protocol(
        "fipa-auction-english", ENGLISH, aliases=("fipa-english-auction",), rounds=EnglishRounds(),
        initiative=ENGLISH_INITIATIVE,
    ),
    Protocol(
        "fipa-auction-dutch", DUTCH, aliases=("fipa-dutch-auction",), rounds=DutchRounds(),
        initiative=DUTCH_INITIATIVE,
    ),
)  # fmt: skip


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add both protocols."""
    return list(PROTOCOLS)
