"""An agent: functions that are called with the messages, the timers and the news they are for.

Rules:
- a handler is found in this order: a timer's name, news of a conversation of ours, the most exact `on`;
- what a handler returns answers the message; an exception that leaves it fails the delivery and undoes the step;
- a message that nobody handles is logged at `debug` and otherwise ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from caxton_agent import contract_nets, initiators, offers, promises, records, subscribers
from caxton_agent.conversations import Event, Kind, News
from caxton_agent.messages import Message, Performative
from caxton_agent.steps import log
from caxton_agent.timers import ONTOLOGY, Rung, rung

Handler: TypeAlias = Callable[[Message], Message | None]
NewsHandler: TypeAlias = Callable[[News], Message | None]
Starter: TypeAlias = Callable[[Any], None]
Ringer: TypeAlias = Callable[[Any], None]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class _Route:
    """Which messages a handler is for."""

    acts: frozenset[str]
    protocol: str | None
    ontology: str | None
    handler: Handler

    def fits(self, message: Message) -> bool:
        return (
            (not self.acts or message.performative in self.acts)
            and self.protocol in (None, message.protocol)
            and self.ontology in (None, message.ontology)
        )

    def exactness(self) -> tuple[bool, bool, bool]:
        return (self.protocol is not None, self.ontology is not None, bool(self.acts))


class Agent:
    """What a module offers the node: make one, name it `agent`, and give it handlers."""

    def __init__(self) -> None:
        self.config: Any = {}
        self._routes: list[_Route] = []
        self._ringers: dict[str, Ringer] = {}
        self._news: dict[str, NewsHandler] = {}
        self._starters: list[Starter] = []
        self._drainers: list[Callable[[], None]] = []
        self._exporter: Callable[[], bytes | None] | None = None
        self._importer: Callable[[bytes], None] | None = None

    def on(
        self, *acts: Performative, protocol: str | None = None, ontology: str | None = None
    ) -> Callable[[Handler], Handler]:
        """Handle messages with one of these acts (all, without one), of this protocol and this ontology."""

        def add(handler: Handler) -> Handler:
            self._routes.append(_Route(frozenset(acts), protocol, ontology, handler))
            # Stable, so that of two equals the first is asked.
            self._routes.sort(key=_Route.exactness, reverse=True)
            return handler

        return add

    def on_timer(self, name: str) -> Callable[[Ringer], Ringer]:
        """Handle the timers of a name; the function is given what the timer carries."""

        def add(ringer: Ringer) -> Ringer:
            return self._ringers.setdefault(name, ringer)

        return add

    def on_news(self, kind: Kind) -> Callable[[NewsHandler], NewsHandler]:
        """Handle what happens to the conversations of a kind."""

        def add(handler: NewsHandler) -> NewsHandler:
            return self._news.setdefault(kind, handler)

        return add

    def on_start(self, starter: Starter) -> Starter:
        """Call a function whenever an instance starts, with the manifest's `config`."""
        self._starters.append(starter)
        return starter

    def on_drain(self, drainer: Callable[[], None]) -> Callable[[], None]:
        """Call a function last before an orderly stop."""
        self._drainers.append(drainer)
        return drainer

    def exports_state(self, exporter: Callable[[], bytes | None]) -> Callable[[], bytes | None]:
        """Ask a function for the state that the next version takes over."""
        self._exporter = exporter
        return exporter

    def imports_state(self, importer: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Give a function the state of the version before."""
        self._importer = importer
        return importer

    def start(self, config: Any) -> None:
        """Start an instance."""
        self.config = config
        for starter in self._starters:
            starter(config)

    def handle(self, message: Message) -> Message | None:
        """Handle one message, and perhaps answer it."""
        told = rung(message)
        if told is not None:
            self._ring(told)
            return None
        news = self._heard(message)
        if news is not None:
            return self._tell(news)
        if subscribers.left(message):
            return message.inform()
        for route in self._routes:
            if route.fits(message):
                return route.handler(message)
        log(f"nobody handles the {message.performative} from {message.sender}", "debug")
        return None

    def drain(self) -> None:
        """Get ready for an orderly stop."""
        for drainer in self._drainers:
            drainer()

    def export_state(self) -> bytes | None:
        """Give the state that the next version takes over."""
        return self._exporter() if self._exporter else None

    def import_state(self, state: bytes) -> None:
        """Take over the state of the version before."""
        if self._importer:
            self._importer(state)

    def _ring(self, told: Rung) -> None:
        if told.name == records.TIMER:
            conversation = records.ended(told)
            news = None if conversation is None else _meaning(conversation, None)
            if news is not None:
                self._tell(news)
        elif told.name in self._ringers:
            self._ringers[told.name](told.content)
        else:
            log(f"nobody handles the timer {told.name!r}", "debug")

    def _heard(self, message: Message) -> News | None:
        if message.conversation_id is None or message.ontology == ONTOLOGY:
            return None
        return _meaning(message.conversation_id, message)

    def _tell(self, news: News) -> Message | None:
        handler = self._news.get(news.kind)
        answer = handler(news) if handler else None
        if answer is None and news.message and news.message.performative == "cancel":
            # Who cancels waits to hear that nothing more will be done.
            return news.message.inform()
        if handler is None:
            log(f"nobody handles the news {news.event} of the {news.kind}", "debug")
            if news.event is Event.ACCEPTED and news.message:
                return news.message.failure("nobody does the work")
        return answer


def _meaning(conversation: str, message: Message | None) -> News | None:
    """Say what a message, or with None the end of the time, means for a conversation with a record."""
    record = records.find(conversation)
    if record is None:
        return None
    if record.kind in ("request", "subscription"):
        kind: Kind = "request" if record.kind == "request" else "subscription"
        return initiators.heard(kind, conversation, record.data, message)
    heard = {
        "contract-net": contract_nets.heard,
        "promise": promises.heard,
        "offer": offers.heard,
    }[record.kind]
    return heard(conversation, record.data, message)
