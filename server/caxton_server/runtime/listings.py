"""Agents as others see them: views and lists."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from caxton_core.times import format_time
from caxton_core.views import AgentView, Page, ServiceView, StatsView, VersionView

if TYPE_CHECKING:
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.kernel import Kernel


def services(cell: Cell) -> list[ServiceView]:
    """Return what an agent offers."""
    return [
        ServiceView(cell.address, service.type, service.name, list(service.protocols))
        for service in cell.manifest.services
    ]


def agent_view(cell: Cell) -> AgentView:
    """Show an agent."""
    return AgentView(
        id=str(int(cell.handle)), name=cell.name, address=cell.address, state=str(cell.state),
        version=cell.manifest.version, module=cell.module, sandbox=cell.sandbox, profile=cell.manifest.profile,
        codec=cell.codec, services=services(cell), queue=len(cell.mailbox), restarts=cell.restarts,
        created_at=format_time(cell.created), detail=cell.detail, etag=f"{cell.deployment[-12:]}-{cell.revision}",
        restarting_at=_restarting_at(cell),
    )  # fmt: skip


def agents(
    kernel: Kernel,
    *,
    state: str | None,
    name: str | None,
    service: str | None,
    limit: int,
    cursor: str | None,
) -> Page[AgentView]:
    """Return a page of agents, by name."""
    chosen = sorted(
        cell.name
        for cell in kernel.cells.values()
        if (state is None or cell.state == state)
        and (name is None or fnmatch.fnmatchcase(cell.name, name))
        and (service is None or any(offered.type == service for offered in cell.manifest.services))
        and (cursor is None or cell.name > cursor)
    )
    by_name = {cell.name: cell for cell in kernel.cells.values()}
    items = [agent_view(by_name[found]) for found in chosen[:limit]]
    return Page(items, chosen[limit - 1] if len(chosen) > limit else None)


def _restarting_at(cell: Cell) -> str | None:
    """Return when the instance an agent waits for is due."""
    return format_time(cell.restart_due) if cell.restart_due else None


def stats_view(cell: Cell, fuel_per_ms: int, *, now: int) -> StatsView:
    """Show what an agent has used."""
    since = now - 1000 * cell.manifest.restart.within_s
    recent = sum([time > since for time in cell.history.times])
    guest = cell.guest
    fuel = cell.fuel + (guest.fuel_used if guest is not None else 0)
    return StatsView(
        id=str(int(cell.handle)), name=cell.name, state=str(cell.state), fuel=fuel,
        cpu_ms=round(fuel / fuel_per_ms, 3), memory=guest.memory_bytes if guest is not None else 0,
        messages_in=cell.messages_in, messages_out=cell.messages_out, faults=cell.faults, traps=cell.traps,
        restarts=cell.restarts,
        queue=len(cell.mailbox), queue_bytes=cell.mailbox.bytes + cell.mailbox.platform_bytes,
        state_bytes=cell.data_size, timers=len(cell.timers), log_bytes_dropped=cell.log_bytes_dropped,
        limits_reached={limit: reached.times for limit, reached in sorted(cell.reached.items())},
        held=sum([len(held) for held in cell.held.values()]), recent_restarts=recent,
        restart_reason=cell.restart_reason, restarting_at=_restarting_at(cell),
    )  # fmt: skip


def versions(cell: Cell) -> list[VersionView]:
    """Show the versions an agent has run, the newest first."""
    return [
        VersionView(
            saved.version, saved.module, saved.deployment,
            "current" if saved.deployment == cell.deployment else "superseded", format_time(saved.created),
        )
        for saved in reversed(cell.versions)
    ]  # fmt: skip
