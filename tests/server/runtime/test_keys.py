"""Keys and ids of clients: kept in the turn of the effect, found at once, forgotten when their window is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from caxton_core.errors import Conflict, KeyReused, KeyUnderWay, StartFailed, Timeout
from caxton_core.initiators import ConversationSpec
from caxton_core.ports import Fault
from caxton_core.resources import Manifest
from caxton_server.runtime.client_ids import REMEMBERED, REMEMBERED_BYTES, WINDOW_MS
from caxton_server.runtime.keys import PREFIX, Claim, Kept
from caxton_server.runtime.records import AgentSaved, Routed, Step
from returns.result import Result

from tests.server.runtime.nodes import Bench, Script, saying

Turn = tuple[list[Any], dict[tuple[str, str], Any]]


def inform(**fields: Any) -> bytes:
    """Return the body of a message."""
    return msgspec.json.encode(
        {"performative": "inform", "receiver": "agent", "content": 1, **fields}
    )


async def claimed(bench: Bench, key: str = "k", digest: str = "d") -> Claim:
    """Return the claim of a request whose answer is its view."""
    claim = (await bench.node.claim("", key, digest)).unwrap()
    assert isinstance(claim, Claim)
    claim.render = lambda view: Kept("", status=200, body=msgspec.Raw(msgspec.json.encode(view)))
    return claim


def turns(bench: Bench) -> list[Turn]:
    """Return the turns of the journal from now on, each with its records and its rows: what is committed together."""
    journal = bench.node.kernel.journal
    seen: list[Turn] = []
    flush = journal.flush

    def noted() -> None:
        if journal._records or journal._rows:
            seen.append((list(journal._records), dict(journal._rows)))
        flush()

    journal.flush = noted  # type: ignore[method-assign]  # to see what is committed together
    return seen


def of_key(seen: list[Turn]) -> Turn:
    """Return the first turn with a key in it."""
    return next(turn for turn in seen if any(key.startswith(PREFIX) for _, key in turn[1]))


async def done(bench: Bench, asked: Awaitable[Result[Any, Any]]) -> Result[Any, Any]:
    """Run the node until something asked of it is answered."""
    task = asyncio.ensure_future(asked)
    for turn in range(10_000):
        # Some of it is done by threads, which take the time that the machine gives them.
        await asyncio.sleep(0 if turn < 200 else 0.001)
        bench.settle()
        if task.done():
            break
    return await asyncio.wait_for(task, 5)


async def opened(bench: Bench, claim: Claim | None) -> Result[Any, Any]:
    """Open a conversation."""
    spec = ConversationSpec(protocol="fipa-request", participants=["agent"], content=1)
    return await bench.node.start_conversation(spec, claim=claim)


async def redriven(bench: Bench, claim: Claim) -> Result[Any, Any]:
    """Send a dead letter again."""
    bench.post("clumsy")
    bench.settle()
    (letter,) = await bench.letters()
    return await bench.node.redrive(letter.id, claim=claim)


async def cancelled(bench: Bench, claim: Claim) -> Result[Any, Any]:
    """Cancel a conversation."""
    view = (await opened(bench, None)).unwrap()
    return await bench.node.cancel_conversation(view.id, claim=claim)


def slowly(_given: Any, _tools: Any) -> Any:
    """Take several slices, so that the answer comes some turns after the effect."""
    for _ in range(3):
        yield


async def updated(bench: Bench, claim: Claim) -> Result[Any, Any]:
    """Deploy the next version."""
    manifest = Manifest.parse({"name": "agent", "version": "2"}).unwrap()
    return await bench.node.update(
        manifest, bench.scripts.add("two", Script(imported=slowly)), claim=claim
    )


async def created(bench: Bench, claim: Claim) -> Result[Any, Any]:
    """Deploy an agent."""
    manifest = Manifest.parse({"name": "new"}).unwrap()
    return await bench.node.deploy(
        manifest, bench.scripts.add("one", Script(start=slowly)), claim=claim
    )


def routed(turn: Turn) -> bool:
    """Tell whether a message was sent in a turn."""
    return any(isinstance(record, Routed) for record in turn[0])


def saved(state: str) -> Callable[[Turn], bool]:
    """Return what tells whether an agent entered a state in a turn."""
    return lambda turn: any(
        isinstance(each, AgentSaved) and each.state == state for each in turn[0]
    )


EFFECTS: list[tuple[str, Callable[[Bench, Claim], Awaitable[Any]], Callable[[Turn], bool]]] = [
    ("send", lambda bench, claim: bench.node.send(inform(), claim=claim), routed),
    ("request", lambda bench, claim: bench.node.request(inform(), wait=5, claim=claim), routed),
    ("start_conversation", opened, routed),
    ("cancel_conversation", cancelled, routed),
    ("redrive", redriven, lambda turn: routed(turn) and any(t == "dead_letters" for t, _ in turn[1])),
    ("deploy", created, saved("running")),
    ("update", updated, saved("running")),
    ("push_module", lambda bench, claim: bench.node.push_module(
        bench.scripts.add("pushed", Script()), claim=claim), lambda turn: any(t == "modules" for t, _ in turn[1])),
    *[
        (verb, lambda bench, claim, verb=verb: bench.node.control("agent", verb, claim=claim), saved(state))
        for verb, state in (
            ("suspend", "suspended"), ("restart", "running"), ("stop", "stopped"), ("drain", "draining"),
        )
    ],
]  # fmt: skip


@pytest.mark.parametrize(
    ("effect", "real"), [row[1:] for row in EFFECTS], ids=[row[0] for row in EFFECTS]
)
async def test_a_key_is_committed_with_its_effect(
    effect: Callable[[Bench, Claim], Awaitable[Any]], real: Callable[[Turn], bool]
) -> None:
    """In one turn of the journal: after a crash both are there, or neither; then the answer is the first one."""
    bench = await Bench().start()
    await bench.deploy("agent", saying(performative="inform", content="here"))
    await bench.deploy("clumsy", Script(lambda _message, _tools: Fault("trap", "")))
    claim = await claimed(bench)
    seen = turns(bench)
    view = (await done(bench, effect(bench, claim))).unwrap()
    assert real(of_key(seen))
    assert claim.kept is not None
    assert msgspec.json.decode(claim.kept.body) == msgspec.json.decode(msgspec.json.encode(view))
    claim.end()
    for node in (bench, await bench.again().start()):
        assert (await node.node.claim("", "k", "d")).unwrap() == claim.kept


async def test_what_was_made_before_a_crash_is_answered_for_after_it() -> None:
    """The node died between the effect and the answer: whoever asks again gets the answer to that effect."""
    bench = await Bench().start()
    script = Script()
    await bench.deploy("agent", script)
    claim = await claimed(bench)
    timed_out = await done(bench, bench.node.request(inform(), wait=0.01, claim=claim))
    assert isinstance(timed_out.failure(), Timeout)
    again = await bench.again().start()
    second = await claimed(again)
    assert second.reference == claim.reference != ""
    script.act = lambda _message, _tools: None
    task = asyncio.ensure_future(again.node.request(inform(), wait=5, claim=second))
    for _ in range(50):
        await asyncio.sleep(0.001)
    conversation = msgspec.json.decode(claim.reference)["conversation_id"]
    script.act = lambda _message, _tools: {
        "performative": "inform", "content": "late", "conversation_id": conversation, "receiver": "api",
    }  # fmt: skip
    again.post("agent", content="go")
    again.settle()
    exchange = (await asyncio.wait_for(task, 5)).unwrap()
    assert (exchange.message["content"], exchange.reply["content"]) == (1, "late")
    assert script.contents == [1, "go"]
    second.end()
    assert (await again.node.claim("", "k", "d")).unwrap() == second.kept


async def test_a_deployment_that_outlived_its_request_is_answered_for() -> None:
    """Its agent runs, and is not deployed again; once it is removed, that is what is said."""
    bench = await Bench().start()
    claim = await claimed(bench)
    seen: list[Any] = []
    # The node dies before the answer is known.
    claim.settle = seen.append  # type: ignore[method-assign, assignment]  # it keeps nothing
    deployed = (await done(bench, created(bench, claim))).unwrap()
    again = await bench.again().start()
    second = await claimed(again)
    view = (await done(again, created(again, second))).unwrap()
    assert (view.agent.id, view.deployment.id) == (deployed.agent.id, deployed.deployment.id)
    second.end()
    third = await bench.again().start()
    (await third.node.remove_agent("new")).unwrap()
    claim = await claimed(third, "other")
    claim.refer(view.deployment.id)
    assert isinstance((await done(third, created(third, claim))).failure(), Conflict)


async def test_a_deployment_that_fails_uses_no_key_up() -> None:
    """There is no effect, so there is nothing to remember."""
    bench = await Bench().start()
    bad = Script(start=lambda _config, _tools: Fault("agent-error", "7"))
    manifest = Manifest.parse({"name": "new"}).unwrap()
    claim = await claimed(bench)
    failed = await done(
        bench, bench.node.deploy(manifest, bench.scripts.add("bad", bad), claim=claim)
    )
    assert isinstance(failed.failure(), StartFailed)
    claim.end()
    again = await claimed(await bench.again().start(), digest="another")
    assert again.reference == ""


async def test_one_request_at_a_time() -> None:
    """A second one is told to come later, one with another body that it never can; another client's key is another."""
    bench = await Bench().start()
    claim = await claimed(bench)
    assert (await bench.node.claim("", "k", "d")).failure() == KeyUnderWay("k")
    assert (await bench.node.claim("", "k", "e")).failure() == KeyReused("k")
    assert isinstance((await bench.node.claim("token", "k", "e")).unwrap(), Claim)
    claim.end()
    (await claimed(bench)).settle(1)
    bench.node.keys.under_way.clear()
    assert (await bench.node.claim("", "k", "e")).failure() == KeyReused("k")


