"""A node that agents ask, register with and leave at random, killed at any moment: the directory is the same afterwards."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.server.runtime.directories import SUBSCRIBE, action, described, persistent
from tests.server.runtime.nodes import Bench, Message, Script, Tools, control
from tests.server.runtime.recoveries import rebuilt

NAMES = ("ann", "ben", "carl")
TYPES = ("pricing", "weather")


def said(message: Message, tools: Tools) -> None:
    """Send what the API hands over, legal or not."""
    if message["sender"] == "api@caxton":
        tools.send(**message["content"])


def kept(bench: Bench) -> dict[str, Any]:
    """Return what the directory knows."""
    directory = bench.node.directory_
    entries, subscriptions = directory.entries, directory.subscriptions
    by_type = {type_: set(entries.offerers(type_)) for type_ in TYPES}
    assert by_type == {
        type_: {name for name, shape in entries.shown.items() if any(each.type == type_ for each in shape.services)}
        for type_ in TYPES
    }  # fmt: skip
    return {
        "shown": {name: shape.agent for name, shape in entries.shown.items()},
        "registered": {name: each.registered for name, each in entries.standings.items() if each.registered},
        "owners": entries.owners, "number": entries.number, "by_type": by_type,
        "subscriptions": {key: each.saved for key, each in subscriptions.by_conversation.items()},
        "per_agent": dict(subscriptions.per_agent),
        # What is still to be told, and to whom.
        "untold": {
            key: [change.name for change in entries.log if change.number > each.seen]
            for key, each in subscriptions.by_conversation.items()
        },
        "queue": [(each.serial, each.service, each.message.content) for each in directory.arrivals.queue],
        "waiting": dict(directory.arrivals.per_agent),
    }  # fmt: skip


async def step(bench: Bench, chance: random.Random, count: int) -> None:
    """Let something happen."""
    name = chance.choice(NAMES)
    found = bench.node.kernel.find(name)
    kind = chance.choice(TYPES)
    asks = {"performative": "request", "receiver": "df"}
    match chance.randrange(9):
        case 0 if found is None:
            services = [{"type": kind}] if chance.random() < 0.5 else []
            await bench.deploy(name, Script(said), services=services)
        case 1 if found is not None and chance.random() < 0.3:
            await bench.node.remove_agent(name)
        case 2 if found is not None:
            await control(bench, chance.choice(("stop", "start", "suspend", "resume")), name)
        case 3 | 4 if found is not None:
            function = chance.choice(("register", "register", "modify", "deregister"))
            lease = {"lease_time": "+00000000T000001000"} if chance.random() < 0.3 else {}
            bench.post(
                name, content={**asks, "content": action(function, described(name, kind, **lease))}
            )
        case 5 if found is not None:
            template = f"(df-agent-description :services (set (service-description :type {kind})))"
            bench.post(name, content={"performative": "subscribe", "receiver": "df", "protocol": SUBSCRIBE,
                                      "conversation_id": f"{name}-{count}", "content": persistent(template)})  # fmt: skip
        case 6:
            subscriptions = bench.node.directory_.subscriptions.by_conversation
            if subscriptions:
                key, subscription = chance.choice(sorted(subscriptions.items()))
                bench.post(subscription.saved.subscriber, content={
                    "performative": "cancel", "receiver": "df", "conversation_id": key,
                })  # fmt: skip
        case 7:
            bench.turn()
        case _:
            bench.advance(chance.choice((0.0, 0.0, 0.5)))


@pytest.mark.parametrize("seed", range(12))
async def test_the_directory_is_the_same_after_a_kill(seed: int) -> None:
    """Entries, registrations, subscriptions, what is to be told and what is to be answered; and going on, all ends."""
    chance = random.Random(seed)
    bench = await Bench(seed=seed).start()
    for count in range(120):
        await step(bench, chance, count)
        if chance.random() < 0.1:
            before = kept(bench)
            again = await rebuilt(bench)
            assert kept(again) == before
    bench.advance(0.01)
    bench.advance(2)
    assert bench.node.directory_.entries.log == []
    assert not bench.node.directory_.arrivals.queue
