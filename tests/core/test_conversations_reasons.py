"""Every reason for which a message is rejected, in the order of the tests (docs/conversations.md)."""

from __future__ import annotations

import msgspec
from caxton_core.conversations import LIMIT, Admission, Protocol, admit
from caxton_plugins.protocols.contract_net import PROTOCOL as CONTRACT_NET
from caxton_plugins.protocols.request import PROTOCOL as REQUEST

from tests.core.conversation_moves import ME, A, B, after, judged, opened, reason


def test_wrong_protocol() -> None:
    """4.2 test 2: a different protocol is wrong even from a stranger; an alias is not different."""
    conversation = opened()
    assert reason(conversation, "agree", A, protocol_given="fipa-query") == "wrong-protocol"
    assert reason(conversation, "agree", "x@caxton", protocol_given="x") == "wrong-protocol"
    aliased = Protocol("fipa-request", REQUEST.table, aliases=("ask",))
    for name in ("ask", "fipa-request"):
        verdict = admit(
            aliased, conversation, performative="agree", sender=A, message_id="m", now=1, protocol_given=name
        )  # fmt: skip
        assert type(verdict) is Admission


def test_not_a_party() -> None:
    """4.2 tests 3 and 6: strangers may not speak nor be spoken to, even after the end."""
    conversation = opened()
    assert reason(conversation, "agree", "x@caxton") == "not-a-party"
    assert reason(conversation, "cancel", ME, receivers=(A, "x@caxton")) == "not-a-party"
    ended = after(opened(REQUEST, A), "inform", A)
    assert reason(ended, "agree", "x@caxton") == "not-a-party"


def test_out_of_sequence() -> None:
    """4.2 test 9: no row for the state, the role and the act."""
    conversation = opened()
    assert reason(conversation, "propose", A) == "out-of-sequence"
    assert reason(conversation, "request", ME) == "out-of-sequence"


def test_terminated() -> None:
    """4.2 test 5: after the end everything is rejected, the AMS too."""
    ended = after(opened(REQUEST, A), "inform", A)
    assert ended.terminal
    for act in ("inform", "cancel", "not-understood"):
        assert reason(ended, act, A) == "terminated"
        assert reason(ended, act, ME) == "terminated"
    assert reason(ended, "failure", "ams@caxton", about=A) == "terminated"
    assert reason(ended, "failure", "ams@caxton", about=ME) == "terminated"


def test_wrong_receiver() -> None:
    """4.2 test 6: a participant writes to the initiator or the reply-to it was given, nobody else."""
    conversation = opened(REQUEST, A, B, reply_to=("desk@caxton",))
    assert reason(conversation, "agree", A, receivers=(B,)) == "wrong-receiver"
    assert reason(conversation, "agree", A, receivers=(ME, B)) == "wrong-receiver"
    assert reason(opened(), "agree", A, receivers=("desk@caxton",)) == "wrong-receiver"
    verdict = judged(conversation, "agree", A, receivers=("desk@caxton",))
    assert isinstance(verdict, Admission)
    assert verdict.receivers == ("desk@caxton",)
    closed = after(conversation, "inform", A)
    assert reason(closed, "inform", A, receivers=("desk@caxton",)) == "leg-closed"
    assert reason(closed, "inform", A, receivers=(B,)) == "wrong-receiver"
    calling = after(opened(CONTRACT_NET, A, B, reply_to=("desk@caxton",)), "propose", A)
    swept = after(calling, "accept-proposal", ME, receivers=(A,))
    assert reason(swept, "propose", B, receivers=("desk@caxton",)) == "leg-closed"


def test_reply_to_follows_the_latest_message() -> None:
    """4.2 test 6: a later message of the initiator replaces the reply-to."""
    bidding = after(opened(CONTRACT_NET, A, reply_to=("desk@caxton",)), "propose", A)
    awarded = after(bidding, "accept-proposal", ME)
    assert reason(awarded, "inform", A, receivers=("desk@caxton",)) == "wrong-receiver"