@pytest.mark.parametrize("crash", [False, True])
async def test_the_window(crash: bool) -> None:
    """A key and an id stand for their first answer for a day, whether their rows are deleted or not; not longer."""
    bench = await Bench().start()
    await bench.deploy("agent", Script())
    claim = await claimed(bench)
    (await done(bench, bench.node.send(inform(), claim=claim))).unwrap()
    claim.end()
    uuid = "01890000-0000-7000-8000-000000000000"
    (await done(bench, bench.node.send(inform(id=uuid)))).unwrap()
    bench.clock.advance(WINDOW_MS / 1000 - 1)
    if crash:
        bench = await bench.again().start()
    assert isinstance((await bench.node.claim("", "k", "d")).unwrap(), Kept)
    same = await done(bench, bench.node.send(inform(id=uuid, content=2)))
    assert isinstance(same.failure(), Conflict)
    bench.clock.advance(1)
    assert isinstance((await bench.node.claim("", "k", "e")).unwrap(), Claim)
    (await done(bench, bench.node.send(inform(id=uuid, content=2)))).unwrap()


async def test_what_is_not_committed_yet_is_not_forgotten() -> None:
    """Memory holds the latest ids and bytes, and whatever the table does not have."""
    bench = await Bench().start()
    ids = bench.node.keys.ids
    for number in range(REMEMBERED + 10):
        ids.keep(str(number), "", b"x")
    assert await ids.find("0") == b"x"
    bench.settle()
    ids.keep("last", "", bytes(REMEMBERED_BYTES // 2))
    assert len(ids._recent) == REMEMBERED
    ids.keep("large", "", bytes(REMEMBERED_BYTES // 2))
    ids.keep("larger", "", bytes(REMEMBERED_BYTES))
    bench.settle()
    ids.keep("small", "", b"y")
    assert list(ids._recent) == ["small"]
    for name, size in (("0", 1), ("last", REMEMBERED_BYTES // 2), ("small", 1)):
        found = await ids.find(name)
        assert found is not None
        assert len(found) == size


async def test_two_of_the_same_id_at_once() -> None:
    """One is delivered, both get its answer, whatever they wait for."""
    bench = await Bench().start()
    script = saying(performative="inform", content="here")
    await bench.deploy("agent", script)
    uuid = "01890000-0000-7000-8000-000000000000"
    body = inform(id=uuid)
    tasks: list[Any] = [asyncio.ensure_future(bench.node.send(body)) for _ in range(3)]
    tasks += [asyncio.ensure_future(bench.node.request(body, wait=5)) for _ in range(3)]
    for _ in range(300):
        await asyncio.sleep(0.001)
        bench.settle()
    answers = [(await asyncio.wait_for(task, 5)).unwrap() for task in tasks]
    assert answers[0] == answers[1] == answers[2]
    assert answers[3] == answers[4] == answers[5]
    assert len(script.seen) == 1
    steps = [record for record in bench.records() if isinstance(record, Step)]
    assert len([step for step in steps if step.message == uuid]) == 1
