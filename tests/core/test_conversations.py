"""The rules every protocol shares: admission, its reasons, and the values around it."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

import msgspec
import pytest
from caxton_core.conversations import (
    OUTCOMES,
    Admission,
    Protocol,
    Rejection,
    admit,
    fail_leg,
    fire_timers,
    general_outcome,
    judge_unopened,
    leg_outcome,
    leg_state,
    open_conversation,
    outcome,
    phase,
    state,
)
from caxton_core.conversations_changes import Change, apply_change, change_between
from caxton_core.tables import Table, Transition
from caxton_plugins.protocols.contract_net import PROTOCOL as CONTRACT_NET
from caxton_plugins.protocols.contract_net import ContractNetState
from caxton_plugins.protocols.request import PROTOCOL as REQUEST

from tests.core.conversation_moves import ME, PROTOCOLS, A, B, C, after, judged, opened, reason


def test_an_opener_makes_a_leg_for_each_distinct_receiver() -> None:
    """4.2: the sender is the initiator, its distinct receivers are the participants, in order."""
    verdict = open_conversation(
        REQUEST,
        id="c",
        initiator=ME,
        participants=[B, A, B],
        performative="request",
        message_id="m0",
        now=5,
        reply_by_ms=50,
        expires_at=40,
    )
    assert isinstance(verdict, Admission)
    conversation = verdict.conversation
    assert verdict.receivers == conversation.participants == (B, A)
    assert (conversation.open_legs, conversation.messages) == (2, 1)
    assert (conversation.opened_at, conversation.expires_at) == (5, 40)
    assert conversation.next_deadline == 40
    assert state(REQUEST, conversation) == "awaiting-response"
    assert phase(REQUEST, conversation) == "in-progress"
    assert outcome(REQUEST, conversation) is None


@pytest.mark.parametrize(
    ("act", "names"), [("inform", [A]), ("cfp", [A]), ("request", []), ("request", [A, ME])]
)
def test_a_wrong_opener_is_out_of_sequence(act: str, names: list[str]) -> None:
    """4.2: another act, no receiver, or the sender among the receivers opens nothing."""
    verdict = open_conversation(
        REQUEST, id="c", initiator=ME, participants=names, performative=act, message_id="m", now=0
    )
    assert isinstance(verdict, Rejection)
    assert verdict.reason == "out-of-sequence"


def test_a_protocol_for_two_takes_one_participant() -> None:
    """5.11: an opener to several receivers is out of sequence where the protocol says so."""
    single = Protocol("single", REQUEST.table, single=True)
    for names, kind in (([A], Admission), ([A, A], Admission), ([A, B], Rejection)):
        verdict = open_conversation(
            single, id="c", initiator=ME, participants=names, performative="request", message_id="m", now=0
        )  # fmt: skip
        assert type(verdict) is kind


@pytest.mark.parametrize(
    ("act", "protocol", "id", "expected"),
    [
        ("inform", None, "c", None),
        ("request", None, None, None),
        ("agree", None, None, "unknown-conversation"),
        ("refuse", None, "c", "unknown-conversation"),
        ("accept-proposal", None, "c", "unknown-conversation"),
        ("reject-proposal", None, "c", "unknown-conversation"),
        ("cancel", None, "c", "unknown-conversation"),
        ("failure", None, "c", None),
        ("request", "fipa-request", None, REQUEST),
        ("request", "fipa-request", "c", REQUEST),
        ("cfp", "fipa-request", "c", "out-of-sequence"),
        ("inform", "fipa-request", None, "unknown-conversation"),
        ("request", "fipa-quest", "c", "unknown-protocol"),
        ("inform", "fipa-quest", None, "unknown-protocol"),
    ],
)
def test_a_message_without_a_conversation(
    act: str, protocol: str | None, id: str | None, expected: object
) -> None:
    """4.2: it opens one, is rejected, or is traffic without a protocol."""
    verdict = judge_unopened(
        PROTOCOLS, performative=act, protocol_given=protocol, conversation_id=id
    )
    assert (verdict.reason if isinstance(verdict, Rejection) else verdict) == expected


def test_timers_come_first_even_for_a_rejected_message() -> None:
    """4.2 rule 0: what was due has fired, and the rejection brings the conversation after it."""
    conversation = opened(REQUEST, A, B, reply_by_ms=10)
    conversation = after(conversation, "agree", A)
    verdict = judged(conversation, "inform", B, now=11)
    assert isinstance(verdict, Rejection)
    assert (verdict.reason, leg_outcome(conversation, B)) == ("leg-closed", None)
    assert verdict.conversation is not None
    assert leg_outcome(verdict.conversation, B) == "expired"
    assert after(conversation, "inform", A, now=11).legs[B].state == "expired"


@pytest.mark.parametrize(("now", "fired"), [(9, False), (10, False), (11, True)])
def test_a_deadline_fires_strictly_after_its_time(now: int, fired: bool) -> None:
    """4.4: before and exactly on it is in time."""
    conversation = opened(REQUEST, A, reply_by_ms=10)
    later = fire_timers(REQUEST, conversation, now=now)
    assert (later is not conversation) is later.terminal is fired
    assert later.next_deadline == (None if fired else 10)


def test_the_next_deadline_may_be_early_but_never_late() -> None:
    """A deadline that an answer has lifted only moves on when its time comes."""
    conversation = after(opened(REQUEST, A, reply_by_ms=10, expires_at=99), "agree", A)
    assert conversation.next_deadline == 10
    later = fire_timers(REQUEST, conversation, now=11)
    assert later == msgspec.structs.replace(conversation, next_deadline=99)


def test_failing_a_leg() -> None:
    """4.5: it closes as failed, under cancel too; closed legs and strangers are let alone."""
    conversation = after(opened(), "cancel", ME, receivers=(A,))
    failed = fail_leg(REQUEST, conversation, A, now=1)
    assert (leg_state(failed, A), leg_outcome(failed, A)) == ("closed", "failed")
    assert fail_leg(REQUEST, failed, A, now=1) is failed
    assert fail_leg(REQUEST, failed, "x@caxton", now=1) is failed
    assert fail_leg(REQUEST, opened(REQUEST, A, expires_at=5), A, now=6).legs[A].state == "expired"


def test_which_ams_may_speak() -> None:
    """4.2 test 3: this platform's, or that of the leg's participant."""
    conversation = opened(REQUEST, "a@far", B)
    for sender, about, expected in [
        ("ams@caxton", B, None),
        ("ams@caxton", "a@far", None),
        ("ams@far", "a@far", None),
        ("ams@far", B, "not-a-party"),
        ("ams@elsewhere", "a@far", "not-a-party"),
        ("df@caxton", B, "not-a-party"),
        ("ams@caxton", "x@caxton", "not-a-party"),
        ("ams@caxton", None, "out-of-sequence"),
        ("ams@far", None, "out-of-sequence"),
        ("ams@elsewhere", None, "not-a-party"),
    ]:
        verdict = judged(conversation, "failure", sender, about=about)
        assert (verdict.reason if isinstance(verdict, Rejection) else None) == expected


def test_an_ams_that_is_a_party_is_judged_as_one() -> None:
    """4.5: the AMS answers a request like any participant."""
    conversation = opened(REQUEST, "ams@caxton")
    assert reason(conversation, "propose", "ams@caxton") == "out-of-sequence"
    assert state(REQUEST, after(conversation, "inform", "ams@caxton")) == "completed"


def test_an_initiators_message_goes_to_the_open_legs() -> None:
    """4.1: naming no receiver means every leg still open."""
    conversation = after(opened(REQUEST, A, B, C), "refuse", B)
    verdict = judged(conversation, "cancel", ME)
    assert isinstance(verdict, Admission)
    assert verdict.receivers == (A, C)
    assert [leg_state(verdict.conversation, name) for name in (A, B, C)] == [
        "cancelling", "closed", "cancelling",
    ]  # fmt: skip


def test_awards_are_named() -> None:
    """5.5: the admission and the conversation say who was awarded."""
    conversation = after(opened(CONTRACT_NET), "propose", A)
    verdict = judged(conversation, "accept-proposal", ME, receivers=(A, A))
    assert isinstance(verdict, Admission)
    assert verdict.receivers == verdict.awarded == verdict.conversation.awarded == (A,)
    assert leg_outcome(verdict.conversation, B) == "expired"
    done = after(verdict.conversation, "inform", A)
    assert (phase(CONTRACT_NET, done), outcome(CONTRACT_NET, done)) == ("completed", "success")
    assert done.awarded == (A,)


@pytest.mark.parametrize(
    "present",
    list(chain.from_iterable(combinations(sorted(OUTCOMES), size) for size in range(1, 9))),
    ids="+".join,
)
def test_the_general_outcome(present: tuple[str, ...]) -> None:
    """4.7: every mixture of leg outcomes has its state and outcome."""
    alone = {
        "done": ("completed", "success"),
        "accepted": ("completed", "accepted"),
        "rejected": ("completed", "rejected"),
        "refused": ("completed", "refused"),
        "failed": ("failed", "failed"),
        "not-understood": ("failed", "not-understood"),
        "expired": ("expired", "expired"),
        "cancelled": ("cancelled", "cancelled"),
    }
    if len(present) == 1:
        expected = alone[present[0]]
    elif set(present) & {"done", "accepted"}:
        expected = ("completed", "partial")
    else:
        order = ["cancelled", "failed", "not-understood", "expired", "rejected", "refused"]
        expected = alone[min(present, key=order.index)]
    assert general_outcome([*present, *present]) == expected


def test_a_thousand_legs_are_moved_one_by_one() -> None:
    """A large call ends like a small one, and a change names only the legs that moved."""
    names = [f"p{number}@caxton" for number in range(1000)]
    conversation = opened(CONTRACT_NET, *names, reply_by_ms=10)
    for name in names:
        before, conversation = conversation, after(conversation, "propose", name)
        change = change_between(before, conversation)
        assert list(change.legs) == [name]
        decoded = msgspec.msgpack.decode(msgspec.msgpack.encode(change), type=Change)
        assert apply_change(before, decoded) == conversation
    conversation = after(conversation, "reject-proposal", ME)
    assert outcome(CONTRACT_NET, conversation) == "all-rejected"


def test_a_rejection_says_why() -> None:
    """Its text is one sentence with the reason code."""
    verdict = judged(opened(), "propose", A)
    assert str(verdict) == (
        "The message is not admitted (out-of-sequence): "
        "the protocol does not allow this act from this sender now."
    )


def test_a_bar_forbids_a_move_by_the_whole_conversation() -> None:
    """5.6: what one leg's table can't say, a bar says: no new call after any award."""
    table = Table(
        "again",
        ContractNetState.INITIAL,
        *CONTRACT_NET.table.rows,
        Transition(
            "initiator:cfp", (ContractNetState.PROPOSED,), ContractNetState.AWAITING_PROPOSAL
        ),
    )
    awarded = Protocol(
        "fipa-contract-net",
        table,
        marks={"initiator:accept-proposal": "awarded"},
        bars={"initiator:cfp": lambda conversation: bool(conversation.awarded)},
    )
    conversation = after(after(opened(CONTRACT_NET), "propose", A), "propose", B)
    again: dict[str, Any] = {
        "performative": "cfp",
        "sender": ME,
        "message_id": "m",
        "now": 1,
        "receivers": (B,),
    }
    verdict = admit(awarded, conversation, **again)
    assert isinstance(verdict, Admission)
    assert leg_state(verdict.conversation, B) == "awaiting-proposal"
    taken = after(conversation, "accept-proposal", ME, receivers=(A,))
    refused = admit(awarded, taken, **again)
    assert isinstance(refused, Rejection)
    assert refused.reason == "out-of-sequence"
