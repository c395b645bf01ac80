"""What supervision remembers through a crash of the node: restarts, pauses, and messages that wait to be tried again."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.ports import Fault
from caxton_core.restarts import LONGEST_DELAY, History
from caxton_server.runtime.recovery import Recovery

from tests.server.runtime.nodes import Bench, Script, control
from tests.server.runtime.recoveries import rebuilt

TRAP = Fault("trap", "unreachable")
ERR = Fault("agent-error", "7")


def trapping() -> Script:
    """Return an agent that traps at every message but a good one."""
    return Script(lambda message, _tools: None if message["content"] == "good" else TRAP)


async def died(times: int, script: Script, **manifest: Any) -> Bench:
    """Let an agent die so many times in a row, each time as soon as it runs again."""
    bench = await Bench().start()
    await bench.deploy("agent", script, **manifest)
    for _ in range(times):
        bench.post("agent", content="bad")
    bench.settle()
    while bench.cell("agent").restarts < times:
        bench.advance((bench.cell("agent").restart_due - bench.node.kernel.now) / 1000)
    return bench


async def test_what_counts_against_an_agent_survives() -> None:
    """The same restarts, the same pause, the same reason, as if the node had not died."""
    bench = await died(4, trapping())
    before = bench.cell("agent")
    assert (before.restarts, before.history.streak, len(before.history.times)) == (4, 4, 4)
    assert before.restart_due > bench.node.kernel.now
    after = (await rebuilt(bench)).cell("agent")
    facts = ("restarts", "history", "restart_due", "restart_reason")
    assert {name: getattr(after, name) for name in facts} == {
        name: getattr(before, name) for name in facts
    }


async def test_a_pause_goes_on_where_it_was() -> None:
    """An agent that waited to be started is not started by the node's start, but when it is due."""
    script = trapping()
    bench = await died(5, script)
    bench.post("agent", content="good")
    due = bench.cell("agent").restart_due
    assert (script.starts, bench.cell("agent").guest) == (5, None)
    again = await bench.again().start()
    assert (script.starts, again.cell("agent").guest) == (5, None)
    view = again.node.agent("agent").unwrap()
    assert (view.state, view.queue, view.restarts) == ("running", 1, 5)
    again.advance((due - 1 - again.node.kernel.now) / 1000)
    assert script.starts == 5
    again.advance(0.001)
    assert (script.starts, script.contents[-1]) == (6, "good")


async def test_crashes_of_the_node_give_no_fresh_allowance() -> None:
    """Five restarts in a minute are five, however often the node died between them."""
    script = trapping()
    bench = await died(1, script)
    for _ in range(12):
        bench = await bench.again().start()
        bench.post("agent", content="bad")
        bench.advance(3.5)
        if bench.cell("agent").state == "failed":
            break
    assert bench.cell("agent").restarts == 5
    assert bench.node.stats("agent").unwrap().recent_restarts == 5
    # Five that led to a restart, and the one that was one too many.
    assert script.contents == ["bad"] * 6


async def test_an_agent_that_traps_at_its_start_does_not_live_on_restarts_of_the_node() -> None:
    """Each start that fails counts; after the fifth restart it is failed, and stays so."""
    script = trapping()
    bench = await died(1, script)
    script.begin = lambda _config, _tools: TRAP
    for _ in range(8):
        bench = await bench.again().start()
        bench.advance(2)
    assert bench.cell("agent").state == "failed"
    starts = script.starts
    bench = await bench.again().start()
    bench.advance(60)
    assert (bench.cell("agent").state, script.starts) == ("failed", starts)


@pytest.mark.parametrize("verb", ["restart", "stop"])
async def test_what_an_operator_did_is_remembered_too(verb: str) -> None:
    """A pause that was overtaken does not come back, nor what counted before a restart by hand."""
    bench = await died(4, trapping())
    await control(bench, verb)
    if verb == "stop":
        await control(bench, "start")
    after = (await rebuilt(bench)).cell("agent")
    assert (after.history, after.restart_due) == (History(), 0)


