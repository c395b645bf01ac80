"""Whatever operators do, in any order, with crashes in between: nothing is lost and nothing happens twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import hypothesis.strategies as st
from caxton_core.ports import Fault
from caxton_core.testing import FakeClock
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.server.runtime.nodes import Bench, Message, Script, Tools

NAMES = ("ann", "bob", "cyd")


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
