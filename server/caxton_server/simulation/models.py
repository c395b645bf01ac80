"""The model: what a node must be after some turns, folded from their records by the plainest means.

Rules:
- It shares nothing with the node's own recovery but the records.
- `differences` may be asked at any moment between two turns: a node is what its journal says, with nothing besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from caxton_core.agents import AgentState
from caxton_core.directory_changes import Deregistered, Registered
from caxton_core.restarts import History

from caxton_server.runtime.journal_groups import unpack
from caxton_server.runtime.records import (
    CODEC,
    AgentRemoved,
    AgentSaved,
    Asked,
    Charged,
    Cleared,
    Record,
    Restarted,
    Routed,
    Sent,
    Served,
    Step,
)

if TYPE_CHECKING:
    from caxton_core.conversations import Conversation
    from caxton_core.directory_descriptions import DfAgent
    from caxton_core.ports import Row, Storage

    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.journal_groups import Turn
    from caxton_server.runtime.node import Node


class AgentModel:
    """One agent: what it has before it, its state, its timers."""

    def __init__(self) -> None:
        self.saved: AgentSaved | None = None
        self.deliveries: dict[int, int] = {}
        """The attempt of each delivery that is not over."""
        self.data: dict[bytes, bytes] = {}
        self.timers: dict[int, int] = {}
        """When each timer is due."""
        self.restarted: Restarted | None = None


def records_of(turn: Turn) -> list[Record]:
    """Read the records of a turn."""
    return CODEC.decode(turn.frame) if turn.count else []


class Model:
    """A node, folded from turns."""

    def __init__(self, turns: Iterable[Turn]) -> None:
        self.agents: dict[int, AgentModel] = {}
        self.conversations: dict[str, Conversation] = {}
        self.rows: dict[tuple[str, str], Row] = {}
        self.registered: dict[str, DfAgent] = {}
        """What agents have registered themselves, by their addresses."""
        self.asked: set[int] = set()
        """The serials of what waits for the AMS and the DF."""
        self.messages: set[str] = set()
        """The ids of all that was sent."""
        for turn in turns:
            for record in records_of(turn):
                self._apply(record)
            for conversation_id, conversation in turn.images.items():
                self.conversations[conversation_id] = conversation
            self.rows.update(turn.rows)

    def _agent(self, handle: int) -> AgentModel:
        found = self.agents.get(handle)
        if found is None:
            found = self.agents[handle] = AgentModel()
        return found

    def _apply(self, record: Record) -> None:
        sent: tuple[Sent, ...] = ()
        if isinstance(record, Step):
            self._step(self._agent(record.agent), record)
            sent = record.sent
        elif isinstance(record, Routed):
            sent = (record.sent,)
            for handle in record.sent.to:
                if record.timer and handle:
                    self._agent(handle).timers.pop(record.timer, None)
        elif isinstance(record, Cleared):
            self._agent(record.agent).deliveries.clear()
            sent = record.sent
        elif isinstance(record, Asked):
            self.asked.add(record.serial)
        elif isinstance(record, Served):
            sent = record.sent
            self._served(record)
        elif isinstance(record, AgentSaved):
            self._agent(record.id).saved = record
        elif isinstance(record, AgentRemoved):
            gone = self.agents.pop(record.id, None)
            if gone is not None and gone.saved is not None and _known(gone.saved):
                self.registered.pop(f"{gone.saved.name}@caxton", None)
        elif isinstance(record, Restarted):
            self._agent(record.agent).restarted = record
        elif isinstance(record, Charged):
            self._agent(record.agent).deliveries[record.serial] = record.attempt
        for each in sent:
            self.messages.add(each.message)
            for serial, handle in enumerate(each.to, each.serial):
                if handle:
                    self._agent(handle).deliveries[serial] = 1

    def _served(self, record: Served) -> None:
        self.asked.discard(record.asked)
        for change in record.changes:
            if isinstance(change, Registered):
                self.registered[change.agent.name] = change.agent
            elif isinstance(change, Deregistered):
                self.registered.pop(change.name, None)

    def _step(self, agent: AgentModel, record: Step) -> None:
        effects = record.effects
        if effects is not None and effects.retry:
            agent.deliveries[record.consumed] = effects.retry
        else:
            agent.deliveries.pop(record.consumed, None)
        if effects is None or effects.fault is not None:
            return
        for key, value in effects.state.items():
            if value is None:
                agent.data.pop(key, None)
            else:
                agent.data[key] = value
        for timer in effects.timers:
            agent.timers[timer.id] = timer.due
        for cancelled in effects.cancelled:
            agent.timers.pop(cancelled, None)

    # What differs

    def differences(self, node: Node) -> Iterator[str]:
        """Yield a sentence for each thing in which a node is not what its journal says."""
        cells = node.kernel.cells
        there = {
            handle: agent
            for handle, agent in self.agents.items()
            if agent.saved is not None and _known(agent.saved)
        }
        if cells.keys() != there.keys():
            yield f"its agents are {sorted(cells)} and not {sorted(there)}"
        for handle, agent in there.items():
            if handle in cells:
                yield from _agent_differences(cells[handle], agent)
        known = {
            conversation_id: conversation
            for conversation_id, conversation in self.conversations.items()
            if conversation.open_legs
        }
        directory = node.directory_
        registered = {
            address: standing.registered
            for address, standing in directory.entries.standings.items()
            if standing.registered is not None
        }
        yield from _compared("the registrations", registered, self.registered)
        waiting = {each.serial: None for each in directory.arrivals.queue}
        yield from _compared("what the directory was asked", waiting, dict.fromkeys(self.asked))
        yield from _compared("the open conversations", node.conversations_.open, known)

    def row_differences(self, storage: Storage, tables: Iterable[str]) -> Iterator[str]:
        """Yield a sentence for each row that is not what the turns have last put there."""
        for table in tables:
            expected = {
                key: _content(row)
                for (name, key), row in self.rows.items()
                if name == table and not row.deleted
            }
            found: dict[str, Any] = {}
            after: str | None = None
            while page := storage.list(table, {}, after=after, limit=1000):
                found.update({row.key: _content(row) for row in page})
                after = page[-1].key
            yield from _compared(f"the rows of {table}", found, expected)


def _known(saved: AgentSaved) -> bool:
    """Tell whether an agent has ever started."""
    return saved.state not in (AgentState.LOADED, AgentState.UNLOADED)


def rebuilt(storage: Storage) -> Model:
    """Return a model of nothing but the rows that are in the groups a storage keeps."""
    model = Model(())
    for group in storage.groups(0):
        for row in unpack(group, CODEC, images=False, rows=True, holding=None).rows:
            model.rows[row.table, row.key] = row
    return model


def _content(row: Row) -> tuple[dict[str, str | int], bytes]:
    """Return what is in a row; a column without a value may be left out."""
    return {name: value for name, value in row.columns.items() if value is not None}, row.body


def _agent_differences(cell: Cell, agent: AgentModel) -> Iterator[str]:
    saved = agent.saved
    assert saved is not None
    found = {delivery.serial: delivery.attempt for delivery in cell.mailbox.queue}
    for held in cell.held.values():
        found.update({delivery.serial: delivery.attempt for delivery in held})
    running = cell.running_delivery
    if running is not None:
        found[running.serial] = running.attempt
    yield from _compared(f"what {cell.name} has before it", found, agent.deliveries)
    yield from _compared(f"the state of {cell.name}", cell.data, agent.data)
    due = {timer.id: timer.due for timer in cell.timers.values()}
    yield from _compared(f"the timers of {cell.name}", due, agent.timers)
    known = agent.restarted
    restarts = (0, History()) if known is None else (known.restarts, known.history)
    if (cell.restarts, cell.history) != restarts:
        yield f"the restarts of {cell.name} are {cell.restarts, cell.history} and not {restarts}"
    if cell.state != saved.state or cell.module != saved.module:
        yield f"{cell.name} is {cell.state} with {cell.module}, not {saved.state} with {saved.module}"


def _compared(what: str, found: dict[Any, Any], expected: dict[Any, Any]) -> Iterator[str]:
    if found == expected:
        return
    missing = [key for key in expected if key not in found]
    more = [key for key in found if key not in expected]
    other = [key for key in found if key in expected and found[key] != expected[key]]
    parts = [
        f"{name} {sorted(map(str, keys))[:5]}"
        for name, keys in (("lack", missing), ("have besides", more), ("differ in", other))
        if keys
    ]
    yield f"{what} {'; '.join(parts)}"
