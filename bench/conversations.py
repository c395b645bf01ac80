"""Measure what conversations cost: the engine's checks alone, and a node beside many open conversations.

    python bench/conversations.py [--seconds 3] [--open 10,100000]

First the time the engine takes to judge one message, by protocol and act, the best of several runs. Then contract nets a
second (those of W4 of `caxton bench`) on a node in memory that already has some conversations open, so that what
one conversation costs can be seen not to depend on how many there are.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import timeit
from collections.abc import Iterator
from pathlib import Path

from caxton_core.conversations import (
    Admission,
    Conversation,
    Protocol,
    Rejection,
    admit,
    open_conversation,
)
from caxton_core.messages import Draft, Performative
from caxton_core.registry import load
from caxton_server.app import relax_collector
from caxton_server.bench.beds import Bed, make_bed
from caxton_server.bench.workloads import contract_nets

INITIATOR = "initiator@caxton"
RUNS, CALLS = 7, 20_000
AT_ONCE = 500


def opened(protocol: Protocol, act: str, legs: int) -> Conversation:
    """Open a conversation with some participants."""
    verdict = open_conversation(
        protocol,
        id="c",
        initiator=INITIATOR,
        participants=[f"p{number}@caxton" for number in range(legs)],
        performative=act,
        message_id="m0",
        now=0,
        reply_by_ms=1_000_000,
        expires_at=2_000_000,
    )
    assert isinstance(verdict, Admission)
    return verdict.conversation


def said(
    protocol: Protocol,
    conversation: Conversation,
    act: str,
    sender: str,
    *receivers: str,
    quoting: str | None = None,
) -> Admission | Rejection:
    """Judge one message, as the router asks for it."""
    return admit(
        protocol,
        conversation,
        performative=act,
        sender=sender,
        message_id="m1",
        now=1,
        receivers=receivers,
        in_reply_to=quoting,
    )


def moves() -> Iterator[tuple[str, Protocol, Conversation, str, str, tuple[str, ...], str | None]]:
    """Yield the moves to measure, each with its name and the conversation it is made in."""
    protocols = {protocol.name: protocol for protocol in load().unwrap().protocols()}
    first, quoted = "p0@caxton", "m0"
    plain = [
        ("fipa-request", "request", "agree", 1),
        ("fipa-request", "request", "inform", 1),
        ("fipa-contract-net", "cfp", "propose", 10),
        ("fipa-contract-net", "cfp", "propose", 100),
        ("fipa-subscribe", "subscribe", "inform", 1),
        ("fipa-auction-english", "cfp", "propose", 10),
    ]
    for name, opener, act, legs in plain:
        if name in protocols:
            protocol = protocols[name]
            start = opened(protocol, opener, legs)
            yield f"{name} {act}, {legs} legs", protocol, start, act, first, (INITIATOR,), quoted
    net = protocols["fipa-contract-net"]
    for legs in (10, 100):
        offered = opened(net, "cfp", legs)
        for name in offered.participants:
            verdict = said(net, offered, "propose", name, INITIATOR, quoting=quoted)
            assert isinstance(verdict, Admission)
            offered = verdict.conversation
        award = f"{net.name} accept-proposal, {legs} legs"
        yield award, net, offered, "accept-proposal", INITIATOR, (first,), "m1"
        rest = offered.participants[1:]
        rejections = f"{net.name} reject-proposal to {len(rest)}, each"
        yield rejections, net, offered, "reject-proposal", INITIATOR, rest, "m1"


def engine() -> None:
    """Print what the engine takes for each move."""
    for name, protocol, conversation, act, sender, receivers, quoting in moves():

        def judge(
            protocol: Protocol = protocol,
            conversation: Conversation = conversation,
            act: str = act,
            sender: str = sender,
            receivers: tuple[str, ...] = receivers,
            quoting: str | None = quoting,
        ) -> Admission | Rejection:
            return said(protocol, conversation, act, sender, *receivers, quoting=quoting)

        verdict = judge()
        assert isinstance(verdict, Admission), (name, verdict)
        calls = CALLS // len(receivers)
        best = min(timeit.repeat(judge, number=calls, repeat=RUNS)) / calls / len(receivers)
        print(f"{name:50} {best * 1e6:6.2f} us", flush=True)


async def hold_open(bed: Bed, count: int) -> None:
    """Open conversations that stay open: the agent that is asked never answers."""
    await bed.deploy("silent", "idle", {})
    node = bed.node
    for begun in range(0, count, AT_ONCE):
        for _ in range(begun, min(begun + AT_ONCE, count)):
            draft = Draft(Performative.REQUEST, receiver="silent", protocol="fipa-request")
            node.messages_.route(draft).unwrap()
        await bed.quiet()


async def beside(count: int, seconds: float, folder: Path) -> None:
    """Print the rate of contract nets beside open conversations."""
    bed = (await make_bed(folder, "memory")).unwrap()
    try:
        began = time.perf_counter()
        await hold_open(bed, count)
        took = time.perf_counter() - began
        (result,) = await contract_nets(bed, seconds)
        assert len(bed.node.conversations_.open) >= count
        assert not bed.mishaps(), bed.mishaps()
        print(
            f"{result['value']:8,.0f} contract nets/s beside {count:,} open conversations,"
            f" {result['loop_cpu_us']:.0f} us of the processor each"
            f" (opened {count / took:,.0f} a second)",
            flush=True,
        )
    finally:
        await bed.close()


def main() -> None:
    """Measure the engine, then the node."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--open", default="10,100000")
    args = parser.parse_args()
    relax_collector()
    engine()
    for count in args.open.split(","):
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(beside(int(count), args.seconds, Path(folder)))


if __name__ == "__main__":
    main()