def test_leg_closed() -> None:
    """4.2 test 7: late answers and messages to who is out."""
    conversation = after(opened(), "refuse", A)
    assert reason(conversation, "inform", A, in_reply_to="nonsense") == "leg-closed"
    assert reason(conversation, "cancel", ME, receivers=(B, A)) == "leg-closed"
    assert reason(conversation, "failure", "ams@caxton", about=A) == "leg-closed"


def test_bad_in_reply_to() -> None:
    """4.3: exactly the outstanding token, or the message's id."""
    conversation = opened(REQUEST, A, B, reply_with="r")
    assert reason(conversation, "agree", A) == "bad-in-reply-to"
    assert reason(conversation, "propose", A, in_reply_to="s") == "bad-in-reply-to"
    for token in ("r", "m0"):
        after(conversation, "agree", A, in_reply_to=token)
    assert reason(opened(), "agree", A, in_reply_to="r") == "bad-in-reply-to"


def test_another_legs_token_is_no_answer() -> None:
    """4.3: tokens belong to a leg."""
    conversation = opened(CONTRACT_NET)
    conversation = after(conversation, "propose", A, reply_with="a")
    conversation = after(conversation, "propose", B, reply_with="b")
    given = {"receivers": (A,), "in_reply_to": "b"}
    assert reason(conversation, "accept-proposal", ME, **given) == "bad-in-reply-to"
    given = {"receivers": (A, B), "in_reply_to": "b"}
    assert reason(conversation, "reject-proposal", ME, **given) == "bad-in-reply-to"


def test_a_full_conversation_takes_no_more() -> None:
    """Design section 4: at most 10,000 messages; the AMS may still close legs, and time ends it."""
    full = msgspec.structs.replace(opened(REQUEST, A, expires_at=9), messages=LIMIT)
    assert reason(full, "inform", A) == "conversation-full"
    assert reason(full, "cancel", ME) == "conversation-full"
    bidding = after(opened(CONTRACT_NET, A), "propose", A)
    full = msgspec.structs.replace(bidding, messages=LIMIT)
    assert reason(full, "accept-proposal", ME) == "conversation-full"
    cancelling = msgspec.structs.replace(
        after(opened(REQUEST, A), "cancel", ME, reply_with="x"), messages=LIMIT
    )
    assert reason(cancelling, "inform", A, in_reply_to="x") == "conversation-full"
    assert after(full, "failure", "ams@caxton", about=A).terminal
    last = msgspec.structs.replace(opened(REQUEST, A), messages=LIMIT - 1)
    assert after(last, "inform", A).messages == LIMIT


def test_a_cancel_is_quoted_by_its_token_or_its_id() -> None:
    """4.6: the reply-with, else the id; with a reply-with the id is an alias."""
    for given, quotes in (({}, ("cancel",)), ({"reply_with": "x"}, ("cancel", "x"))):
        cancelling = after(opened(REQUEST, A), "cancel", ME, message_id="cancel", **given)
        for quote in quotes:
            assert after(cancelling, "inform", A, in_reply_to=quote).terminal
            assert reason(cancelling, "agree", A, in_reply_to=quote) == "out-of-sequence"
        assert reason(cancelling, "inform", A, in_reply_to="y") == "bad-in-reply-to"


def test_a_deadline_that_passed_under_a_denied_cancel_fires_at_once() -> None:
    """4.6: the admission of the denial already has the leg expired."""
    cancelling = after(opened(REQUEST, A, reply_by_ms=10), "cancel", ME, reply_with="x")
    denied = after(cancelling, "failure", A, in_reply_to="x", now=11)
    assert (denied.terminal, denied.legs[A].state) == (True, "expired")
    denied = after(cancelling, "failure", A, in_reply_to="x", now=10)
    assert (denied.terminal, denied.next_deadline) == (False, 10)
