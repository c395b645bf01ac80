"""Recovery: a node that died is rebuilt from its journal, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from caxton_core.ports import Fault
from caxton_core.testing import FakeClock
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.runtime.records import Charged
from caxton_server.runtime.recovery import ATTEMPTS, Recovery
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.server.runtime.nodes import Bench, Message, Script, Scripts, Tools

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


async def rebuilt(bench: Bench) -> Bench:
    """Return a node with what the journal brings back, in which nothing has happened since."""
    again = bench.again()
    node = again.node
    held: list[Any] = []
    # Nobody is started: what is compared is what was read.
    finish = Recovery.finish

    def only(self: Recovery, **given: Any) -> list[Any]:
        held.extend(finish(self, **given))
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recovery, "finish", only)
        (await node.start()).unwrap()
        await node.loop.stop(0)
    return again


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


# Everything an operator may do, in any order


class Ledger:
    """An agent's script that keeps what it handled in its durable state, and in a list outside."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.handled: list[str] = []
        self.script = Script(self.act)

    def act(self, message: Message, tools: Tools) -> Any:
        """Handle a message, over several slices if it says so."""
        content = message["content"]
        if not isinstance(content, dict) or "n" not in content:
            return None
        number = f"{content['n']}"
        known = tools.host.state_get(b"ledger") or b""
        tools.host.state_put(b"ledger", known + number.encode() + b" ")
        if content["to"] != self.name and content["to"]:
            tools.send(performative="inform", receiver=content["to"], content={**content, "to": ""})
        for _ in range(content["slices"]):
            yield
        if content["bad"]:
            return Fault(content["bad"], "as told")
        self.handled.append(number)
        return None


