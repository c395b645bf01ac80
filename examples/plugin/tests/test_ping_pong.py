"""`x-ping-pong` in Caxton's conversation engine."""

from __future__ import annotations

import pytest
from caxton_core import conversations
from caxton_core.conversations import Admission, Conversation, Rejection
from caxton_core.tables import Table
from caxton_example.ping_pong import PING_PONG, PROTOCOL, PingPongState

ANN, BEN = "ann@caxton", "ben@caxton"


def serve(*, reply_by_ms: int | None = None) -> Conversation:
    """Open a rally between ann and ben."""
    opened = conversations.open_conversation(
        PROTOCOL,
        id="c",
        initiator=ANN,
        participants=(BEN,),
        performative="request",
        message_id="m0",
        now=0,
        reply_by_ms=reply_by_ms,
    )
    assert type(opened) is Admission
    return opened.conversation


def say(conversation: Conversation, sender: str, act: str, number: int) -> Admission | Rejection:
    """Let one side speak, quoting the message before."""
    return conversations.admit(
        PROTOCOL,
        conversation,
        performative=act,
        sender=sender,
        receivers=(BEN if sender == ANN else ANN,),
        message_id=f"m{number}",
        in_reply_to=f"m{number - 1}" if number > 1 or sender == BEN else None,
        now=number,
    )


def play(*turns: tuple[str, str]) -> str:
    """Play turns that are all legal, and return where the conversation stands."""
    conversation = serve()
    for number, (sender, act) in enumerate(turns, start=1):
        admitted = say(conversation, sender, act, number)
        assert type(admitted) is Admission, admitted
        conversation = admitted.conversation
    outcome = conversations.outcome(PROTOCOL, conversation)
    return outcome or conversations.state(PROTOCOL, conversation)


@pytest.mark.parametrize(
    ("turns", "stands"),
    [
        ((), "served"),
        (((BEN, "inform"),), "returned"),
        (((BEN, "inform"), (ANN, "request")), "served"),
        (((BEN, "inform"), (ANN, "request"), (BEN, "inform"), (ANN, "inform")), "success"),
        (((BEN, "refuse"),), "refused"),
        (((BEN, "inform"), (ANN, "request"), (BEN, "refuse")), "refused"),
        (((BEN, "failure"),), "failed"),
    ],
)
def test_a_rally_goes_by_the_table(turns: tuple[tuple[str, str], ...], stands: str) -> None:
    """Serves and returns alternate until somebody ends it."""
    assert play(*turns) == stands


@pytest.mark.parametrize(
    ("sender", "act"), [(ANN, "request"), (ANN, "inform"), (BEN, "propose"), (BEN, "request")]
)
def test_nobody_plays_out_of_turn(sender: str, act: str) -> None:
    """While a serve is in the air only its return, a refusal or a failure is legal."""
    conversation = serve()
    rejected = say(conversation, sender, act, 1)
    assert type(rejected) is Rejection
    assert rejected.reason == "out-of-sequence"


def test_a_return_must_come_in_time() -> None:
    """A serve's reply-by ends the rally."""
    conversation = conversations.fire_timers(PROTOCOL, serve(reply_by_ms=50), now=51)
    assert conversations.outcome(PROTOCOL, conversation) == "expired"


def test_every_state_can_be_reached() -> None:
    """The table has no dead rows."""
    table: Table[PingPongState] = PING_PONG
    assert table.reachable() == frozenset(PingPongState)
