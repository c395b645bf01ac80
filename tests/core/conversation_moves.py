"""Short words for the tests of conversations: open one, judge a message, go on after it."""

from __future__ import annotations

from typing import Any

from caxton_core.conversations import (
    Admission,
    Conversation,
    Protocol,
    Rejection,
    admit,
    open_conversation,
)
from caxton_plugins.protocols.contract_net import PROTOCOL as CONTRACT_NET
from caxton_plugins.protocols.request import PROTOCOL as REQUEST

ME, A, B, C = "me@caxton", "a@caxton", "b@caxton", "c@caxton"
PROTOCOLS = {"fipa-request": REQUEST, "fipa-contract-net": CONTRACT_NET}


def opened(protocol: Protocol = REQUEST, *names: str, **given: Any) -> Conversation:
    """Open a conversation at time 0."""
    act = next(iter(protocol.openers))
    options = {"message_id": "m0", "now": 0, "performative": act, **given}
    verdict = open_conversation(
        protocol, id="c", initiator=ME, participants=names or (A, B), **options
    )
    assert isinstance(verdict, Admission)
    return verdict.conversation


def judged(
    conversation: Conversation, act: str, sender: str, **given: Any
) -> Admission | Rejection:
    """Judge a message at time 1."""
    options = {"message_id": f"{act} of {sender}", "now": 1, "platform": "caxton", **given}
    return admit(
        PROTOCOLS[conversation.protocol], conversation, performative=act, sender=sender, **options
    )


def after(conversation: Conversation, act: str, sender: str, **given: Any) -> Conversation:
    """Return the conversation after a legal message."""
    verdict = judged(conversation, act, sender, **given)
    assert isinstance(verdict, Admission), verdict
    return verdict.conversation


def reason(conversation: Conversation, act: str, sender: str, **given: Any) -> str:
    """Return why a message is illegal; it must have changed nothing."""
    verdict = judged(conversation, act, sender, **given)
    assert isinstance(verdict, Rejection), verdict
    assert verdict.conversation is None
    return verdict.reason
