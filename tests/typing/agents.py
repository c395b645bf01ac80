"""Which operations an agent has is told by its type."""

from __future__ import annotations

from typing import assert_type

from caxton_core.agents import (
    DRAIN,
    FAIL,
    Agent,
    AgentState,
    Draining,
    Failed,
    Loaded,
    Running,
    Stopped,
    Suspended,
    Unloaded,
    drain,
    fail,
    fire,
    handle_message,
    load,
    restart,
    resume,
    start,
    stop,
    suspend,
    take,
)
from caxton_core.effects import Deliver
from caxton_core.errors import InvalidModule, InvalidTransition, StartFailed
from caxton_core.ids import AgentId, AgentName
from caxton_core.messages import FipaMessage
from caxton_core.ports import ModuleInfo
from caxton_core.tables import Transition
from returns.result import Result


def legal(module: ModuleInfo, message: FipaMessage) -> None:
    new = Agent.new(AgentId(1), AgentName("a"), version="1")
    assert_type(new, Agent[Unloaded])
    assert_type(load(new, module), Result[Agent[Loaded], InvalidModule])
    loaded = load(new, module).unwrap()
    assert_type(start(loaded), Result[Agent[Running], StartFailed])
    running = start(loaded).unwrap()
    assert_type(handle_message(running, message), Deliver)
    assert_type(handle_message(drain(running), message), Deliver)
    assert_type(drain(running), Agent[Draining])
    assert_type(suspend(running), Agent[Suspended])
    assert_type(resume(suspend(running)), Agent[Running])
    assert_type(stop(drain(running)), Agent[Stopped])
    assert_type(fail(loaded), Agent[Failed])
    assert_type(restart(fail(running)), Result[Agent[Running], StartFailed])
    assert_type(take(DRAIN, running), Agent[Draining])
    assert_type(fire(running, "stop"), Result[Agent[AgentState], InvalidTransition])


def illegal(
    unloaded: Agent[Unloaded],
    loaded: Agent[Loaded],
    running: Agent[Running],
    draining: Agent[Draining],
    suspended: Agent[Suspended],
    failed: Agent[Failed],
    stopped: Agent[Stopped],
    some: Agent[AgentState],
    module: ModuleInfo,
    message: FipaMessage,
) -> None:
    handle_message(unloaded, message)  # type: ignore[arg-type]
    handle_message(loaded, message)  # type: ignore[arg-type]
    handle_message(suspended, message)  # type: ignore[arg-type]
    handle_message(failed, message)  # type: ignore[arg-type]
    handle_message(stopped, message)  # type: ignore[arg-type]
    handle_message(some, message)  # type: ignore[arg-type]
    load(loaded, module)  # type: ignore[arg-type]
    load(running, module)  # type: ignore[arg-type]
    start(unloaded)  # type: ignore[arg-type]
    start(running)  # type: ignore[arg-type]
    start(failed)  # type: ignore[arg-type]
    drain(loaded)  # type: ignore[arg-type]
    drain(draining)  # type: ignore[arg-type]
    suspend(draining)  # type: ignore[arg-type]
    resume(running)  # type: ignore[arg-type]
    stop(stopped)  # type: ignore[arg-type]
    stop(failed)  # type: ignore[arg-type]
    fail(unloaded)  # type: ignore[arg-type]
    restart(draining)  # type: ignore[arg-type]
    take(FAIL, unloaded)  # type: ignore[misc]
    take(DRAIN, suspended)  # type: ignore[misc]
    some.state = AgentState.FAILED  # type: ignore[misc]


WRONG: Transition[Loaded, Running] = Transition("go", (AgentState.FAILED,), AgentState.RUNNING)  # type: ignore[arg-type]
