"""Every protocol's table: each act in each state, reachability, and agreement with `transitions`."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.conversations import (
    OUTCOMES,
    Admission,
    Conversation,
    Protocol,
    admit,
    leg_state,
    open_conversation,
)
from caxton_core.messages import Performative
from caxton_core.registry import load
from transitions import Machine

ME, YOU = "me@caxton", "you@caxton"
PROTOCOLS = tuple({protocol.name: protocol for protocol in load().unwrap().protocols()}.values())
# Auctions have a table of the conversation instead: test_auctions.py.
OF_LEGS = tuple(protocol for protocol in PROTOCOLS if protocol.rounds is None)
# How to come to each open state of a leg: (role, act) after the opener.
WAYS: dict[tuple[str, str], list[tuple[str, str]]] = {}
# The rows of docs/protocols.md, written out: what each state admits, and where it leads.
LEGAL: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
HEARD = {("initiator", "not-understood"): "not-understood"}


def write_out(name: str, state: str, way: list[tuple[str, str]], **legal: dict[str, str]) -> None:
    """Write down one state: the acts of the initiator and of the participant, with what they lead to."""
    WAYS[name, state] = way
    moves = {(role, act): to for role, acts in legal.items() for act, to in acts.items()}
    told = any(role == "participant" for role, _ in way)
    LEGAL[name, state] = moves | (HEARD if told else {})


RESULT = {"inform": "done", "failure": "failed"}
NO = {"refuse": "refused", "failure": "failed"}
AGREED, OFFERED = [("participant", "agree")], [("participant", "propose")]
AWARDED = [*OFFERED, ("initiator", "accept-proposal")]
for asked in ("fipa-request", "fipa-query"):
    write_out(
        asked, "awaiting-response", [], participant={"agree": "awaiting-result", "inform": "done", **NO}
    )  # fmt: skip
    write_out(asked, "awaiting-result", AGREED, participant=RESULT)
write_out(
    "fipa-request-when", "awaiting-response", [], participant={"agree": "awaiting-result", **NO}
)
write_out("fipa-request-when", "awaiting-result", AGREED, participant=RESULT)
ANSWER = {"accept-proposal": "accepted", "reject-proposal": "rejected"}
write_out("fipa-propose", "awaiting-response", [], participant=ANSWER)
for net, more in (
    ("fipa-contract-net", {}),
    ("fipa-iterated-contract-net", {"cfp": "awaiting-proposal"}),
):
    write_out(net, "awaiting-proposal", [], participant={"propose": "proposed", **NO})
    decide = {"accept-proposal": "awaiting-result", "reject-proposal": "rejected", **more}
    write_out(net, "proposed", OFFERED, initiator=decide)
    write_out(net, "awaiting-result", AWARDED, participant=RESULT)
for told in ("fipa-subscribe", "caxton-request-whenever"):
    write_out(
        told, "awaiting-response", [], participant={"agree": "active", "inform": "active", **NO}
    )
    write_out(told, "active", AGREED, participant={"inform": "active", "failure": "failed"})
RELAYED = {
    str(act.value): "relaying" for act in Performative if act not in ("agree", "refuse", "cancel")
}
for broker in ("fipa-brokering", "fipa-recruiting"):
    write_out(broker, "awaiting-response", [], participant={"agree": "relaying", **NO})
    ends = {"failure": "failed", "not-understood": "not-understood"}
    write_out(broker, "relaying", AGREED, participant={**RELAYED, **ends})
BARGAIN = "caxton-negotiation"
write_out(
    BARGAIN, "awaiting-participant", [], participant={"propose": "awaiting-initiator", **ANSWER}
)
write_out(
    BARGAIN, "awaiting-initiator", OFFERED, initiator={"propose": "awaiting-participant", **ANSWER}
)
# Everywhere.
ALWAYS = {
    ("participant", "not-understood"): "not-understood",
    ("initiator", "cancel"): "cancelling",
}


def say(protocol: Protocol, conversation: Conversation, role: str, act: str, id: str) -> Any:
    """Judge an act of the one participant or the initiator, without tokens."""
    return admit(
        protocol,
        conversation,
        performative=act,
        sender=ME if role == "initiator" else YOU,
        message_id=id,
        now=0,
    )


def brought_to(protocol: Protocol, state: str) -> Conversation:
    """Bring a conversation with one participant to a state."""
    opened = open_conversation(
        protocol,
        id="c",
        initiator=ME,
        participants=[YOU],
        performative=next(iter(protocol.openers)),
        message_id="m",
        now=0,
    )
    assert isinstance(opened, Admission)
    conversation = opened.conversation
    for number, (role, act) in enumerate(WAYS[protocol.name, state]):
        verdict = say(protocol, conversation, role, act, f"m{number}")
        assert isinstance(verdict, Admission)
        conversation = verdict.conversation
    return conversation


def test_every_open_state_has_a_way() -> None:
    """The sweep below leaves no open state out."""
    every = {(protocol.name, state) for protocol in OF_LEGS for state in protocol.order}
    assert every == set(WAYS) == set(LEGAL)


@pytest.mark.parametrize("act", [str(act.value) for act in Performative])
@pytest.mark.parametrize("role", ["initiator", "participant"])
@pytest.mark.parametrize(("name", "state"), sorted(WAYS))
def test_each_act_in_each_state(name: str, state: str, role: str, act: str) -> None:
    """A leg admits the acts of its row and no other, and moves where the row says."""
    protocol = next(protocol for protocol in PROTOCOLS if protocol.name == name)
    before = brought_to(protocol, state)
    verdict = say(protocol, before, role, act, "now")
    expected = {**ALWAYS, **LEGAL[name, state]}.get((role, act))
    if expected is None:
        assert verdict.reason == "out-of-sequence"
        assert verdict.conversation is None
    elif expected in OUTCOMES:
        assert verdict.conversation.legs[YOU].state == expected
        assert verdict.conversation.terminal
    else:
        assert leg_state(verdict.conversation, YOU) == expected


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_every_state_is_reachable(protocol: Protocol) -> None:
    """No state of a table stands alone, and the final ones are leg outcomes."""
    table = protocol.table
    assert table.reachable() == frozenset(table.states)
    ends = OUTCOMES if protocol.rounds is None else {"sold", "unsold"}
    assert {str(state) for state in table.final_states()} <= ends


@pytest.mark.parametrize("protocol", OF_LEGS, ids=lambda protocol: protocol.name)
def test_transitions_draws_the_same_machine(protocol: Protocol) -> None:
    """The engine's compiled moves are those of a `transitions` machine made from the same rows."""
    table = protocol.table
    machine = Machine(
        model=None,
        states=[str(state) for state in table.states],
        transitions=table.as_dicts(),
        initial=str(table.initial),
        auto_transitions=False,
    )
    drawn = {
        (source, trigger, transition.dest)
        for trigger, event in machine.events.items()
        for source, transitions in event.transitions.items()
        for transition in transitions
        if not trigger.startswith("timer:") and source != protocol.initial
    }
    compiled = {
        (state, f"{role}:{act}", move.target)
        for role, rows in (
            ("initiator", protocol.by_initiator),
            ("participant", protocol.by_participant),
        )
        for state, moves in rows.items()
        for act, move in moves.items()
        if act != "not-understood"
    }
    assert compiled == drawn


@pytest.mark.parametrize(
    "protocol", [p for p in PROTOCOLS if p.rounds is not None], ids=lambda protocol: protocol.name
)
def test_transitions_draws_the_same_auction(protocol: Protocol) -> None:
    """The rows compiled for a conversation-wide protocol are those of a `transitions` machine, conditions included."""
    table = protocol.table
    machine = Machine(
        model=None,
        states=[str(state) for state in table.states],
        transitions=table.as_dicts(),
        initial=str(table.initial),
        auto_transitions=False,
    )
    drawn = {
        (source, trigger, transition.dest)
        for trigger, event in machine.events.items()
        for source, transitions in event.transitions.items()
        for transition in transitions
    }
    compiled = {
        (state, f"{event}/{condition}" if condition else event, target)
        for state, events in protocol.by_floor.items()
        for event, targets in events.items()
        for condition, target in targets.items()
    }
    assert compiled == drawn
