"""A sample of the node: plain numbers, taken at a metrics scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from caxton_core.budgets import OVERHEAD

from caxton_server.telemetry.samples import NodeSample

if TYPE_CHECKING:
    from caxton_core.budgets import Budget

    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import Kernel


__all__ = ["NodeSample", "take"]


def take(kernel: Kernel, conversations: Conversations) -> NodeSample:
    """Take a sample and forget the observations in it."""
    counters = kernel.counters
    cells = kernel.cells.values()
    depths = [len(cell.mailbox) for cell in cells]
    waiting = [cell.mailbox.queue[0].time for cell in cells if cell.mailbox.queue]
    waiting += [held[0].time for cell in cells if cell.held for held in cell.held.values()]
    oldest = min(waiting, default=None)
    durations, counters.durations = counters.durations, {}
    delivery_times, counters.delivery_times = counters.delivery_times, []
    commits = kernel.journal.commits
    return NodeSample(
        agents=Counter(str(cell.state) for cell in cells),
        agent_events=dict(counters.agent_events),
        restarts=dict(counters.restarts),
        give_ups=dict(counters.give_ups),
        backing_off=sum([cell.restart_due > 0 for cell in cells]),
        held=sum([len(held) for cell in cells if cell.held for held in cell.held.values()]),
        routed=_by_outcome(delivered=counters.delivered, refused=counters.refused),
        processed=_by_outcome(ok=counters.handled, failed=counters.failed),
        durations=durations,
        delivery_times=delivery_times,
        mailbox_sum=sum(depths),
        mailbox_max=max(depths, default=0),
        oldest_message_age=0.0 if oldest is None else max(0, kernel.tick() - oldest) / 1000,
        conversations_open=dict(conversations.per_protocol),
        conversations_closed=dict(counters.conversations_closed),
        dead_letters=dict(counters.dead_letters),
        traps=dict(counters.traps),
        limits=dict(counters.limits),
        fuel=counters.fuel + sum(cell.guest.fuel_used for cell in cells if cell.guest is not None),
        deployments=dict(counters.deployments),
        signatures=dict(counters.signatures),
        memory=_memory(kernel.budget),
        memory_refusals=counters.memory_refusals,
        weights={"stable": 1.0, "canary": 0.0, "shadow": 0.0},
        commit_times=commits.take_times(),
        storage_errors=commits.errors,
        checkpoints=counters.checkpoints,
        pruned_groups=counters.pruned_groups,
    )


def _memory(budget: Budget) -> dict[str, int]:
    """Return what all guests have of the node's memory, and what they may have."""
    limit = {} if budget.limit is None else {"limit": budget.limit}
    return {"guests": budget.linear, "overhead": budget.instances * OVERHEAD, **limit}


def _by_outcome(**counts: Mapping[str, int]) -> dict[tuple[str, str], int]:
    """Join counts by performative into one mapping by performative and outcome."""
    return {
        (str(act), outcome): n for outcome, by_act in counts.items() for act, n in by_act.items()
    }
