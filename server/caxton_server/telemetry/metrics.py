"""Prometheus metrics: computed at the scrape from the plain integers the node counts.

Rules:
- Nothing on the path of a message knows of metrics; a scrape costs what a scrape costs.
- No label names an agent, a conversation or a message: 1,000 agents must stay below 2,000 series.
- Each metric is one row of `METRICS`; `docs/metrics.md` has a heading for each.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
from caxton_core import __version__
from caxton_core.agents import AgentState
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from caxton_server.telemetry.samples import Sample

PREFIX: Final = "caxton_"
MOST_LABELS: Final = 60
OTHER: Final = "other"

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[str, ...]


class MetricRow(msgspec.Struct, frozen=True):
    """One metric: its name without the prefix, its labels, what it says, and where the figure is."""

    name: str
    kind: Kind
    labels: Labels
    help: str
    read: Callable[[Sample], Any]


_NO_AGENTS: Final = {str(state): 0 for state in AgentState}

METRICS: Final[tuple[MetricRow, ...]] = (
    MetricRow("build_info", "gauge", ("version",), "Always 1; says which version runs.", lambda _: {(__version__,): 1}),
    MetricRow("agents", "gauge", ("state",), "Agents by state.", lambda s: {**_NO_AGENTS, **s.node.agents}),
    MetricRow("agent_events_total", "counter", ("event",), "Changes in the lives of agents.", lambda s: s.node.agent_events),
    MetricRow("agent_restarts_total", "counter", ("reason",), "Restarts after a fault, by its reason.", lambda s: s.node.restarts),
    MetricRow("agents_backing_off", "gauge", (), "Agents without an instance that wait for the next one after a fault.", lambda s: s.node.backing_off),
    MetricRow("agent_give_ups_total", "counter", ("reason",), "Agents that were failed: too-many-restarts, policy, operator (a restart by hand failed), invalid-module, untrusted-module.", lambda s: s.node.give_ups),
    MetricRow("messages_held", "gauge", (), "Messages that wait to be tried again after a fault, and those that wait behind them.", lambda s: s.node.held),
    MetricRow("messages_routed_total", "counter", ("performative", "outcome"), "Messages judged by the router: delivered or refused.", lambda s: s.node.routed),
    MetricRow("messages_processed_total", "counter", ("performative", "status"), "Deliveries handled by agents: ok or failed.", lambda s: s.node.processed),
    MetricRow("message_processing_duration_seconds", "histogram", ("performative",), "Time an agent took for a delivery, sampled.", lambda s: s.node.durations),
    MetricRow("message_delivery_duration_seconds", "histogram", (), "Time from acceptance to the end of handling, sampled.", lambda s: s.node.delivery_times),
    MetricRow("mailbox_depth", "gauge", ("stat",), "Messages waiting: sum over all agents, and the fullest mailbox.", lambda s: {"sum": s.node.mailbox_sum, "max": s.node.mailbox_max}),
    MetricRow("oldest_message_age_seconds", "gauge", (), "Age of the message that has waited longest.", lambda s: s.node.oldest_message_age),
    MetricRow("conversations_open", "gauge", ("protocol",), "Open conversations.", lambda s: s.node.conversations_open),
    MetricRow("conversations_closed_total", "counter", ("protocol", "outcome"), "Conversations that ended, by outcome.", lambda s: s.node.conversations_closed),
    MetricRow("dead_letters_total", "counter", ("reason",), "Messages kept because they could not be delivered or handled.", lambda s: s.node.dead_letters),
    MetricRow("wasm_traps_total", "counter", ("trap",), "Traps of guests.", lambda s: s.node.traps),
    MetricRow("limits_reached_total", "counter", ("limit",), "How often agents reached a limit, by its name.", lambda s: s.node.limits),
    MetricRow("wasm_fuel_consumed_total", "counter", (), "Fuel all guests used.", lambda s: s.node.fuel),
    MetricRow("node_memory_bytes", "gauge", ("kind",), "What runtime.node_memory counts: linear memory of guests, overhead, and the limit if there is one.", lambda s: s.node.memory),
    MetricRow("node_memory_refusals_total", "counter", (), "Starts of agents refused because of runtime.node_memory.", lambda s: s.node.memory_refusals),
    MetricRow("deployments_total", "counter", ("strategy", "result"), "Deployments that ended.", lambda s: s.node.deployments),
    MetricRow("module_signatures_total", "counter", ("verdict", "outcome"), "Modules judged by their signatures: accepted, warned or refused.", lambda s: s.node.signatures),
    MetricRow("deployment_weight_ratio", "gauge", ("track",), "Share of new conversations on each track, mean of running rollouts.", lambda s: s.node.weights),
    MetricRow("storage_commit_duration_seconds", "histogram", (), "Time a group commit took, sampled.", lambda s: s.node.commit_times),
    MetricRow("storage_errors_total", "counter", (), "Commits the storage refused.", lambda s: s.node.storage_errors),
    MetricRow("storage_checkpoints_total", "counter", (), "Checkpoints completed.", lambda s: s.node.checkpoints),
    MetricRow("storage_pruned_groups_total", "counter", (), "Groups of the journal that went behind a checkpoint.", lambda s: s.node.pruned_groups),
    MetricRow("event_loop_lag_seconds", "gauge", (), "Longest delay of the event loop since the last scrape.", lambda s: s.loop_lag),
    MetricRow("http_requests_total", "counter", ("method", "route", "code"), "Requests of the API, by route template.", lambda s: s.requests),
)  # fmt: skip
"""Every metric, in the order of docs/metrics.md."""

BUCKETS: Final[Mapping[str, tuple[float, ...]]] = {
    "message_processing_duration_seconds": (0.00001, 0.00005, 0.0002, 0.001, 0.005, 0.02, 0.1, 1.0),
    "message_delivery_duration_seconds": (0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0),
    "storage_commit_duration_seconds": (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.02, 0.1, 1.0),
}


class Histogram:
    """Counts of what was observed so far, by bucket."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, values: Iterable[float]) -> None:
        """Add observations."""
        for value in values:
            self.counts[bisect.bisect_left(self.bounds, value)] += 1
            self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative counts, as Prometheus wants them."""
        total, found = 0, []
        for bound, count in zip((*map(repr, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class NodeCollector(Collector):
    """Turns a sample of the node into metric families; called on the scraper's thread."""

    def __init__(self, sample: Callable[[], Sample]) -> None:
        self._sample = sample
        self._histograms: dict[tuple[str, Labels], Histogram] = {}
        self._known: dict[str, set[Labels]] = {}

    def describe(self) -> list[Metric]:
        """Say nothing ahead of time: the registry must not scrape to learn the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of one sample."""
        sample = self._sample()
        for row in METRICS:
            yield self._family(row, _by_labels(row.read(sample)))

    def _family(self, row: MetricRow, values: Mapping[Labels, Any]) -> Metric:
        name = PREFIX + row.name
        if row.kind == "histogram":
            return self._histogram(row, values)
        kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
        family = kind(name, row.help, labels=row.labels)
        for labels, value in self._bounded(row, values).items():
            family.add_metric(labels, value)
        return family

    def _histogram(self, row: MetricRow, values: Mapping[Labels, Iterable[float]]) -> Metric:
        family = HistogramMetricFamily(PREFIX + row.name, row.help, labels=row.labels)
        for labels, observed in values.items():
            key = (row.name, labels)
            if key not in self._histograms:
                self._histograms[key] = Histogram(BUCKETS[row.name])
            self._histograms[key].observe(observed)
        for (name, labels), histogram in self._histograms.items():
            if name == row.name:
                family.add_metric(labels, histogram.buckets(), histogram.sum)
        return family

    def _bounded(self, row: MetricRow, values: Mapping[Labels, float]) -> dict[Labels, float]:
        """Keep the first label sets seen and add up the rest, so that no guest can grow the scrape."""
        if row.name == "http_requests_total":
            return dict(values)  # Bounded by the route table.
        known = self._known.setdefault(row.name, set())
        found: dict[Labels, float] = {}
        rest = (OTHER,) * len(row.labels)
        for labels, value in values.items():
            if labels not in known and len(known) < MOST_LABELS:
                known.add(labels)
            kept = labels if labels in known else rest
            found[kept] = found.get(kept, 0) + value
        return found


def _by_labels(found: Any) -> Mapping[Labels, Any]:
    """Give every figure a tuple of labels: an empty one when it stands alone."""
    if not isinstance(found, Mapping):
        return {(): found}
    return {
        tuple(map(str, key)) if isinstance(key, tuple) else (str(key),): value
        for key, value in found.items()
    }


def registry(sample: Callable[[], Sample]) -> CollectorRegistry:
    """Return a registry of our own: the default one would add series of the process."""
    made = CollectorRegistry(auto_describe=False)
    made.register(NodeCollector(sample))
    return made
