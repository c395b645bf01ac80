"""The life of an agent: typed operations, and the same by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from caxton_core import agents
from caxton_core.agents import AGENT, Agent, AgentState
from caxton_core.effects import Deliver
from caxton_core.errors import InvalidTransition
from caxton_core.ids import AgentId, AgentName, ModuleDigest
from caxton_core.messages import FipaMessage, Performative
from caxton_core.ports import Fault, ModuleInfo
from caxton_core.resources import Limits
from returns.result import Success

DIGEST = ModuleDigest.of(b"module")
INFO = ModuleInfo(DIGEST, 6, "strict", (), (), cached=False)
NEW = Agent.new(AgentId(7), AgentName("pricer"), version="1.0.0")
LOADED = agents.load(NEW, INFO).unwrap()
RUNNING = agents.start(LOADED).unwrap()
DRAINING = agents.drain(RUNNING)
SUSPENDED = agents.suspend(RUNNING)
FAILED = agents.fail(RUNNING)
STOPPED = agents.stop(DRAINING)
TRAP = Fault("trap", "unreachable executed")


def in_state(state: AgentState) -> Agent[AgentState]:
    """Return the agent in a state known at run time only."""
    return Agent(NEW.id, NEW.name, state, NEW.version, DIGEST)


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "load": lambda agent: agents.load(agent, INFO).unwrap(),
    "start": lambda agent: agents.start(agent).unwrap(),
    "drain": agents.drain,
    "suspend": agents.suspend,
    "resume": agents.resume,
    "stop": agents.stop,
    "fail": agents.fail,
    "restart": lambda agent: agents.restart(agent).unwrap(),
}


@pytest.mark.parametrize(("state", "event", "target"), list(AGENT.moves()))
def test_operations_follow_the_table(state: AgentState, event: str, target: AgentState) -> None:
    """For every legal move the typed operation and the event by name give the same agent."""
    before = in_state(state)
    after = OPERATIONS[event](before)
    assert after == in_state(target)
    assert agents.fire(before, event) == Success(after)


@pytest.mark.parametrize("state", list(AgentState))
@pytest.mark.parametrize("event", AGENT.events)
def test_an_illegal_event_leaves_the_agent_as_it_is(state: AgentState, event: str) -> None:
    """What the table does not allow is refused with its reason, and the value is unchanged."""
    before = in_state(state)
    if (state, event) not in {(source, name) for source, name, _ in AGENT.moves()}:
        refusal = agents.fire(before, event).failure()
        assert (refusal.machine, refusal.state, refusal.event) == ("agent", str(state), event)
    assert before == in_state(state)


def test_there_is_an_operation_for_every_event() -> None:
    """The table and the operations cover each other."""
    assert set(OPERATIONS) == set(AGENT.events)


def test_loading_keeps_the_module_of_the_agent() -> None:
    """A loaded agent knows its module; one that names a module takes no other."""
    assert (NEW.module, LOADED.module) == (None, DIGEST)
    named = Agent.new(NEW.id, NEW.name, version="1", module=ModuleDigest.of(b"other"))
    assert "the bytes are" in agents.load(named, INFO).failure().detail


def test_a_digest_may_come_without_its_prefix() -> None:
    """A sandbox may report the bare hexadecimal digits."""
    bare = msgspec.structs.replace(INFO, sha256=DIGEST.removeprefix("sha256:"))
    assert agents.load(NEW, bare) == Success(LOADED)


def test_a_fault_at_the_start_is_a_failed_start() -> None:
    """An agent whose guest refuses to start, or to restart, does not run."""
    for refusal in (agents.start(LOADED, fault=TRAP), agents.restart(FAILED, fault=TRAP)):
        assert str(refusal.failure()) == "Agent pricer did not start (trap): unreachable executed."


def test_a_running_agent_is_handed_its_message() -> None:
    """Handling is decided as an effect that names the agent and the message."""
    message = FipaMessage(
        performative=Performative.INFORM, sender="a@x", receiver="b@x", id="m", timestamp="t"
    )
    for agent in (RUNNING, DRAINING):
        assert agents.handle_message(agent, message) == Deliver(AgentId(7), message)


@pytest.mark.parametrize(
    ("state", "openers", "answers"),
    [
        (AgentState.UNLOADED, False, False),
        (AgentState.LOADED, False, False),
        (AgentState.RUNNING, True, True),
        (AgentState.DRAINING, False, True),
        (AgentState.SUSPENDED, True, True),
        (AgentState.FAILED, False, False),
        (AgentState.STOPPED, False, False),
    ],
)
def test_mailboxes_take_what_the_state_allows(
    state: AgentState, openers: bool, answers: bool
) -> None:
    """Running and suspended agents take all, draining ones only what belongs to something begun."""
    assert agents.accepts(state, opener=True) is openers
    assert agents.accepts(state, opener=False) is answers


def test_an_agent_survives_its_codec() -> None:
    """An agent can be stored and read back, its state too."""
    stored = msgspec.msgpack.encode(msgspec.structs.replace(RUNNING, resources=Limits(mailbox=3)))
    read = msgspec.msgpack.decode(stored, type=Agent[AgentState])
    assert (read.state, read.resources.mailbox, read.id) == (AgentState.RUNNING, 3, 7)


def test_a_restart_is_legal_from_running_failed_and_stopped() -> None:
    """The three states from which an agent may be restarted, and no other."""
    legal = {source for source, event, _ in AGENT.moves() if event == "restart"}
    assert legal == {AgentState.RUNNING, AgentState.FAILED, AgentState.STOPPED}
    refusal = AGENT.fire(AgentState.DRAINING, "restart").failure()
    assert refusal == InvalidTransition("agent", "draining", "restart", ("stop", "fail"))
