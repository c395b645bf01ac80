"""What an agent may do in each state of its life.

Rules:
- running: it is handed messages. An agent that waits to be restarted after a fault counts as running.
- draining: it is handed what is in its mailbox and what belongs to its open conversations, but no opener; then it
  is stopped.
- suspended: it rests between two steps; its mailbox fills and its deadlines run on. It outlives a restart of the node.
- failed and stopped: nothing is accepted for it; entering either answers its mailbox with failures. What can't be
  started from either is failed, again if need be, with the new reason.
- The state is in the type: `Agent[Loaded]` can't be given a message, `Agent[Running]` can't be loaded again. Where
  it is known at run time only (a stored agent, a verb from the API), `fire` asks the table.
- An operation that can't fail returns the agent; one that can returns a Result.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Generic, Literal, TypeAlias, TypeVar

import msgspec
from returns.result import Failure, Result, Success

from caxton_core.effects import Deliver
from caxton_core.errors import InvalidModule, InvalidTransition, StartFailed
from caxton_core.ids import AgentId, AgentName, ModuleDigest
from caxton_core.messages import FipaMessage
from caxton_core.ports import Fault, ModuleInfo
from caxton_core.resources import Limits
from caxton_core.tables import A, B, Table, Transition


class AgentState(StrEnum):
    """The states of an agent, in their wire form."""

    UNLOADED = "unloaded"
    LOADED = "loaded"
    RUNNING = "running"
    DRAINING = "draining"
    SUSPENDED = "suspended"
    FAILED = "failed"
    STOPPED = "stopped"


Unloaded: TypeAlias = Literal[AgentState.UNLOADED]
Loaded: TypeAlias = Literal[AgentState.LOADED]
Running: TypeAlias = Literal[AgentState.RUNNING]
Draining: TypeAlias = Literal[AgentState.DRAINING]
Suspended: TypeAlias = Literal[AgentState.SUSPENDED]
Failed: TypeAlias = Literal[AgentState.FAILED]
Stopped: TypeAlias = Literal[AgentState.STOPPED]
_ = AgentState

Live: TypeAlias = Loaded | Running | Draining | Suspended

LOAD: Transition[Unloaded, Loaded] = Transition("load", (_.UNLOADED,), _.LOADED)
START: Transition[Loaded | Stopped, Running] = Transition("start", (_.LOADED, _.STOPPED), _.RUNNING)
DRAIN: Transition[Running, Draining] = Transition("drain", (_.RUNNING,), _.DRAINING)
SUSPEND: Transition[Running, Suspended] = Transition("suspend", (_.RUNNING,), _.SUSPENDED)
RESUME: Transition[Suspended, Running] = Transition("resume", (_.SUSPENDED,), _.RUNNING)
STOP: Transition[Live, Stopped] = Transition(
    "stop", (_.LOADED, _.RUNNING, _.DRAINING, _.SUSPENDED), _.STOPPED
)
FAIL: Transition[Live | Failed | Stopped, Failed] = Transition(
    "fail", (_.LOADED, _.RUNNING, _.DRAINING, _.SUSPENDED, _.FAILED, _.STOPPED), _.FAILED
)
RESTART: Transition[Running | Failed | Stopped, Running] = Transition(
    "restart", (_.RUNNING, _.FAILED, _.STOPPED), _.RUNNING
)

AGENT: Final = Table("agent", _.UNLOADED, LOAD, START, DRAIN, SUSPEND, RESUME, STOP, FAIL, RESTART)

TAKES_OPENERS: Final = frozenset({_.RUNNING, _.SUSPENDED})
"""The states in which a message that begins something is accepted into the mailbox."""
TAKES_ANSWERS: Final = frozenset({_.RUNNING, _.SUSPENDED, _.DRAINING})
"""The states in which a message of an open conversation is accepted into the mailbox."""
HANDLES: Final = frozenset({_.RUNNING, _.DRAINING})
"""The states in which messages are handed from the mailbox to the guest."""

S_co = TypeVar("S_co", bound=StrEnum, covariant=True)


class Agent(msgspec.Struct, Generic[S_co], frozen=True):
    """An agent whose type says its state.

    >>> Agent.new(AgentId(7), AgentName("pricer"), version="1.2.0").state
    <AgentState.UNLOADED: 'unloaded'>
    """

    id: AgentId
    name: AgentName
    state: S_co
    version: str
    module: ModuleDigest | None = None
    resources: Limits = Limits()

    @staticmethod
    def new(
        id: AgentId,
        name: AgentName,
        *,
        version: str,
        module: ModuleDigest | None = None,
        resources: Limits | None = None,
    ) -> Agent[Unloaded]:
        """Make an agent that has nothing loaded; a given `module` is the only one it may load."""
        return Agent(id, name, _.UNLOADED, version, module, resources or Limits())


def take(row: Transition[A, B], agent: Agent[A]) -> Agent[B]:
    """Follow a row that the type allows: total, so no Result."""
    return Agent(agent.id, agent.name, row.target, agent.version, agent.module, agent.resources)


def fire(agent: Agent[AgentState], event: str) -> Result[Agent[AgentState], InvalidTransition]:
    """Apply an event by name, when the state is known at run time only; an unknown event is a KeyError.

    >>> agent = Agent.new(AgentId(7), AgentName("pricer"), version="1.2.0")
    >>> print(fire(agent, "start").failure())
    The agent is unloaded: start is not legal now (legal: load).
    """
    return AGENT.fire(agent.state, event).map(
        lambda target: Agent(
            agent.id, agent.name, target, agent.version, agent.module, agent.resources
        )
    )


def load(agent: Agent[Unloaded], module: ModuleInfo) -> Result[Agent[Loaded], InvalidModule]:
    """Give an agent a module that a sandbox has checked.

    >>> info = ModuleInfo("ab" * 32, 8, "strict", (), (), cached=False)
    >>> load(Agent.new(AgentId(7), AgentName("p"), version="1"), info).unwrap().state
    <AgentState.LOADED: 'loaded'>
    """
    digest = ModuleDigest(
        module.sha256 if module.sha256.startswith("sha256:") else f"sha256:{module.sha256}"
    )
    if agent.module not in (None, digest):
        return Failure(InvalidModule(f"the manifest names {agent.module}, the bytes are {digest}"))
    return Success(take(LOAD, msgspec.structs.replace(agent, module=digest)))


def start(
    agent: Agent[Loaded] | Agent[Stopped], *, fault: Fault | None = None
) -> Result[Agent[Running], StartFailed]:
    """Start an agent whose guest has answered to its own start: `fault` is why it refused, if it did.

    >>> info = ModuleInfo("ab" * 32, 8, "strict", (), (), cached=False)
    >>> agent = load(Agent.new(AgentId(7), AgentName("p"), version="1"), info).unwrap()
    >>> start(agent, fault=Fault("trap", "unreachable executed")).failure().reason
    'trap'
    """
    if fault is not None:
        return Failure(StartFailed(agent.name, fault.reason, fault.detail))
    return Success(take(START, agent))


def drain(agent: Agent[Running]) -> Agent[Draining]:
    """Let it finish what it has begun, and begin nothing new."""
    return take(DRAIN, agent)


def suspend(agent: Agent[Running]) -> Agent[Suspended]:
    """Let it rest after the step it is in."""
    return take(SUSPEND, agent)


def resume(agent: Agent[Suspended]) -> Agent[Running]:
    """Hand it messages again."""
    return take(RESUME, agent)


def stop(
    agent: Agent[Loaded] | Agent[Running] | Agent[Draining] | Agent[Suspended],
) -> Agent[Stopped]:
    """End it in order."""
    return take(STOP, agent)


def fail(
    agent: Agent[Loaded]
    | Agent[Running]
    | Agent[Draining]
    | Agent[Suspended]
    | Agent[Failed]
    | Agent[Stopped],
) -> Agent[Failed]:
    """Give it up: supervision restarts it no more, or nobody could start it."""
    return take(FAIL, agent)


def restart(
    agent: Agent[Running] | Agent[Failed] | Agent[Stopped], *, fault: Fault | None = None
) -> Result[Agent[Running], StartFailed]:
    """Run it in a new instance, whose own start may have failed with `fault`."""
    if fault is not None:
        return Failure(StartFailed(agent.name, fault.reason, fault.detail))
    return Success(take(RESTART, agent))


def handle_message(agent: Agent[Running] | Agent[Draining], message: FipaMessage) -> Deliver:
    """Decide that an agent is handed a message from its mailbox; the runtime does it."""
    return Deliver(agent.id, message)


def accepts(state: AgentState, *, opener: bool) -> bool:
    """Answer whether a mailbox takes a message in this state; `opener` if it begins something new.

    >>> accepts(AgentState.DRAINING, opener=True), accepts(AgentState.DRAINING, opener=False)
    (False, True)
    """
    return state in (TAKES_OPENERS if opener else TAKES_ANSWERS)
