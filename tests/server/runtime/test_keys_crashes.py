"""A crash between any two commits: who asks again under the same key has the effect once, and the answer to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from caxton_core.initiators import ConversationSpec
from caxton_core.ports import Fault
from caxton_core.testing import FakeClock
from caxton_server.runtime import journal_writer
from caxton_server.runtime.keys import Claim, Kept

from tests.server.runtime.journals import Moody
from tests.server.runtime.nodes import Bench, Script, Scripts, saying
from tests.server.runtime.test_keys import EFFECTS, claimed

Effect = Callable[[Bench, Claim], Awaitable[Any]]


async def done(bench: Bench, asked: Awaitable[Any]) -> Any:
    """Run the node until something asked of it is answered and the storage has all of it."""
    task = asyncio.ensure_future(asked)
    for _ in range(5000):
        await asyncio.sleep(0.001)
        bench.settle()
        if task.done():
            break
    answer = await asyncio.wait_for(task, 5)
    await bench.node.kernel.journal.readable()
    return answer


async def asked(bench: Bench, effect: Effect) -> tuple[Any, bool]:
    """Ask for an effect as a client does, under its key: the answer, and whether there had been one before."""
    begun = (await bench.node.claim("", "k", "d")).unwrap()
    if isinstance(begun, Kept):
        return msgspec.json.decode(begun.body), True
    begun.end()
    claim = await claimed(bench)
    view = (await done(bench, effect(bench, claim))).unwrap()
    claim.end()
    return msgspec.json.decode(msgspec.json.encode(view)), False


async def summary(bench: Bench) -> dict[str, Any]:
    """Count what there is: messages of the API, conversations, agents with their versions, deployments in place, letters."""
    for _ in range(5):
        bench.settle()
        await asyncio.sleep(0.002)
    node = bench.node
    messages = (await node.messages(limit=1000)).unwrap().items
    deployments = (await node.deployments(limit=1000, cursor=None)).items
    return {
        "messages": len([item for item in messages if item.message["sender"] == "api@caxton"]),
        "conversations": len((await node.conversations(limit=1000)).items),
        "agents": {
            agent.name: (agent.state, [version.version for version in node.versions(agent.name).unwrap()])
            for agent in node.agents().items
        },
        "deployments": sorted(item.version for item in deployments if item.state == "running"),
        "letters": len((await node.dead_letters(limit=1000)).items),
        "modules": len((await node.modules(limit=1000, cursor=None)).items),
    }  # fmt: skip


def copy(storage: Moody, calls: int) -> Moody:
    """Return what a storage held after so many commits."""
    made = Moody()
    for digest in storage.modules():
        data = storage.module(digest)
        assert data is not None
        made.put_module(digest, data).unwrap()
    for groups, rows in storage.calls[:calls]:
        made.append(groups, rows).unwrap()
    made.calls.clear()
    return made


async def one_letter(bench: Bench) -> Effect:
    """Make a dead letter, and return the effect of sending it again."""
    bench.post("clumsy")
    bench.settle()
    (letter,) = (await bench.node.dead_letters()).items
    return lambda node, claim: node.node.redrive(letter.id, claim=claim)


async def one_conversation(bench: Bench) -> Effect:
    """Open a conversation, and return the effect of cancelling it."""
    spec = ConversationSpec(protocol="fipa-request", participants=["mute"], content=1)
    view = (await bench.node.start_conversation(spec)).unwrap()
    return lambda node, claim: node.node.cancel_conversation(view.id, claim=claim)


PREPARED = {"redrive": one_letter, "cancel_conversation": one_conversation}


@pytest.mark.parametrize(("name", "effect"), [row[:2] for row in EFFECTS])
async def test_an_effect_happens_once_whenever_the_node_dies(
    name: str, effect: Effect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node is rebuilt from every prefix of its commits, the client asks again, and the world is the same."""
    # Each turn is a group of its own: a crash can come between any two.
    monkeypatch.setattr(journal_writer, "_GROUP_BYTES", 0)
    storage, scripts, clock = Moody(), Scripts(), FakeClock()
    bench = await Bench(storage=storage, scripts=scripts, clock=clock).start()
    agent = saying(performative="inform", content="here")
    agent.export = b"x"
    await bench.deploy("agent", agent)
    await bench.deploy("clumsy", Script(lambda _message, _tools: Fault("trap", "")))
    await bench.deploy("mute", Script())
    if name in PREPARED:
        effect = await PREPARED[name](bench)
    bench.settle()
    await bench.node.kernel.journal.readable()
    first = len(storage.calls)
    answer, _ = await asked(bench, effect)
    expected = await summary(bench)
    last = len(storage.calls)
    assert last > first
    repeated = 0
    for calls in range(first, last + 1):
        again = await Bench(
            storage=copy(storage, calls), scripts=scripts, clock=clock, seed=1000 + calls
        ).start()
        second, known = await asked(again, effect)
        repeated += not known
        assert await summary(again) == expected, f"after {calls - first} of {last - first} commits"
        if known:
            assert second == answer
        third, known = await asked(again, effect)
        assert (third, known) == (second, True)
        await again.node.kernel.journal.close()
    assert 1 <= repeated <= last - first
    await bench.node.kernel.journal.close()
