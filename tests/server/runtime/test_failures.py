"""Messages that wait to be tried again: when they are, and what counts them meanwhile."""

from __future__ import annotations

from caxton_core.ports import Fault

from tests.server.runtime.nodes import Bench, Script, control


async def test_a_retry_that_was_given_up_does_not_hurry_the_next() -> None:
    """The time of a message that ended with its agent's stop is not that of a later one in the same conversation."""
    bench = await Bench().start()
    script = Script(lambda _message, _tools: Fault("agent-error", "1"))
    await bench.deploy("agent", script, deliveries=9)
    bench.post("agent", conversation_id="c")
    bench.settle()
    await control(bench, "stop")
    await control(bench, "start")
    bench.advance(0.15)
    bench.post("agent", conversation_id="c")
    bench.settle()
    assert len(script.seen) == 2
    bench.advance(0.1)
    assert len(script.seen) == 2
    bench.advance(0.1)
    assert len(script.seen) == 3


async def test_what_waits_to_be_tried_again_has_an_age() -> None:
    """The oldest message of the node may be one that is held back."""
    bench = await Bench().start()
    await bench.deploy(
        "agent", Script(lambda _message, _tools: Fault("agent-error", "1")), deliveries=9
    )
    bench.post("agent")
    bench.settle()
    bench.clock.advance(0.1)
    assert bench.node.sample().oldest_message_age == 0.1
