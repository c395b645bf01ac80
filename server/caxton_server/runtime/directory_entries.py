"""The registry of the directory: what manifests say agents offer, and what agents have registered themselves.

Rules:
- It is fed with records alone, the same ones live and in recovery, and so is the same after both.
- What an agent has registered takes the place of what its manifest says, until it is deregistered or its lease ends.
- An entry is there while its agent can receive messages, and gone with the agent.
- Every change of an entry has a number; changes are kept from the one on that somebody has yet to be told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from caxton_core.agents import TAKES_ANSWERS, AgentState
from caxton_core.directory_changes import Change, Deregistered, Owned, Registered
from caxton_core.directory_descriptions import DfAgent, of_manifest
from caxton_core.directory_matching import Shape

from caxton_server.runtime.records import AgentSaved, EntryChanged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


class Changed(msgspec.Struct, frozen=True, gc=False):
    """An entry was another before than it is now; None where there is none."""

    number: int
    name: str
    before: Shape | None
    after: Shape | None


class Standing:
    """One agent: what is known of it, and what the directory shows of that."""

    __slots__ = ("derived", "handle", "receives", "registered")

    def __init__(self, handle: int, *, receives: bool) -> None:
        self.handle, self.receives = handle, receives
        self.derived: DfAgent | None = None
        self.registered: DfAgent | None = None


class Entries:
    """What the DF shows, by agent and by type of service."""

    def __init__(self, platform: str, permanent: Collection[str]) -> None:
        self.platform, self.permanent = platform, frozenset(permanent)
        self.standings: dict[str, Standing] = {
            address: Standing(0, receives=True) for address in permanent
        }
        self.addresses: dict[int, str] = {}
        self.owners: dict[str, str] = {}
        self.shown: dict[str, Shape] = {}
        self.number = 0
        """How often an entry has changed."""
        self.log: list[Changed] = []
        self.keeps_log = False
        self._by_type: dict[str, dict[str, None]] = {}
        self._offerers: dict[str, tuple[str, ...]] = {}

    # What is fed in

    def note(self, saved: AgentSaved) -> None:
        """Take up an agent as it is now."""
        address = f"{saved.name}@{self.platform}"
        receives = AgentState(saved.state) in TAKES_ANSWERS
        standing = self.standings.get(address)
        if standing is None or standing.handle != saved.id:
            standing = self.standings[address] = Standing(saved.id, receives=receives)
            self.addresses[saved.id] = address
        standing.receives = receives
        standing.derived = of_manifest(address, saved.manifest.services)
        self._show(address, standing)

    def forget(self, handle: int) -> None:
        """Take out an agent that is gone."""
        address = self.addresses.pop(handle, None)
        if address is None:
            return
        standing = self.standings.get(address)
        if standing is None or standing.handle != handle:
            # Another agent has the name by now: this one never started.
            return
        del self.standings[address]
        self.owners.pop(address, None)
        standing.receives = False
        self._show(address, standing)

    def apply(self, change: Change) -> None:
        """Do what an agent has asked for."""
        if isinstance(change, Owned):
            self.owners[change.name] = change.ownership
            return
        name = change.agent.name if isinstance(change, Registered) else change.name
        standing = self.standings.get(name)
        if standing is None:
            return
        standing.registered = change.agent if isinstance(change, Registered) else None
        self._show(name, standing)

    def restore(self, saved: AgentSaved, registered: DfAgent | None) -> None:
        """Take an agent and what it has registered from an image."""
        self.note(saved)
        address = self.addresses[saved.id]
        self.apply(Deregistered(address) if registered is None else Registered(registered))

    def changes(self) -> tuple[EntryChanged, ...]:
        """Return the changes that are kept, to be recorded."""
        return tuple([
            EntryChanged(
                change.number, change.name,
                None if change.before is None else change.before.agent,
                None if change.after is None else change.after.agent,
            )
            for change in self.log
        ])  # fmt: skip

    def resume(self, number: int, changes: Iterable[EntryChanged]) -> None:
        """Go on counting changes behind a number, with those that are to be told of."""
        self.number = number
        self.log[:] = [
            Changed(
                change.number, change.name,
                None if change.before is None else Shape(change.before),
                None if change.after is None else Shape(change.after),
            )
            for change in changes
        ]  # fmt: skip

    def _show(self, address: str, standing: Standing) -> None:
        """Show what is to be shown of an agent."""
        described: DfAgent | None = None
        if standing.receives:
            described = standing.registered or standing.derived
        before = self.shown.get(address)
        if (None if before is None else before.agent) == described:
            return
        after = None if described is None else Shape(described)
        self.number += 1
        if self.keeps_log:
            self.log.append(Changed(self.number, address, before, after))
        if before is not None:
            for service in before.services:
                self._offerers.pop(service.type, None)
                offering = self._by_type.get(service.type)
                if offering is not None:
                    offering.pop(address, None)
                    if not offering:
                        del self._by_type[service.type]
        if after is None:
            self.shown.pop(address, None)
            return
        self.shown[address] = after
        for service in after.services:
            self._offerers.pop(service.type, None)
            self._by_type.setdefault(service.type, {})[address] = None

    # What is read

    def registered(self, address: str) -> DfAgent | None:
        """Return what an agent has registered itself."""
        standing = self.standings.get(address)
        return None if standing is None else standing.registered

    def offerers(self, type: str) -> tuple[str, ...]:
        """Return who offers services of a type, in the order in which they came."""
        known = self._offerers.get(type)
        if known is None:
            known = tuple(self._by_type.get(type, ()))
            if known:
                self._offerers[type] = known
        return known

    def candidates(self, template: Shape) -> tuple[Shape, ...]:
        """Return the entries a template could match: all others can't."""
        name = template.agent.name
        if name:
            shape = self.shown.get(name)
            return () if shape is None else (shape,)
        types = [service.type for service in template.services if service.type]
        if not types:
            return tuple(self.shown.values())
        fewest = min(types, key=lambda type: len(self._by_type.get(type, ())))
        return tuple([self.shown[address] for address in self._by_type.get(fewest, ())])

    def valid(self, shape: Shape, now: int) -> bool:
        """Tell whether an entry still counts: one whose lease has ended is as good as absent."""
        lease = shape.agent.lease
        return lease is None or lease > now

    def expired(self, address: str, now: int) -> Deregistered | None:
        """Return the end of an agent's registration if its lease has ended."""
        registered = self.registered(address)
        if registered is None or registered.lease is None or registered.lease > now:
            return None
        return Deregistered(address)
