"""A cell: the run-time side of one agent, with everything the message path asks of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, final

from caxton_core.agents import TAKES_ANSWERS, TAKES_OPENERS, AgentState
from caxton_core.ids import AgentId, ModuleDigest
from caxton_core.resources import may_send
from caxton_core.restarts import History

from caxton_server.runtime.logs import LogBuffer
from caxton_server.runtime.mailboxes import Delivery, Mailbox
from caxton_server.runtime.records import AgentSaved, Restarted, TimerSet

if TYPE_CHECKING:
    from caxton_core.conversations import Conversation
    from caxton_core.messages import FipaMessage
    from caxton_core.ports import Fault, Guest

    from caxton_server.runtime.limits import Reached
    from caxton_server.runtime.steps import Step


@final
class Cell:
    """One agent in this node.

    `awake`: it may be handed a message now. `queued`: it is in the ready queue, in its turn, or parked.
    `parked`: its guest is in the middle of a call. `answer`: what a call that is no delivery returned; `stopping`: who
    waits for its last call. `alarms`: the node's tickets for its `timers`. `restart_due`: when the instance it waits for is
    due (epoch ms), 0 when it waits for none; `comeback`: the ticket for that; `restart_reason`: what the one before died of.
    """

    __slots__ = (
        "_allowed", "address", "alarms", "answer", "awake", "calling", "codec", "comeback", "conversation_limit", "created", "data", "data_size",
        "deliveries", "deployment", "detail", "fan_out", "faults", "fuel", "guest", "handle", "held", "history",
        "log_bytes_dropped", "log_rate", "log_until", "log_used", "logs", "mailbox", "manifest", "message_size", "messages_in", "messages_out", "module",
        "name",
        "next_timer",
        "open", "parked", "queued", "rate", "rate_until", "rate_used", "reached", "restart_due", "restart_reason", "restarts", "revision", "sandbox", "send_all", "started", "state",
        "state_quota", "step", "stopping", "timers", "traps", "versions",
    )  # fmt: skip

    step: Step

    def __init__(self, saved: AgentSaved, *, platform: str, sandbox: str) -> None:
        self.handle = AgentId(saved.id)
        self.name = saved.name
        self.address = f"{saved.name}@{platform}"
        self.sandbox = sandbox
        self.mailbox = Mailbox(
            saved.manifest.limits.mailbox, message_size=saved.manifest.limits.message_size
        )
        self.guest: Guest | None = None
        self.awake = self.queued = self.parked = self.started = False
        self.calling: Callable[[Fault | None], None] | None = None
        self.answer: bytes | None = None
        self.stopping: list[Callable[[Fault | None], None]] | None = None
        self.held: dict[tuple[str, str], list[Delivery]] = {}
        self.history = History()
        self.restart_due = 0
        self.restart_reason = ""
        self.comeback: int | None = None
        self.logs = LogBuffer()
        self.data: dict[bytes, bytes] = {}
        self.timers: dict[int, TimerSet] = {}
        self.alarms: dict[int, int] = {}
        self.data_size = self.log_bytes_dropped = self.faults = self.traps = self.fuel = 0
        self.messages_in = self.messages_out = self.restarts = self.revision = 0
        self.reached: dict[str, Reached] = {}
        # What was sent and logged in the second that ends then
        self.rate_until = self.rate_used = self.log_until = self.log_used = 0
        self.adopt(saved)

    def adopt(self, saved: AgentSaved) -> None:
        """Take over what is recorded of an agent."""
        self.enter(AgentState(saved.state))
        self.manifest, self.module, self.deployment = saved.manifest, saved.module, saved.deployment
        self.created, self.detail, self.versions = saved.created, saved.detail, saved.versions
        self.next_timer = saved.next_timer
        limits = saved.manifest.limits
        self.codec = saved.manifest.codec
        self.message_size: int = limits.message_size
        self.fan_out, self.conversation_limit = limits.fan_out, limits.conversations
        self.state_quota: int = limits.state
        self.rate, self.log_rate = limits.messages_per_s, int(limits.log_per_s)
        self.deliveries = saved.manifest.deliveries
        self.send_all = "*" in saved.manifest.send_to
        self._allowed: dict[str, bool] = {}
        self.mailbox.resize(limits.mailbox, message_size=limits.message_size)

    def enter(self, state: AgentState) -> None:
        """Be in a state; `open` says whether it takes messages of any kind from agents."""
        self.state = state
        self.open = state in TAKES_OPENERS

    def saved(self, now: int) -> AgentSaved:
        """Return the record of this agent."""
        return AgentSaved(
            now, int(self.handle), self.name, str(self.state), self.manifest, self.module, self.deployment,
            self.created, self.detail, self.versions, self.next_timer,
        )  # fmt: skip

    def restarted(self, now: int) -> Restarted:
        """Return the record of what counts against this agent."""
        return Restarted(
            now, int(self.handle), self.restarts, self.history, self.restart_due, self.restart_reason
        )  # fmt: skip

    @property
    def module_digest(self) -> ModuleDigest:
        """Return the digest of the module it runs."""
        return ModuleDigest(self.module)

    @property
    def may_run(self) -> bool:
        """Tell whether it may be handed messages when it is not in the middle of one."""
        return (
            self.started
            and self.guest is not None
            and self.state in (AgentState.RUNNING, AgentState.DRAINING)
        )

    @property
    def running_delivery(self) -> Delivery | None:
        """Return the delivery of the step it is in the middle of."""
        return self.step.delivery if self.parked and self.calling is None else None

    @property
    def receives_platform(self) -> bool:
        """Tell whether the platform may put messages into its mailbox; it may from an agent's first start on."""
        return self.state in TAKES_ANSWERS or self.state is AgentState.LOADED

    def accepts(self, conversation: Conversation | None, *, opens: bool) -> bool:
        """Tell whether agents may send to it; a draining one only goes on with open conversations."""
        return self.open or (self.state in TAKES_ANSWERS and conversation is not None and not opens)

    def may_address(self, target: Cell, answers: FipaMessage | None) -> bool:
        """Tell whether its manifest lets it address an agent; answering whoever wrote to it is always allowed."""
        if self.send_all:
            return True
        if answers is not None and answers.sender == target.address:
            return True
        allowed = self._allowed.get(target.address)
        if allowed is None:
            types = [service.type for service in target.manifest.services]
            allowed = self._allowed[target.address] = may_send(
                self.manifest.send_to, target.name, types
            )
        return allowed
