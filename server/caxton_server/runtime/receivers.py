"""Whom a message is for: the agents that its names stand for.

Rules:
- Nothing here judges: whether somebody may be sent to, and has room, is the question of `rooms.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_core.groups import is_group

from caxton_server.runtime.verdicts import NO_RECEIVER, Refused

if TYPE_CHECKING:
    from caxton_core.messages import FipaMessage

    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.groups import Groups
    from caxton_server.runtime.kernel import Kernel, PlatformAgent


class Receivers:
    """Finds agents by handle, name, address or group."""

    groups: Groups

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def find(
        self,
        author: Cell | PlatformAgent,
        receiver: str | list[str] | None,
        answers: FipaMessage | None,
    ) -> tuple[Cell | PlatformAgent, ...] | Refused:
        """Find who is named, by himself or as one of a group; the first unknown name refuses all."""
        found: dict[str, Cell | PlatformAgent] = {}
        for name in [receiver] if isinstance(receiver, str) else receiver or ():
            target = self.kernel.find(name)
            if target is not None:
                found[target.address] = target
                continue
            if not is_group(name):
                return Refused(NO_RECEIVER, "agent_not_found", name, name)
            members = self.groups.find(author, name, answers)
            if isinstance(members, Refused):
                return members
            for member in members:
                found[member.address] = member
        return tuple(found.values())

    def parties(
        self, addresses: tuple[str, ...]
    ) -> tuple[tuple[Cell | PlatformAgent, ...], tuple[Refused, ...]]:
        """Find the parties of a conversation, and those that are gone."""
        found = {address: self.kernel.find(address) for address in addresses}
        gone = [address for address, target in found.items() if target is None]
        return (
            tuple([target for target in found.values() if target is not None]),
            tuple([Refused(NO_RECEIVER, "agent_not_found", name, name) for name in gone]),
        )

    def complete(self, names: str | list[str]) -> str | list[str]:
        """Complete names to addresses; an unknown one stays as it is."""
        if type(names) is str:
            target = self.kernel.find(names)
            return names if target is None else target.address
        return [str(self.complete(name)) for name in names]
