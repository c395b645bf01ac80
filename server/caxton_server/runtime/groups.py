"""Receivers that are named by what they offer: `service:TYPE`, `service:TYPE*`, and `*` for everybody.

Rules:
- Nobody is in a group he addresses; whom he may not address (`send_to`) is left out, and so is who takes no messages now.
- One of many is chosen in turn, by type: the same calls choose the same agents, and what was chosen is in the journal.
- A group costs nothing until a name is looked up that no agent has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from caxton_core.groups import EVERYBODY, SERVICE

from caxton_server.runtime.kernel import Kernel, PlatformAgent
from caxton_server.runtime.verdicts import (
    MAILBOX_FULL,
    NO_RECEIVER,
    NOT_ALLOWED,
    OVER_RATE,
    Refused,
)

if TYPE_CHECKING:
    from caxton_core.messages import FipaMessage

    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.directory_registry import Registry

Target: TypeAlias = "Cell | PlatformAgent"
MOST: Final = 1_000
"""Agents that the API may address as one group; an agent's own limit is its `fan_out`."""
LOOKED_AT: Final = 10_000
"""Agents that are looked at for one message; a larger group is refused."""
_TURNS: Final = 10_000


class Groups:
    """Finds who is meant by a group."""

    def __init__(self, kernel: Kernel, registry: Registry) -> None:
        self.kernel, self.registry = kernel, registry
        self._turns: dict[str, int] = {}

    def find(
        self, author: Target, name: str, answers: FipaMessage | None
    ) -> tuple[Target, ...] | Refused:
        """Return the members of a group that an author may address now, or why there are none."""
        kernel = self.kernel
        if name == EVERYBODY:
            everybody: Iterable[Target] = kernel.cells.values()
            return self._all(author, name, everybody, len(kernel.cells), answers)
        type_ = name[len(SERVICE) :]
        every = type_.endswith("*")
        addresses = self.registry.offerers(type_[:-1] if every else type_)
        if every:
            return self._all(author, name, self._agents(addresses), len(addresses), answers)
        return self._one(author, name, addresses, answers)

    def _agents(self, addresses: Iterable[str]) -> Iterator[Target]:
        for address in addresses:
            agent = self.kernel.directory.get(address)
            if agent is not None and self.registry.offers(address):
                yield agent

    def _all(
        self,
        author: Target,
        name: str,
        members: Iterable[Target],
        count: int,
        answers: FipaMessage | None,
    ) -> tuple[Target, ...] | Refused:
        most = MOST if type(author) is PlatformAgent else author.fan_out
        if count > LOOKED_AT:
            return Refused(OVER_RATE, "rate_limited", f"{name} stands for {count} agents")
        found: list[Target] = []
        forbidden = False
        for agent in members:
            if agent is author or not agent.open:
                continue
            if not _may(author, agent, answers):
                forbidden = True
                continue
            found.append(agent)
            if len(found) > most:
                return Refused(
                    OVER_RATE,
                    "rate_limited",
                    f"{name} stands for over {most} agents",
                    over="fan_out",
                )
        return tuple(found) if found else _nobody(author, name, forbidden=forbidden)

    def _one(
        self, author: Target, name: str, addresses: tuple[str, ...], answers: FipaMessage | None
    ) -> tuple[Target, ...] | Refused:
        """Choose the next in turn who has room."""
        forbidden = full = False
        count = len(addresses)
        first = self._turns.get(name, 0)
        for step in range(min(count, LOOKED_AT)):
            position = (first + step) % count
            agent = next(self._agents(addresses[position : position + 1]), None)
            if agent is None or agent is author or not agent.open:
                continue
            if not _may(author, agent, answers):
                forbidden = True
            elif type(agent) is not PlatformAgent and agent.mailbox.count >= agent.mailbox.limit:
                full = True
            else:
                if len(self._turns) >= _TURNS:
                    self._turns.clear()
                self._turns[name] = position + 1
                return (agent,)
        if full:
            return Refused(
                MAILBOX_FULL,
                "mailbox_full",
                f"the mailbox of everyone who offers {name} is full",
                name,
            )
        return _nobody(author, name, forbidden=forbidden)


def _may(author: Target, agent: Target, answers: FipaMessage | None) -> bool:
    if type(author) is PlatformAgent or type(agent) is PlatformAgent:
        return True
    return author.may_address(agent, answers)


def _nobody(author: Target, name: str, *, forbidden: bool) -> Refused:
    if forbidden:
        return Refused(NOT_ALLOWED, "forbidden", f"{author.address} may address nobody of {name}")
    return Refused(NO_RECEIVER, "agent_not_found", name, name)
