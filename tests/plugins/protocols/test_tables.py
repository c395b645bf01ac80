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
from caxton_plugins.protocols import contract_net, request
from transitions import Machine

ME, YOU = "me@caxton", "you@caxton"
PROTOCOLS = (request.PROTOCOL, contract_net.PROTOCOL)
# How to come to each open state of a leg: (role, act) after the opener.
WAYS = {
    ("fipa-request", "awaiting-response"): [],
    ("fipa-request", "awaiting-result"): [("participant", "agree")],
    ("fipa-contract-net", "awaiting-proposal"): [],
    ("fipa-contract-net", "proposed"): [("participant", "propose")],
    ("fipa-contract-net", "awaiting-result"): [
        ("participant", "propose"),
        ("initiator", "accept-proposal"),
    ],
}
# FIPA SC00026 and SC00029, written out: what each state admits, and where it leads.
LEGAL = {
    ("fipa-request", "awaiting-response"): {
        ("participant", "agree"): "awaiting-result",
        ("participant", "refuse"): "refused",
        ("participant", "inform"): "done",
        ("participant", "failure"): "failed",
    },
    ("fipa-request", "awaiting-result"): {
        ("participant", "inform"): "done",
        ("participant", "failure"): "failed",
        ("initiator", "not-understood"): "not-understood",
    },
    ("fipa-contract-net", "awaiting-proposal"): {
        ("participant", "propose"): "proposed",
        ("participant", "refuse"): "refused",
        ("participant", "failure"): "failed",
    },
    ("fipa-contract-net", "proposed"): {
        ("initiator", "accept-proposal"): "awaiting-result",
        ("initiator", "reject-proposal"): "rejected",
        ("initiator", "not-understood"): "not-understood",
    },
    ("fipa-contract-net", "awaiting-result"): {
        ("participant", "inform"): "done",
        ("participant", "failure"): "failed",
        ("initiator", "not-understood"): "not-understood",
    },
}
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
    every = {(protocol.name, state) for protocol in PROTOCOLS for state in protocol.order}
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
    assert {str(state) for state in table.final_states()} <= OUTCOMES


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
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
