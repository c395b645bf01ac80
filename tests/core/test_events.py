"""Events and effects: names on the wire, and values that can be stored."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgspec
from caxton_core import events
from caxton_core.effects import Advance, Effect, Publish, ShiftTraffic, StartTimer
from caxton_core.events import AgentFailed, ConversationStarted, Event, name_of
from caxton_core.units import Duration, Percentage


def test_names_are_nouns_and_facts() -> None:
    """Every event has a name of its own, in the form noun.fact."""
    assert len(set(events.NAMES)) == len(get_args(Event))
    assert all(
        re.fullmatch(r"(agent|conversation|deployment|message|module|node)\.[a-z_]+", name)
        for name in events.NAMES
    )
    assert "message.dead_lettered" in events.NAMES


def test_an_event_carries_its_name() -> None:
    """The name is the tag of the encoded event, and decodes to its type."""
    event = AgentFailed("p@caxton", "trap", "unreachable executed")
    encoded = msgspec.json.encode(event)
    assert (
        msgspec.json.decode(encoded)["type"]
        == name_of(event)
        == name_of(AgentFailed)
        == "agent.failed"
    )
    assert msgspec.json.decode(encoded, type=Event) == event


def test_effects_can_be_stored() -> None:
    """A list of effects of any kind decodes as what it was."""
    effects: list[Any] = [
        Advance("promote"),
        ShiftTraffic("2", Percentage(5)),
        StartTimer("judge", Duration(1000)),
        Publish(ConversationStarted("c", "fipa-request", "a@x", ("b@x",))),
    ]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(effects), type=list[Effect]) == effects


def test_no_two_effects_share_a_tag() -> None:
    """Each effect is told from the others by its tag."""
    tags = [kind.__struct_config__.tag for kind in get_args(Effect)]
    assert len(tags) == len(set(tags))
