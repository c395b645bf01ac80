"""The kernel's ground: time, ids, counters and the parties a message can be addressed to.

Rules:
- The kernel runs in one thread; nothing here blocks.
- Time is read once per turn: within a turn, and so within a step, it stands still.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, final

from caxton_core.budgets import Budget
from caxton_core.ids import UuidSource
from caxton_core.messages import FipaMessage, Performative
from caxton_core.nesting import Codec
from caxton_core.times import format_time

from caxton_server.runtime.limits import reach_by_refusal

if TYPE_CHECKING:
    from caxton_core.events import Event
    from caxton_core.ports import Clock, Entropy

    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.journal import Journal
    from caxton_server.runtime.verdicts import Refused

MOST_TRAPS = 30
WARN = 3
PLATFORM_AGENTS = ("ams", "df", "api")


L = TypeVar("L")


def listen(listeners: dict[str, list[L]], key: str, listener: L) -> None:
    """Add a listener to a table of them."""
    listeners.setdefault(key, []).append(listener)


def unlisten(listeners: dict[str, list[L]], key: str, listener: L) -> None:
    """Take a listener away again, if it is there."""
    present = listeners.get(key, [])
    if listener in present:
        present.remove(listener)
    if not present:
        listeners.pop(key, None)


@final
class PlatformAgent:
    """An agent of the platform itself: `ams`, `df` and `api`; it has no mailbox, what reaches it is consumed on arrival."""

    handle = 0
    open = True
    conversation_limit = 1_000_000
    codec: Codec = "json"

    def __init__(self, name: str, platform: str) -> None:
        self.name = name
        self.address = f"{name}@{platform}"
        self.turns_away: Callable[[str], bool] | None = None
        """Tells whether it has no room for a message of an agent; None when it always has."""


class Counters:
    """What the node counts, in plain integers; the metrics are computed from these at the scrape."""

    def __init__(self) -> None:
        self.delivered: dict[str, int] = {}
        self.refused: Counter[str] = Counter()
        self.handled: dict[str, int] = {}
        self.failed: Counter[str] = Counter()
        self.dead_letters: Counter[str] = Counter()
        self.traps: Counter[str] = Counter()
        self.limits: Counter[str] = Counter()
        self.restarts: Counter[str] = Counter()
        self.give_ups: Counter[str] = Counter()
        self.agent_events: Counter[str] = Counter()
        self.conversations_closed: Counter[tuple[str, str]] = Counter()
        self.deployments: Counter[tuple[str, str]] = Counter()
        self.signatures: Counter[tuple[str, str]] = Counter()
        self.fuel = 0
        self.memory_refusals = 0
        self.messages = 0
        self.checkpoints = self.pruned_groups = 0
        self.rejections: Counter[str] = Counter()
        self.durations: dict[str, list[float]] = {}
        self.delivery_times: list[float] = []


class Kernel:
    """What every part of the runtime shares."""

    def __init__(
        self,
        *,
        clock: Clock,
        entropy: Entropy,
        platform: str,
        journal: Journal,
        budget: Budget | None = None,
    ) -> None:
        self.budget = Budget() if budget is None else budget
        self.clock = clock
        self.entropy = entropy
        self.platform = platform
        self.journal = journal
        self.uuids = UuidSource(entropy)
        self.counters = Counters()
        self.serial = 0
        self.now = 0
        self.stamp = ""
        self.cells: dict[int, Cell] = {}
        self.directory: dict[str, Cell | PlatformAgent] = {}
        self.ams, self.df, self.api = (PlatformAgent(name, platform) for name in PLATFORM_AGENTS)
        for agent in (self.ams, self.df, self.api):
            self.directory[agent.name] = self.directory[agent.address] = agent
        self.listeners: dict[str, list[Callable[[FipaMessage], None]]] = {}
        self.publish: Callable[[Event], None] = lambda _event: None
        self.tick()

    def tick(self) -> int:
        """Read the clock and return the time in milliseconds."""
        now = self.clock.time_ms()
        if now != self.now:
            self.now = now
            self.stamp = format_time(now)
        return now

    def find(self, name: str) -> Cell | PlatformAgent | None:
        """Return who is meant by a handle, a local name or an address, in any case of letters."""
        found = self.directory.get(name)
        return found if found is not None else self.directory.get(name.lower())

    def add(self, cell: Cell) -> None:
        """Make an agent known by its handle, name and address."""
        self.cells[cell.handle] = cell
        for name in (str(int(cell.handle)), cell.name, cell.address):
            self.directory[name] = cell

    def remove(self, cell: Cell) -> None:
        """Forget an agent."""
        del self.cells[cell.handle]
        for name in (str(int(cell.handle)), cell.name, cell.address):
            del self.directory[name]

    def new_traceparent(self) -> str:
        """Return a new, unsampled W3C trace context."""
        block = self.entropy(24).hex()
        return f"00-{block[:32]}-{block[32:]}-00"

    def count_trap(self, detail: str) -> None:
        """Count a trap under its text, or under `other` once there are as many texts as a metric may have labels."""
        traps, text = self.counters.traps, detail[:40]
        traps[text if text in traps or len(traps) < MOST_TRAPS else "other"] += 1

    def count_refusal(self, author: Cell | PlatformAgent, why: Refused, act: Performative) -> None:
        """Count a message that may not be sent; a move that is not admitted is also a line in its author's log."""
        counters = self.counters
        counters.rejections[why.reason] += 1
        counters.refused[act] += 1
        if why.over:
            reach_by_refusal(self, author, why)
        if why.admission and type(author) is not PlatformAgent:
            author.logs.write(
                self.now, WARN, f"{act} not admitted: {why.reason}: {why.detail}".encode()
            )

    def told(self, message: FipaMessage) -> None:
        """Tell whoever waits on this conversation that the API agent received a message."""
        if message.conversation_id in self.listeners:
            for listener in tuple(self.listeners[message.conversation_id]):
                listener(message)