@settings(
    max_examples=25, stateful_step_count=30, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
class Operators(RuleBasedStateMachine):
    """Operators, clients, crashes and time, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.ledgers = {name: Ledger(name) for name in NAMES}
        self.sent: dict[str, str] = {}
        self.answered: Counter[str] = Counter()
        self.number = 0
        self.bench = Bench(clock=FakeClock())
        self.do(self.bench.start())

    def teardown(self) -> None:
        """Let everything end, and count it up."""
        self.bench.settle()
        for name in NAMES:
            if self.cell(name) is not None and self.cell(name).state == "suspended":
                self.control(name, "resume")
        for _ in range(12):
            self.bench.advance(40)
        self.check_ledgers()
        waiting = sum(len(cell.mailbox) for cell in self.bench.node.kernel.cells.values())
        assert waiting == 0
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def do(self, coroutine: Any) -> Any:
        """Run something of the node, which runs on meanwhile."""

        async def run() -> Any:
            task = asyncio.ensure_future(coroutine)
            while not task.done():
                if hasattr(self.bench.node, "scheduler"):
                    self.bench.settle()
                await asyncio.sleep(0)
            return task.result()

        return self.loop.run_until_complete(run())

    def cell(self, name: str) -> Any:
        """Return an agent's cell, if there is such an agent."""
        return self.bench.node.kernel.find(name)

    def control(self, name: str, verb: str) -> None:
        """Ask something of an agent; it may refuse."""
        self.do(self.bench.node.control(name, verb))

    @rule(name=st.sampled_from(NAMES), deliveries=st.integers(1, 3))
    def deploy(self, name: str, deliveries: int) -> None:
        """Deploy an agent, or its next version."""
        data = self.bench.scripts.add(name, self.ledgers[name].script)
        from caxton_core.resources import Manifest

        manifest = Manifest.parse(
            {"name": name, "deliveries": deliveries, "limits": {"mailbox": 6}}
        ).unwrap()
        self.do(self.bench.node.update(manifest, data)).unwrap()

    @rule(
        name=st.sampled_from(NAMES), to=st.sampled_from(["", *NAMES]), slices=st.integers(0, 2),
        bad=st.sampled_from(["", "", "", "trap", "agent-error"]), protocol=st.booleans(),
    )  # fmt: skip
    def send(self, name: str, to: str, slices: int, bad: str, protocol: bool) -> None:
        """Send a message."""
        self.number += 1
        number = str(self.number)
        fields = {"protocol": "fipa-request"} if protocol else {}
        routed = self.bench.post(
            name, "request" if protocol else "inform", conversation_id=f"c{number}",
            content={"n": number, "to": to, "slices": slices, "bad": bad}, **fields,
        )  # fmt: skip
        if hasattr(routed, "sender"):
            self.sent[number] = name

    @rule(turns=st.integers(1, 4))
    def work(self, turns: int) -> None:
        """Let some agents have their turns."""
        scheduler = self.bench.node.scheduler
        for _ in range(turns):
            self.bench.node.timers.fire(self.bench.node.kernel.tick(), limit=2)
            self.bench.turn()
            if scheduler.parked and turns % 2:
                scheduler.resume(scheduler.parked.popleft())

    @rule()
    def settle(self) -> None:
        """Let everything be done."""
        self.bench.settle()

    @rule(
        name=st.sampled_from(NAMES),
        verb=st.sampled_from(["suspend", "resume", "stop", "start", "restart", "drain"]),
    )
    def operate(self, name: str, verb: str) -> None:
        """Ask something of an agent."""
        self.control(name, verb)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        """Remove an agent; what it has handled is forgotten with its state."""
        if self.cell(name) is not None:
            self.check_ledgers()
            self.do(self.bench.node.remove_agent(name)).unwrap()
            self.ledgers[name].handled.clear()
            for number in [n for n, to in self.sent.items() if to == name]:
                del self.sent[number]

    @rule(seconds=st.sampled_from([0.1, 1.0, 30.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.bench.advance(seconds)

    @precondition(lambda self: self.number > 0)
    @rule()
    def crash(self) -> None:
        """Kill the node, and start the next one."""
        before = {name: list(self.ledgers[name].handled) for name in NAMES}
        self.bench = self.bench.again(seed=self.number)
        self.do(self.bench.start())
        for name in NAMES:
            assert self.ledgers[name].handled[: len(before[name])] == before[name]

    @invariant()
    def mailboxes_count_what_they_hold(self) -> None:
        """Counters and contents agree, held deliveries included."""
        for cell in self.bench.node.kernel.cells.values():
            mailbox = cell.mailbox
            inside = [*mailbox.queue, *[d for held in cell.held.values() for d in held]]
            assert mailbox.count == sum(not each.platform for each in inside)
            assert mailbox.platform_count == sum(each.platform for each in inside)
            assert mailbox.bytes == sum(len(d.wire) for d in inside if not d.platform)
            assert mailbox.platform_bytes == sum(len(d.wire) for d in inside if d.platform)

    @invariant()
    def conversations_are_counted_for_their_parties(self) -> None:
        """The count of each agent is the number of open conversations it is in."""
        expected: Counter[str] = Counter()
        conversations = self.bench.node.conversations_
        for conversation in conversations.open.values():
            assert conversation.open_legs
            expected.update([conversation.initiator, *conversation.legs])
        assert +conversations.per_agent == expected

    @invariant()
    def queues_hold_each_agent_once(self) -> None:
        """Nobody is in the ready queue twice, and nobody is forgotten."""
        scheduler = self.bench.node.scheduler
        queued = [*scheduler.ready, *scheduler.parked]
        assert len(queued) == len(set(map(id, queued)))
        for cell in self.bench.node.kernel.cells.values():
            if cell.awake and cell.mailbox.queue:
                assert cell.queued
            assert cell.parked == (cell in scheduler.parked)

    @invariant()
    def state_is_as_large_as_it_says(self) -> None:
        """The size that the quota is held against is that of the state."""
        for cell in self.bench.node.kernel.cells.values():
            assert cell.data_size == sum(len(k) + len(v) for k, v in cell.data.items())

    def check_ledgers(self) -> None:
        """Nothing was handled twice, and what was handled is what the durable state says."""
        for name, ledger in self.ledgers.items():
            cell = self.cell(name)
            if cell is None:
                continue
            durable = cell.data.get(b"ledger", b"").decode().split()
            assert durable == ledger.handled
            assert len(set(durable)) == len(durable)
        letters = self.do(self.bench.letters())
        dead = {
            letter.message["content"]["n"]
            for letter in letters
            if isinstance(letter.message.get("content"), dict) and "n" in letter.message["content"]
        }
        waiting = {
            each.message.content["n"]
            for cell in self.bench.node.kernel.cells.values()
            for each in [
                *cell.mailbox.queue,
                *[d for held in cell.held.values() for d in held],
                *([cell.running_delivery] if cell.running_delivery is not None else []),
            ]
            if isinstance(each.message.content, dict) and "n" in each.message.content
        }
        for number, name in self.sent.items():
            # Accepted means handled, waiting, or kept as a dead letter: never lost.
            assert number in self.ledgers[name].handled or number in waiting or number in dead


TestOperators = Operators.TestCase
