"""The registry kept in step with the node: agents come and go, registrations change and lapse.

Rules:
- What is told here has been recorded by whoever tells it; what happens by itself (a lease ends) is recorded here.
- A lease that has ended makes its entry absent at once, whether or not its timer has fired.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from caxton_core.directory_changes import Change, Deregistered, Registered
from caxton_core.views import Page, ServiceView

from caxton_server.runtime.directory_entries import Entries
from caxton_server.runtime.records import AgentSaved, Served

if TYPE_CHECKING:
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.timers import Timers


class Registry:
    """What the directory knows, live."""

    def __init__(self, kernel: Kernel, timers: Timers) -> None:
        self.kernel, self.timers = kernel, timers
        self.entries = Entries(kernel.platform, (kernel.api.address,))
        self.on_change: Callable[[], None] = lambda: None
        self.on_gone: Callable[[str], None] = lambda _address: None
        self._leases: dict[str, int] = {}

    def note(self, saved: AgentSaved) -> None:
        """Take up an agent as it is now."""
        self.entries.note(saved)
        self.on_change()

    def forget(self, cell: Cell) -> None:
        """Take out an agent that is gone."""
        self.entries.forget(int(cell.handle))
        self._disarm(cell.address)
        self.on_gone(cell.address)
        self.on_change()

    def change(self, change: Change) -> None:
        """Do what an agent has asked for."""
        self.entries.apply(change)
        if isinstance(change, Registered):
            self._arm(change.agent.name, change.agent.lease)
        elif isinstance(change, Deregistered):
            self._disarm(change.name)

    def lapse(self, address: str) -> None:
        """End an agent's registration if its lease has ended."""
        lapsed = self.entries.expired(address, self.kernel.now)
        if lapsed is not None:
            self.change(lapsed)
            self.kernel.journal.append(Served(self.kernel.now, 0, (lapsed,), ()))
            self.on_change()

    def resume(self) -> None:
        """Watch the leases again, after recovery."""
        for address, standing in self.entries.standings.items():
            if standing.registered is not None:
                self._arm(address, standing.registered.lease)

    def _arm(self, address: str, lease: int | None) -> None:
        self._disarm(address)
        if lease is not None:
            self._leases[address] = self.timers.at(lease, lambda _now: self.lapse(address))

    def _disarm(self, address: str) -> None:
        ticket = self._leases.pop(address, None)
        if ticket is not None:
            self.timers.cancel(ticket)

    # What is read

    def offerers(self, type: str) -> tuple[str, ...]:
        """Return the addresses of who offers services of a type, in the order in which they came."""
        return self.entries.offerers(type)

    def offers(self, address: str) -> bool:
        """Tell whether what is shown of an agent counts now."""
        shape = self.entries.shown.get(address)
        return shape is not None and self.entries.valid(shape, self.kernel.now)

    def services(
        self, *, type: str | None, name: str | None, protocol: str | None, limit: int, cursor: str | None
    ) -> Page[ServiceView]:  # fmt: skip
        """Return a page of the services that match, by agent; the cursor is an agent and how many of its services are known."""
        entries = self.entries
        after, _, known = (cursor or "").partition(" ")
        addresses = entries.shown if type is None else entries.offerers(type)
        items: list[ServiceView] = []
        for address in sorted(address for address in addresses if address >= after):
            if not self.offers(address):
                continue
            services = [
                service for service in entries.shown[address].agent.services
                if (type is None or service.type == type)
                and (name is None or service.name == name)
                and (protocol is None or protocol in service.protocols)
            ]  # fmt: skip
            skipped = int(known) if address == after and known.isdecimal() else 0
            for number, service in enumerate(services[skipped:], start=skipped):
                if len(items) == limit:
                    return Page(items, f"{address} {number}")
                items.append(
                    ServiceView(address, service.type, service.name, list(service.protocols))
                )
        return Page(items)
