"""The short cut does exactly what the long way does."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import hypothesis.strategies as st
import msgspec
from caxton_server.runtime.shortcut import Shortcut
from hypothesis import HealthCheck, given, settings

from tests.server.runtime.nodes import Bench, Message, Script

ACTS = (
    "inform", "request", "agree", "cancel", "failure", "not-understood", "propose", "query-ref", "cfp",
    "accept-proposal", "reject-proposal", "refuse", "propose", "inform",
)  # fmt: skip
Case: TypeAlias = tuple[Message, ...]
"""What is asked, what is answered to that, and what each of the two says then."""
NAMES = (
    "plain",
    "packed",
    "narrow",
    "small",
    "stopped",
    "drained",
    "nobody",
    "api",
    "ams",
    "df",
    "author",
)
ANY = st.one_of(
    st.none(), st.integers(-5, 5), st.text(max_size=5), st.booleans(),
    st.lists(st.integers(0, 3), max_size=2), st.just("x" * 600), st.just({"a": {"b": [None]}}),
)  # fmt: skip
NAMED = st.one_of(
    st.sampled_from(NAMES), st.sampled_from(NAMES).map(lambda name: f"{name.upper()}@caxton"),
    st.lists(st.sampled_from(NAMES), max_size=2),
)  # fmt: skip
LABELS = st.sampled_from(["c1", "c2", "open", ""])
UUIDS = st.integers(0, 3).map(lambda n: f"018bcfe5-6800-7000-8000-00000000000{n}")


def message(*, asked: bool) -> st.SearchStrategy[Message]:
    """Make what a response, or a question, may hold; few of them have much in it, as in life."""
    optional: dict[str, Any] = {
        "content": ANY,
        "ontology": st.sampled_from(["o1", "o2"]),
        "language": st.sampled_from(["l1", "l2"]),
        "encoding": st.just("e"),
        "reply_with": st.sampled_from(["r1", "r2"]),
        "in_reply_to": st.sampled_from(["r1", "other"]),
        "conversation_id": LABELS.filter(bool) if asked else LABELS,
        "reply_to": NAMED,
        "protocol": st.sampled_from(["fipa-request", "x"])
        if not asked
        else st.sampled_from(["fipa-request", "fipa-contract-net"]),
        "reply_by": st.sampled_from(["+5s", "soon"]) if not asked else st.just("+5s"),
        "id": UUIDS,
        "x_note": ANY,
    }
    if not asked:
        optional["receiver"] = NAMED
        optional["sender"] = st.just("forged@caxton")
    fields = st.sampled_from(sorted(optional)).flatmap(
        lambda name: st.tuples(st.just(name), optional[name])
    )
    return st.builds(
        lambda act, some: {"performative": act, **dict(some)},
        st.sampled_from(ACTS),
        st.lists(fields, max_size=3),
    )


OPENERS: list[Message] = [
    {"performative": "request", "protocol": "fipa-request"},
    {"performative": "cfp", "protocol": "fipa-contract-net", "reply_with": "r1"},
    {"performative": "cfp", "protocol": "fipa-contract-net", "conversation_id": "c2"},
]
PLAIN: list[Message] = [
    {"performative": act} for act in ("agree", "inform", "propose", "accept-proposal", "refuse")
]


async def outcome(
    cases: list[Case], codec: str, sender: str, *, short: bool
) -> tuple[list[Any], dict[str, Any], int]:
    """Let an agent answer some messages, with or without the short cut; return all that came of it."""
    taken = 0

    class Counting(Shortcut):
        def take(self, *given: Any) -> bool:
            nonlocal taken
            done = short and super().take(*given)
            taken += done
            return done

    bench = await Bench().start()
    node = bench.node
    node.performer.shortcut = Counting(node.kernel, node.conversations_, node.scheduler)
    await bench.deploy("plain", Script())
    await bench.deploy("packed", Script(), codec="msgpack")
    await bench.deploy("narrow", Script(), limits={"mailbox": 1})
    await bench.deploy("small", Script(), limits={"message_size": 500})
    await bench.deploy("stopped")
    (await node.control("stopped", "stop")).unwrap()
    for name in ("plain", "packed", "narrow", "small"):
        (await node.control(name, "suspend")).unwrap()
    await bench.deploy("drained", Script(lambda _message, _tools: {"performative": "agree"}))
    bench.post("drained", "request", protocol="fipa-request", conversation_id="open")
    bench.settle()
    (await node.control("drained", "drain")).unwrap()
    answers = iter([said for case in cases for said in case[1::2]])
    replies = iter([said for case in cases for said in case[2::2]])
    author = Script(
        lambda message, _tools: next(answers, None) if sender in message["sender"] else None
    )
    await bench.deploy("author", author, codec=codec, send_to=["*"])
    asks = iter([case[0] for case in cases])
    asker = Script(
        lambda message, tools: (
            tools.send(**{**next(asks), "receiver": "author"})
            if message["sender"] == "api@caxton" else next(replies, None)
        )
    )  # fmt: skip
    await bench.deploy(sender, asker)
    for _ in cases:
        bench.post(sender)
        bench.settle()
    records = [msgspec.msgpack.encode(record) for record in bench.records()]
    counters = vars(node.kernel.counters).copy()
    state = {
        "counters": {name: value for name, value in counters.items() if name != "delivery_times"},
        "cells": [
            (
                cell.name, cell.messages_in, cell.messages_out, cell.faults, str(cell.state), cell.queued,
                list(cell.mailbox.queue), cell.mailbox.count, cell.mailbox.bytes,
                cell.mailbox.platform_count, cell.mailbox.platform_bytes,
            )
            for cell in node.kernel.cells.values()
        ],
        "serial": node.kernel.serial,
        "conversations": (node.conversations_.open, dict(node.conversations_.closed)),
        "letters": await bench.letters(),
        "seen": author.seen,
    }  # fmt: skip
    return records, state, taken


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cases=st.lists(
        st.tuples(
            st.one_of(message(asked=True), st.sampled_from(OPENERS)),
            *[st.one_of(message(asked=False), st.sampled_from(PLAIN)) for _ in range(4)],
        ),
        min_size=1,
        max_size=3,
    ),
    codec=st.sampled_from(["json", "msgpack"]),
)
def test_both_ways_lead_to_the_same_place(cases: list[Case], codec: str) -> None:
    """The same deliveries, wires, records, counters and answers, whatever is asked and answered."""
    short = asyncio.run(outcome(cases, codec, "asker", short=True))
    long = asyncio.run(outcome(cases, codec, "asker", short=False))
    assert short[0] == long[0]
    assert short[1] == long[1]
    assert long[2] == 0


async def test_plain_responses_take_it() -> None:
    """It would be of no use if nobody did; and who is not plain goes the long way."""
    plain: list[Case] = [
        ({"performative": "request"}, {"performative": "inform", "content": 1}),
        ({"performative": "request", "reply_with": "r"}, {"performative": "inform"}),
        ({"performative": "inform"}, {"performative": "inform", "receiver": "plain"}),
        ({"performative": "inform"}, {"performative": "inform", "receiver": "narrow"}),
    ]
    assert (await outcome(plain, "json", "asker", short=True))[2] == 4
    odd: list[Case] = [
        ({"performative": "request"}, {"performative": "agree"}),
        ({"performative": "request"}, {"performative": "inform", "receiver": "api"}),
        ({"performative": "request"}, {"performative": "inform", "receiver": "stopped"}),
        ({"performative": "request"}, {"performative": "inform", "receiver": ["plain"]}),
        ({"performative": "request"}, {"performative": "inform", "conversation_id": "other"}),
        ({"performative": "request", "protocol": "fipa-request"}, {"performative": "propose"}),
    ]
    assert (await outcome(odd, "json", "asker", short=True))[2] == 0
