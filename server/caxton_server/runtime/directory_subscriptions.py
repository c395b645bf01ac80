"""Who is told of changes in the DF, and how far each has been told.

Rules:
- A subscription lives as long as its leg of the conversation is open.
- Changes are told in rounds: of what changed several times before a round only the first and the last value count.
- A round goes from subscription to subscription and may be interrupted between two; how far each was told is recorded
  with what it was told, so that nobody is told anything twice or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, final

import msgspec
from caxton_core.directory_descriptions import DfAgent
from caxton_core.directory_matching import Shape, matches
from caxton_core.directory_terms import show
from caxton_core.directory_writing import df_agent_term

from caxton_server.runtime.records import Subscribed

if TYPE_CHECKING:
    from caxton_server.runtime.directory_entries import Changed, Entries

PER_AGENT, IN_ALL = 100, 1_000
ROUND = 100
"""Changes told of in one round."""


@final
class Subscription:
    """One agent's wish to be told."""

    __slots__ = ("saved", "seen", "template")

    def __init__(self, saved: Subscribed) -> None:
        self.saved, self.seen = saved, saved.number
        self.template = Shape(saved.template, template=True)


class News(msgspec.Struct, frozen=True):
    """What a subscription is to be told, in terms as they are written, and up to which change that is all."""

    subscription: Subscription
    texts: list[str]
    number: int


class Subscriptions:
    """All subscriptions, by conversation, and the round under way."""

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        self.by_conversation: dict[str, Subscription] = {}
        self.per_agent: Counter[str] = Counter()
        self.starting = False
        """Whether a subscription is about to begin, for which changes are kept already."""
        self._round: list[str] | None = None
        self._changes: list[Changed] = []
        self._texts: dict[str, str] = {}

    @property
    def pending(self) -> bool:
        """Tell whether anybody may have to be told something."""
        return bool(self.by_conversation and self.entries.log)

    def room(self, subscriber: str) -> bool:
        """Tell whether an agent may subscribe once more."""
        return len(self.by_conversation) < IN_ALL and self.per_agent[subscriber] < PER_AGENT

    def add(self, saved: Subscribed) -> None:
        """Tell an agent from now on."""
        self.by_conversation[saved.conversation] = Subscription(saved)
        self.per_agent[saved.subscriber] += 1
        self._keep()

    def remove(self, conversation_id: str) -> None:
        """Tell an agent no more."""
        subscription = self.by_conversation.pop(conversation_id, None)
        if subscription is None:
            return
        subscriber = subscription.saved.subscriber
        self.per_agent[subscriber] -= 1
        if not self.per_agent[subscriber]:
            del self.per_agent[subscriber]
        self._keep()

    def image(self) -> tuple[Subscribed, ...]:
        """Return all subscriptions as they would be begun now."""
        return tuple([
            msgspec.structs.replace(subscription.saved, number=subscription.seen)
            for subscription in self.by_conversation.values()
        ])  # fmt: skip

    def restore(self, saved: Iterable[Subscribed]) -> None:
        """Have these subscriptions and no others."""
        self.by_conversation.clear()
        self.per_agent.clear()
        for each in saved:
            self.add(each)

    def start(self, *, starting: bool) -> None:
        """Keep changes for a subscription that is about to begin, or has begun or not."""
        self.starting = starting
        self._keep()

    def _keep(self) -> None:
        self.entries.keeps_log = self.starting or bool(self.by_conversation)
        if not self.entries.keeps_log:
            self.settle(self.entries.number)

    def told(self, conversation_id: str, number: int) -> None:
        """Take note of how far a subscriber was told."""
        subscription = self.by_conversation.get(conversation_id)
        if subscription is not None:
            subscription.seen = max(subscription.seen, number)

    def settle(self, number: int) -> None:
        """Forget the changes up to one: everybody knows of them."""
        log = self.entries.log
        kept = 0
        while kept < len(log) and log[kept].number <= number:
            kept += 1
        del log[:kept]
        self._round = None
        self._texts = {}

    def next(self) -> News | int:
        """Take the next subscription of the round; the number of the last change when the round is over."""
        if self._round is None:
            self._round = list(reversed(self.by_conversation))
            self._changes = self.entries.log[:ROUND]
        number = self._changes[-1].number if self._changes else self.entries.number
        while self._round:
            subscription = self.by_conversation.get(self._round.pop())
            if subscription is not None:
                return News(subscription, list(self._news(subscription)), number)
        return number

    @property
    def cost(self) -> int:
        """What it takes to look at one subscription: about two microseconds each."""
        return 2 * len(self._changes) + 2

    def _news(self, subscription: Subscription) -> Iterator[str]:
        """Yield what has changed for a subscription: entries that match now, the names of those that no longer do."""
        spans: dict[str, tuple[Changed, Changed]] = {}
        for change in self._changes:
            if change.number > subscription.seen:
                first = spans[change.name][0] if change.name in spans else change
                spans[change.name] = first, change
        template = subscription.template
        for name, (first, last) in spans.items():
            before, after = first.before, last.after
            if after is not None and matches(template, after):
                if before is None or before.agent != after.agent:
                    yield self._text(f"+{name}", after.agent)
            elif before is not None and matches(template, before):
                yield self._text(f"-{name}", DfAgent(name))

    def _text(self, key: str, agent: DfAgent) -> str:
        """Write a description, once in a round for those who are told all of its changes."""
        known = self._texts.get(key)
        if known is None:
            known = self._texts[key] = show(df_agent_term(agent))
        return known
