"""Recovery: a node that died is rebuilt from its journal, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from caxton_core.ports import Fault
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.runtime.records import Charged
from caxton_server.runtime.recovery import ATTEMPTS, Recovery

from tests.server.runtime.nodes import Bench, Message, Script, Scripts, Tools
from tests.server.runtime.recoveries import rebuilt

NAMES = ("ann", "bob", "cyd")


def picture(bench: Bench) -> dict[str, Any]:
    """Describe everything of a node that its journal must bring back."""
    node = bench.node
    return {
        "serial": node.kernel.serial,
        "agents": {
            cell.name: {
                "state": str(cell.state),
                "detail": cell.detail,
                "version": cell.manifest.version,
                "mailbox": sorted(
                    (each.serial, each.message, each.wire, each.platform, each.attempt)
                    for each in [*cell.mailbox.queue, *[d for held in cell.held.values() for d in held]]
                ),
                "bytes": (cell.mailbox.bytes, cell.mailbox.platform_bytes),
                "data": cell.data,
                "size": cell.data_size,
                "timers": cell.timers,
            }
            for cell in node.kernel.cells.values()
        },
        "open": node.conversations_.open,
        "closed": dict(node.conversations_.closed),
        "per agent": +node.conversations_.per_agent,
        "per protocol": +node.conversations_.per_protocol,
    }  # fmt: skip


def babbler(chance: random.Random) -> Script:
    """Return an agent that does whatever agents can do, at random."""

    def act(message: Message, tools: Tools) -> Any:
        host, content = tools.host, message.get("content")
        if content == "ring" or (isinstance(content, int) and content > 8):
            return None
        for _ in range(chance.randrange(4)):
            what = chance.randrange(8)
            if what == 0:
                host.state_put(b"k%d" % chance.randrange(4), b"v" * chance.randrange(9))
            elif what == 1:
                host.state_delete(b"k%d" % chance.randrange(4))
            elif what == 2:
                host.set_timer(chance.choice([0, 500, 5000]), b"ring")
            elif what == 3:
                host.cancel_timer(chance.randrange(1, 9))
            elif what == 4:
                tools.send(
                    performative="request", receiver=chance.choice(NAMES), protocol="fipa-request",
                    content=(content or 0) + 1 if isinstance(content, int) else 8,
                )  # fmt: skip
            elif what == 5:
                tools.send(
                    performative="inform",
                    receiver=[*NAMES[:2], "api"],
                    content=9,
                    x_n=chance.random(),
                )
            elif what == 6:
                host.log(1, b"busy")
        if chance.random() < 0.3:
            yield
        if chance.random() < 0.1:
            return Fault(chance.choice(["trap", "agent-error"]), "bad luck")
        if chance.random() < 0.1:
            return {"performative": "inform", "receiver": "nobody"}
        if message.get("protocol"):
            return {"performative": chance.choice(["agree", "inform", "refuse", "failure"])}
        return None

    return Script(act)


@pytest.mark.parametrize(
    ("seed", "back_end"),
    [*[(seed, "memory") for seed in range(12)], *[(seed, "sqlite") for seed in range(3)]],
)
async def test_the_node_that_is_rebuilt_equals_the_one_that_died(
    seed: int, back_end: str, tmp_path: Path
) -> None:
    """After any schedule of steps: mailboxes, state, timers and conversations."""
    chance = random.Random(seed)
    storage = SqliteStorage(tmp_path / "caxton.db") if back_end == "sqlite" else None
    bench = await Bench(storage=storage, seed=seed).start()
    for number, name in enumerate(NAMES):
        await bench.deploy(
            name, babbler(chance), deliveries=number + 1, codec=("json", "msgpack")[number % 2],
            limits={"mailbox": 20, "conversations": 9, "state": 64},
            restart={"max_restarts": 2, "within_s": 600},
        )  # fmt: skip
    for _ in range(40):
        what = chance.randrange(10)
        if what < 5:
            bench.post(chance.choice(NAMES), "request", content=chance.randrange(6))
        elif what == 5:
            bench.post(list(NAMES), "cfp", protocol="fipa-contract-net", reply_by="+3s")
        elif what == 6:
            verb = chance.choice(["suspend", "resume", "stop", "start", "restart", "drain"])
            task = asyncio.ensure_future(bench.node.control(chance.choice(NAMES), verb))
            while not task.done():
                bench.settle()
                await asyncio.sleep(0.001 if storage else 0)
        elif what == 7:
            bench.clock.advance(chance.choice([0.1, 1, 4]))
        for _ in range(chance.randrange(6)):
            bench.node.timers.fire(bench.node.kernel.tick(), limit=1)
            bench.turn()
            if bench.node.scheduler.parked and chance.random() < 0.5:
                bench.node.scheduler.resume(bench.node.scheduler.parked.popleft())
    before = picture(bench)
    for cell in bench.node.kernel.cells.values():
        if cell.running_delivery is not None:
            each = cell.running_delivery
            agent = before["agents"][cell.name]
            agent["mailbox"] = sorted(
                [
                    *agent["mailbox"],
                    (each.serial, each.message, each.wire, each.platform, each.attempt),
                ]
            )
            size = len(each.wire)
            of_agents, of_platform = agent["bytes"]
            agent["bytes"] = (
                (of_agents, of_platform + size)
                if each.platform
                else (of_agents + size, of_platform)
            )
    journal = bench.node.kernel.journal
    if storage is not None:
        await journal.close()
    assert picture(await rebuilt(bench)) == before


# What ran when the node died


async def crash(bench: Bench, interrupted: int) -> Bench:
    """Start the next node as if a message had been running when this one was killed."""
    again = bench.again()
    with pytest.MonkeyPatch.context() as patch:
        finish = Recovery.finish

        def marked(self: Recovery, **given: Any) -> list[Any]:
            return finish(self, **{**given, "interrupted": interrupted})

        patch.setattr(Recovery, "finish", marked)
        (await again.node.start()).unwrap()
        await again.node.loop.stop(0)
    return again


async def test_a_message_that_kills_nodes_is_a_dead_letter_in_the_end() -> None:
    """Each crash is charged to the message that ran, durably; its sender, deployed later, is told."""
    bench = await Bench().start()
    await bench.deploy("agent", Script())
    (await bench.node.control("agent", "suspend")).unwrap()
    asker = Script(
        lambda message, tools: (
            tools.send(performative="request", receiver="agent", conversation_id="c", protocol="fipa-request")
            if message["sender"] == "api@caxton" else None
        )
    )  # fmt: skip
    await bench.deploy("asker", asker)
    bench.post("asker")
    bench.settle()
    serial = bench.cell("agent").mailbox.queue[0].serial
    for attempt in range(2, ATTEMPTS + 1):
        bench = await crash(bench, serial)
        assert [d.attempt for d in bench.cell("agent").mailbox.queue] == [attempt]
    assert len([r for r in bench.records() if isinstance(r, Charged)]) == ATTEMPTS - 1
    bench = await crash(bench, serial)
    assert len(bench.cell("agent").mailbox) == 0
    bench.settle()
    assert [m["performative"] for m in asker.seen] == ["inform", "failure"]
    assert asker.seen[1]["content"]["reason"] == "crash"
    (letter,) = await bench.letters()
    assert (letter.reason, letter.attempts) == ("crash", ATTEMPTS)
    assert (await bench.node.conversation("c")).unwrap().state == "failed"
    bench = await crash(bench, serial)
    assert len(await bench.letters()) == 1
    history = (await bench.node.message(letter.message["id"])).unwrap().history
    assert [entry.event for entry in history] == ["sent", "failed"]


async def test_attempts_that_the_manifest_allows_are_not_crashes() -> None:
    """A message at its fourth attempt of nine survives a crash."""
    bench = await Bench().start()
    script = Script(lambda _message, _tools: Fault("agent-error", "1"))
    await bench.deploy("agent", script, deliveries=9)
    bench.post("agent")
    bench.settle()
    for _ in range(3):
        bench.advance(30)
    ((held,),) = bench.cell("agent").held.values()
    assert held.attempt == 5
    bench = await crash(bench, held.serial)
    assert await bench.letters() == []


async def test_deadlines_that_passed_while_the_node_was_down_are_fired() -> None:
    """The conversation has expired when anybody looks."""
    bench = await Bench().start()
    await bench.deploy("agent", Script())
    bench.post("agent", "request", protocol="fipa-request", conversation_id="c", reply_by="+2s")
    bench.settle()
    bench.clock.advance(10)
    bench = await bench.again().start()
    view = (await bench.node.conversation("c")).unwrap()
    assert (view.state, view.outcome) == ("expired", "expired")
    assert bench.node.conversations_.open == {}


async def test_every_state_of_life_survives() -> None:
    """Suspended agents rest, draining ones drain on, stopped and failed ones stay so."""
    bench = await Bench().start()
    agreeing = lambda _message, _tools: {"performative": "agree"}  # noqa: E731
    scripts = {name: Script(agreeing) for name in ("rests", "drains", "stopped", "failed", "runs")}
    for name, script in scripts.items():
        await bench.deploy(name, script)
    bench.post("drains", "request", protocol="fipa-request", conversation_id="c")
    bench.settle()
    for name, verb in (("rests", "suspend"), ("drains", "drain"), ("stopped", "stop")):
        (await bench.node.control(name, verb)).unwrap()
    scripts["failed"].begin = lambda _config, _tools: Fault("agent-error", "why")
    await bench.node.control("failed", "restart")
    bench.post("rests", content="later")
    states = {view.name: (view.state, view.detail) for view in bench.node.agents().items}
    assert states == {
        "rests": ("suspended", ""), "drains": ("draining", ""), "stopped": ("stopped", ""),
        "failed": ("failed", "agent-error: why"), "runs": ("running", ""),
    }  # fmt: skip
    bench = await bench.again().start()
    assert {view.name: (view.state, view.detail) for view in bench.node.agents().items} == states
    assert scripts["rests"].seen == []
    assert [scripts[name].starts for name in ("rests", "stopped", "failed")] == [2, 1, 2]
    (await bench.node.control("rests", "resume")).unwrap()
    bench.post("drains", "cancel", conversation_id="c", reply_with="x")
    bench.settle()
    assert scripts["rests"].contents == ["later"]


async def test_an_agent_whose_module_is_gone_is_failed() -> None:
    """The others run; its mailbox is answered."""
    scripts = Scripts()
    bench = await Bench(scripts=scripts).start()
    await bench.deploy("agent", Script())
    await bench.deploy("other", Script())
    (await bench.node.control("agent", "suspend")).unwrap()
    bench.post("agent")
    del scripts.by_name["agent"]
    bench = await bench.again().start()
    assert [(view.name, view.state) for view in bench.node.agents().items] == [
        ("agent", "failed"), ("other", "running"),
    ]  # fmt: skip
    assert [letter.reason for letter in await bench.letters()] == ["undeliverable"]
