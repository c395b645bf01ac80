"""Steps: what a guest does is kept apart until it has succeeded, and it reads what it wrote."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.ports import Fault
from caxton_server.runtime.records import Step
from caxton_server.runtime.steps import LOG_PER_STEP

from tests.server.runtime.nodes import Bench, Message, Script, Tools

BAD = {"no": "message"}


async def run(act: Any, *, contents: tuple[Any, ...] = (None,), **manifest: Any) -> Bench:
    """Let an agent handle some messages."""
    bench = await Bench().start()
    await bench.deploy("agent", Script(act), **manifest)
    for content in contents:
        bench.post("agent", content=content)
    bench.settle()
    return bench


async def test_state_is_read_through_what_the_step_wrote() -> None:
    """A value is seen by the step that put it, a deleted one is not."""
    seen: list[Any] = []

    def act(message: Message, tools: Tools) -> None:
        host = tools.host
        if message["content"] == 1:
            host.state_put(b"a", b"1")
            host.state_put(b"b", b"2")
            return
        seen.extend([host.state_get(b"a"), host.state_delete(b"a"), host.state_get(b"a")])
        seen.extend([host.state_delete(b"a"), host.state_put(b"a", b""), host.state_get(b"a")])
        seen.append(host.state_delete(b"never"))

    bench = await run(act, contents=(1, 2))
    assert seen == [b"1", 0, None, -1, 0, b"", -1]
    assert bench.cell("agent").data == {b"a": b"", b"b": b"2"}
    assert bench.cell("agent").data_size == 3


@pytest.mark.parametrize(
    "fault",
    [BAD, Fault("agent-error", "7"), Fault("trap", "unreachable"), Fault("cpu", "used up"), b"{"],
)
async def test_a_failed_step_leaves_nothing_behind(fault: Any) -> None:
    """Neither state, nor messages, nor the size of the state is changed."""

    def act(message: Message, tools: Tools) -> Any:
        if message["content"] == "fail":
            tools.host.state_put(b"a", b"xxxx")
            tools.host.state_delete(b"kept")
            assert tools.send(performative="inform", receiver="other") == 0
            return fault
        tools.host.state_put(b"kept", b"1")
        return None

    bench = await Bench().start()
    other = Script()
    await bench.deploy("other", other)
    await bench.deploy("agent", Script(act))
    for content in ("keep", "fail", "keep"):
        bench.post("agent", content=content)
    bench.settle()
    cell = bench.cell("agent")
    assert cell.data == {b"kept": b"1"}
    assert cell.data_size == 5
    assert other.seen == []
    assert (cell.messages_in, cell.faults) == (2, 1)


async def test_the_quota_holds_for_keys_and_values() -> None:
    """What does not fit is refused and changes nothing; what gets smaller always fits."""
    answers: list[int] = []

    def act(message: Message, tools: Tools) -> Any:
        put = tools.host.state_put
        if message["content"] == "fail":
            answers.append(put(b"zzzz", b"x" * 40))
            return BAD
        answers.extend([put(b"key", b"x" * 97), put(b"k", b""), put(b"key", b"x" * 98)])
        answers.extend([put(b"key", b"x" * 9), put(b"k", b"x" * 87), put(b"k" * 1025, b"")])
        return None

    bench = await run(act, contents=("fail", "ok", "fail"), limits={"state": 100})
    assert answers == [0, 0, -1, -1, 0, 0, -1, -1]
    assert bench.cell("agent").data_size == 100


async def test_the_clock_stands_still_within_a_step() -> None:
    """Even a suspended one reads the time at which it began; its record says it."""
    times: list[int] = []

    def act(_message: Message, tools: Tools) -> Any:
        times.append(tools.host.now_ms())
        yield
        times.append(tools.host.now_ms())
        return None

    bench = await Bench().start()
    await bench.deploy("agent", Script(act))
    bench.post("agent")
    bench.turn()
    bench.advance(3)
    assert times[0] == times[1] == bench.clock.time_ms() - 3000
    assert bench.records()[-1].time == times[0]


async def test_random_bytes_follow_from_the_seed_in_the_record() -> None:
    """A step that draws has a seed; the draws differ; a step that draws nothing has none."""
    drawn: list[bytes] = []

    def act(message: Message, tools: Tools) -> None:
        if message["content"] == "draw":
            drawn.extend(tools.host.random(16) for _ in range(3))
            drawn.append(tools.host.random(0))

    bench = await run(act, contents=("draw", "rest", "draw"))
    assert [len(data) for data in drawn] == [16, 16, 16, 0] * 2
    assert len(set(drawn)) == 7
    steps = [r for r in bench.records() if isinstance(r, Step) and r.consumed]
    seeds = [None if step.effects is None else step.effects.seed for step in steps]
    assert [seed is not None for seed in seeds] == [True, False, True]
    assert seeds[0] != seeds[2]


async def test_random_bytes_of_a_long_step_cost_what_they_are() -> None:
    """Thousands of draws of the largest size do not each repeat the ones before."""

    def act(_message: Message, tools: Tools) -> None:
        for _ in range(500):
            assert len(tools.host.random(65_536)) == 65_536

    await run(act)


async def test_a_step_logs_64_kib() -> None:
    """What is more is counted and left out; the next step may log again."""

    def act(_message: Message, tools: Tools) -> None:
        for _ in range(10):
            tools.host.log(2, b"x" * 8192)

    bench = await run(act, contents=(1, 2))
    cell = bench.cell("agent")
    assert len(cell.logs.lines) == 2 * LOG_PER_STEP // 8192
    assert cell.log_bytes_dropped == 2 * 2 * 8192


async def test_logs_stay_even_when_the_step_fails() -> None:
    """They are what tells why it did; control characters are replaced."""

    def act(_message: Message, tools: Tools) -> Any:
        tools.host.log(9, b"before \x1b[31m the \xff fall")
        return BAD

    bench = await run(act)
    (line,) = bench.node.logs("agent").unwrap()
    assert (line.level, line.text) == ("error", "before \ufffd[31m the \ufffd fall")


async def test_only_the_latest_lines_are_kept() -> None:
    """The numbers show a reader what it missed."""

    def act(_message: Message, tools: Tools) -> None:
        for number in range(600):
            tools.host.log(2, str(number).encode())

    bench = await run(act)
    lines = bench.node.logs("agent").unwrap()
    assert [lines[0].text, lines[-1].text, len(lines)] == ["100", "599", 500]
    assert [line.seq for line in bench.node.logs("agent", after=598).unwrap()] == [599, 600]


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"performative": "inform", "receiver": "other"}, 0),
        ({"performative": "inform", "receiver": "OTHER@Caxton"}, 0),
        ({"performative": "Inform", "receiver": {"name": "other"}}, 0),
        ({"performative": "inform", "receiver": "api"}, 0),
        ({"performative": "inform", "receiver": "other", "sender": "forged@caxton"}, 0),
        ({"performative": "shout", "receiver": "other"}, -1),
        ({"performative": "inform"}, -1),
        ({"performative": "inform", "receiver": []}, -1),
        ({"performative": "inform", "receiver": "other", "colour": "red"}, -1),
        ({"performative": "inform", "receiver": "other", "id": "17"}, -1),
        ({"performative": "inform", "receiver": "other", "reply_by": "soon"}, -1),
        ({"performative": "inform", "receiver": "other", "conversation_id": ""}, -1),
        ({"performative": "inform", "receiver": "other", "conversation_id": "x" * 257}, -1),
        ({"performative": "inform", "receiver": "other", "conversation_id": "a\nb"}, -1),
        ({"performative": "inform", "receiver": "nobody"}, -2),
        ({"performative": "inform", "receiver": ["other", "nobody"]}, -2),
        ({"performative": "inform", "receiver": "other@elsewhere"}, -2),
        ({"performative": "inform", "receiver": "stopped"}, -2),
        ({"performative": "inform", "receiver": "full"}, -3),
        ({"performative": "inform", "receiver": "secret"}, -4),
        ({"performative": "inform", "receiver": "pricing-agent"}, 0),
        ({"performative": "agree", "receiver": "other"}, -5),
        ({"performative": "agree", "receiver": "other", "conversation_id": "c"}, -5),
        ({"performative": "request", "receiver": "other", "protocol": "fipa-nonsense"}, -5),
        ({"performative": "inform", "receiver": "other", "protocol": "fipa-request"}, -5),
        ({"performative": "request", "receiver": "agent", "protocol": "fipa-request"}, -5),
        ({"performative": "inform", "receiver": "other", "content": "x" * 5000}, -6),
        ({"performative": "inform", "receiver": "small", "content": "x" * 500}, -6),
        ({"performative": "inform", "receiver": ["other", "api", "pricing-agent"]}, -7),
    ],
)
async def test_send_answers_at_once(fields: Message, result: int) -> None:
    """Each way in which a message can be wrong has its number, and a refused one is not sent."""
    bench = await Bench().start()
    other = Script()
    await bench.deploy("other", other)
    await bench.deploy("stopped")
    await bench.node.control("stopped", "stop")
    await bench.deploy("full", limits={"mailbox": 1})
    await bench.node.control("full", "suspend")
    bench.post("full")
    await bench.deploy("secret")
    await bench.deploy("small", limits={"message_size": 200})
    await bench.deploy("pricing-agent", services=[{"type": "pricing"}])
    answers: list[int] = []
    script = Script(lambda _message, tools: answers.append(tools.send(**fields)))
    await bench.deploy(
        "agent", script, send_to=["other", "stopped", "full", "small", "agent", "pricing"],
        limits={"fan_out": 2, "message_size": 4096},
    )  # fmt: skip
    bench.post("agent")
    bench.settle()
    assert answers == [result]
    assert len(other.seen) == (result == 0 and "other" in str(fields["receiver"]).lower())
    for message in other.seen:
        assert message["sender"] == "agent@caxton"
        assert message["receiver"] == "other@caxton"


async def test_sends_are_judged_through_the_step() -> None:
    """A step fills a mailbox, spends its fan-out and opens conversations before any of it is committed."""
    bench = await Bench().start()
    await bench.deploy("narrow", limits={"mailbox": 2})
    await bench.deploy("wide")
    answers: list[int] = []

    def act(_message: Message, tools: Tools) -> None:
        receivers = ("narrow", "narrow", "narrow", ["wide", "api"], "wide", "wide")
        answers.extend(tools.send(performative="inform", receiver=each) for each in receivers)

    await bench.deploy("agent", Script(act), limits={"fan_out": 5})
    bench.post("agent")
    bench.settle()
    assert answers == [0, 0, -3, 0, 0, -7]


async def test_open_conversations_are_limited_through_the_step() -> None:
    """The limit counts those that are open and those that this step has opened."""
    bench = await Bench().start()
    await bench.deploy("other")
    answers: list[int] = []

    def act(_message: Message, tools: Tools) -> None:
        fields = {"performative": "request", "receiver": "other", "protocol": "fipa-request"}
        answers.extend(tools.send(**fields) for _ in range(2))

    await bench.deploy("agent", Script(act), limits={"conversations": 3})
    for _ in range(2):
        bench.post("agent")
    bench.settle()
    assert answers == [0, 0, 0, -7]
    assert bench.node.conversations_.per_agent["agent@caxton"] == 3


async def test_moves_of_a_conversation_are_judged_through_the_step() -> None:
    """A second move in the same step follows the first, and a third that the protocol does not allow is refused."""
    bench = await Bench().start()
    answers: list[int] = []

    def act(message: Message, tools: Tools) -> Any:
        fields = {"conversation_id": message["conversation_id"], "in_reply_to": message["id"]}
        acts = ("agree", "agree", "inform", "inform")
        answers.extend(tools.send(performative=act, receiver="api", **fields) for act in acts)

    await bench.deploy("agent", Script(act))
    bench.post("agent", "request", protocol="fipa-request", conversation_id="c")
    bench.settle()
    assert answers == [0, -5, 0, -5]
    (view,) = (await bench.node.conversations()).items
    assert (view.state, view.outcome, view.messages) == ("completed", "success", 3)


async def test_an_inadmissible_move_is_a_line_in_its_authors_log() -> None:
    """It is counted and logged with its reason."""
    bench = await run(
        lambda _message, tools: tools.send(performative="agree", receiver="api") and None
    )
    (line,) = bench.node.logs("agent").unwrap()
    assert line.level == "warn"
    assert "agree not admitted: unknown-conversation" in line.text
    assert bench.node.kernel.counters.rejections == {"unknown-conversation": 1}
    assert bench.node.kernel.counters.refused == {"agree": 1}
