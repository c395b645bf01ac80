"""The scheduler: whose turn it is."""

from __future__ import annotations

from typing import Any

from caxton_core.ports import Fault
from caxton_server.config import Config
from caxton_server.config_sections import RuntimeConfig

from tests.server.runtime.nodes import Bench, Message, Script, Tools


def logging(log: list[str], name: str, *, slices: int = 0) -> Script:
    """Return an agent that notes when it is handed a message, and takes so many slices for it."""

    def act(_message: Message, _tools: Tools) -> Any:
        log.append(name)
        for _ in range(slices):
            yield
            log.append(f"{name}+")

    return Script(act)


async def test_a_turn_is_so_many_messages() -> None:
    """Agents take turns; none is handed all it has while others wait."""
    bench = await Bench(config=Config(runtime=RuntimeConfig(quantum=2))).start()
    log: list[str] = []
    for name in ("a", "b"):
        await bench.deploy(name, logging(log, name))
    for name in "aaaaabbb":
        bench.post(name)
    bench.settle()
    assert "".join(log) == "aabbaaba"


async def test_a_turn_ends_when_its_messages_take_long() -> None:
    """Who spends long on each message has its turn cut, and who is quick handles as many as a turn may have."""
    bench = await Bench(config=Config(runtime=RuntimeConfig(quantum=8))).start()
    log: list[str] = []

    def slow(_message: Message, _tools: Tools) -> None:
        log.append("s")
        bench.clock.advance(0.001)

    await bench.deploy("slow", Script(slow))
    await bench.deploy("quick", logging(log, "q"))
    for name in ("slow", "quick"):
        for _ in range(8):
            bench.post(name)
    bench.settle()
    assert "".join(log) == "sss" + "q" * 8 + "sssss"


async def test_a_long_computation_lets_others_run() -> None:
    """A suspended guest gets its slices between the turns of the others, and its own messages wait."""
    bench = await Bench(config=Config(runtime=RuntimeConfig(quantum=1))).start()
    log: list[str] = []
    await bench.deploy("long", logging(log, "l", slices=3))
    await bench.deploy("short", logging(log, "s"))
    for name in ("long", "long", *["short"] * 8):
        bench.post(name)
    bench.settle()
    assert log.count("s") == 8
    assert log[:2] == ["l", "s"]
    assert [entry for entry in log if entry[0] == "l"] == ["l", "l+", "l+", "l+"] * 2
    assert log.index("l+") < len(log) - 1 - log[::-1].index("s")


async def test_parked_guests_share_their_slices() -> None:
    """Nobody is resumed twice while another waits."""
    bench = await Bench().start()
    log: list[str] = []
    for name in "abc":
        await bench.deploy(name, logging(log, name, slices=2))
        bench.post(name)
    bench.settle()
    assert log == ["a", "b", "a+", "c", "b+", "a+", "c+", "b+", "c+"] or sorted(log) == sorted(
        ["a", "b", "c", *["a+", "b+", "c+"] * 2]
    )


async def test_a_guest_in_a_call_is_marked_before_each_slice() -> None:
    """The mark names the delivery that runs, and none for a call that is no delivery."""
    bench = await Bench().start()
    marks: list[int] = []
    bench.node.scheduler.mark = marks.append

    def start(_config: Message, _tools: Tools) -> Any:
        yield

    script = logging([], "a", slices=2)
    await bench.deploy("agent", script)
    marks.clear()
    bench.post("agent")
    bench.settle()
    serial = bench.node.kernel.serial
    assert marks == [serial] * 3
    script.begin = start
    task_marks = len(marks)
    bench.node.agents_.control(bench.cell("agent"), "restart", lambda _fault: None)
    bench.settle()
    assert set(marks[task_marks:]) == {0}


async def test_nobody_has_anything_to_do_when_all_is_done() -> None:
    """Agents leave the queue when their mailboxes are empty, also after faults."""
    bench = await Bench().start()
    for name, outcome in (
        ("ok", None),
        ("bad", Fault("agent-error", "")),
        ("trap", Fault("trap", "")),
    ):
        await bench.deploy(name, Script(lambda _message, _tools, outcome=outcome: outcome))  # type: ignore[misc]
        bench.post(name)
    bench.settle()
    assert bench.node.scheduler.idle
    assert not any(cell.queued or cell.parked for cell in bench.node.kernel.cells.values())


async def test_samples_of_durations_are_bounded() -> None:
    """A scrape that never comes does not cost memory without end."""
    bench = await Bench().start()
    await bench.deploy("agent", limits={"mailbox": 1000})
    bench.clock.advance(1)
    for _ in range(10):
        for _ in range(100):
            bench.post("agent")
        bench.settle()
    counters = bench.node.kernel.counters
    assert 10 <= sum(map(len, counters.durations.values())) <= 20
    assert 10 <= len(counters.delivery_times) <= 20