async def test_a_new_version_begins_with_nothing_counted() -> None:
    """Another module deserves another chance, after a crash too."""
    bench = await died(4, trapping())
    await bench.deploy("other", Script())
    manifest = bench.cell("agent").manifest
    (await bench.node.update(manifest, bench.scripts.add("better", Script()))).unwrap()
    assert bench.cell("agent").guest is not None
    for cell in (bench.cell("agent"), (await rebuilt(bench)).cell("agent")):
        assert (cell.history, cell.restart_due) == (History(), 0)


async def test_a_clock_that_was_set_back_ends_no_agent() -> None:
    """Nobody waits longer than anybody ever does, whatever the clock says after a restart of the node."""
    script = trapping()
    bench = await died(5, script)
    bench.clock.jump(-86_400)
    again = await bench.again().start()
    assert again.cell("agent").restart_due == again.node.kernel.now + LONGEST_DELAY
    again.advance(LONGEST_DELAY / 1000)
    assert again.cell("agent").guest is not None


# Messages that wait to be tried again


async def test_a_message_that_waits_to_be_tried_again_waits_on() -> None:
    """Its attempt, and the time of it, are those from before the crash; what came later of its sender waits behind it."""
    script = Script(lambda message, _tools: ERR if message["content"] == "bad" else None)
    bench = await Bench().start()
    await bench.deploy("agent", script, deliveries=4)
    bench.post("agent", content="bad", conversation_id="c")
    bench.settle()
    bench.advance(0.2)
    assert script.contents == ["bad", "bad"]
    bench.post("agent", content="behind", conversation_id="c")
    bench.post("agent", content="beside", conversation_id="d")
    bench.advance(0.1)
    assert script.contents == ["bad", "bad", "beside"]
    again = await bench.again().start()
    assert script.contents == ["bad", "bad", "beside"]
    stats = again.node.stats("agent").unwrap()
    assert (stats.queue, stats.held, again.node.sample().held) == (2, 2, 2)
    again.advance(0.299)
    assert len(script.contents) == 3
    again.advance(0.001)
    assert script.contents == ["bad", "bad", "beside", "bad"]
    last = await again.again().start()
    last.advance(0.8)
    assert script.contents == ["bad", "bad", "beside", "bad", "bad", "behind"]
    (letter,) = await last.letters()
    assert (letter.reason, letter.attempts, letter.message["content"]) == ("agent-error", 4, "bad")


async def test_attempts_are_exact_through_crashes() -> None:
    """A message is tried as often as the manifest says, not once more or less for each crash between the attempts."""
    script = Script(lambda _message, _tools: ERR)
    bench = await Bench().start()
    await bench.deploy("agent", script, deliveries=6)
    bench.post("agent", content="bad")
    bench.settle()
    for wait in (0.2, 0.4, 0.8, 1.6, 3.2):
        bench = await bench.again().start()
        bench.advance(wait)
    (letter,) = await bench.letters()
    assert (letter.attempts, len(script.seen)) == (6, 6)


async def test_the_mark_of_an_attempt_that_ended_charges_nothing() -> None:
    """The node may die between the end of an attempt and its next message: that attempt counts once."""
    script = Script(lambda _message, _tools: ERR)
    bench = await Bench().start()
    await bench.deploy("agent", script, deliveries=3)
    bench.post("agent", content="bad")
    bench.settle()
    (held,) = bench.cell("agent").held.values()
    serial = held[0].serial
    again = bench.again()
    finish = Recovery.finish

    def marked(self: Recovery, **given: Any) -> Any:
        return finish(self, **{**given, "interrupted": serial})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recovery, "finish", marked)
        await again.start()
    (kept,) = again.cell("agent").held.values()
    assert (kept[0].attempt, kept[0].due) == (2, held[0].due)


async def test_what_is_given_up_while_it_waits_says_how_often_it_was_tried() -> None:
    """The attempt that was to come is not counted."""
    bench = await Bench().start()
    await bench.deploy("agent", Script(lambda _message, _tools: ERR), deliveries=5)
    bench.post("agent", content="bad")
    bench.settle()
    bench.advance(0.2)
    await control(bench, "stop")
    (letter,) = await bench.letters()
    assert (letter.reason, letter.attempts) == ("undeliverable", 2)
