"""The platform's own agents at work: the AMS and the DF answer what they are asked, in turns of their own.

Rules:
- What has arrived (`directory_arrivals.py`) is served in a later turn of the loop; a turn of theirs takes about a millisecond.
- One record (`Served`) holds what was asked, what changed and what was said: recovery applies it and asks nobody.
- Nobody is answered whose conversation is over, and nothing is changed for him either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from caxton_core.conversations import OUTCOMES
from caxton_core.directory import Ask, Search, Subscribe, decide
from caxton_core.directory_answers import Answer, equal_content, failed, result_content, set_text
from caxton_core.directory_descriptions import PlatformService
from caxton_core.directory_reasons import internal_error
from caxton_core.directory_terms import Term, show
from caxton_core.messages import Performative

from caxton_server.runtime.directory_arrivals import Arrivals, Waiting
from caxton_server.runtime.directory_notices import WRITE, Notices, split
from caxton_server.runtime.directory_registry import Registry
from caxton_server.runtime.directory_searches import (
    ANSWER_BYTES,
    Entry,
    Scan,
    ams_entry,
    room_for,
)
from caxton_server.runtime.directory_subscriptions import Subscriptions
from caxton_server.runtime.records import (
    DirectoryChange,
    Sent,
    Subscribed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caxton_server.runtime.ams import Ams
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import Kernel, PlatformAgent
    from caxton_server.runtime.timers import Timers

UNITS: Final = 500
"""Work in one turn, in units of about two microseconds."""
SEARCHES_KNOWN: Final = 1_000


class Running(msgspec.Struct, frozen=True):
    """A search under way, and what is to be done with its result."""

    waiting: Waiting
    scan: Scan
    what: Search | Subscribe


class Directory:
    """The AMS and the DF of the node."""

    def __init__(
        self,
        kernel: Kernel,
        conversations: Conversations,
        timers: Timers,
        ams: Ams,
        *,
        services: tuple[PlatformService, ...] = (),
    ) -> None:
        self.kernel, self.conversations, self.timers = kernel, conversations, timers
        self.services = services
        self.registry = Registry(kernel, timers)
        self.entries = self.registry.entries
        self.subscriptions = Subscriptions(self.entries)
        self.notices = Notices(kernel, conversations, ams, self.subscriptions)
        self.arrivals = Arrivals(kernel)
        self.receive = self.arrivals.receive
        self.running: Running | None = None
        self._armed = False
        self._searches: dict[tuple[str, str], None] = {}
        self.registry.on_change = self._changed
        self.registry.on_gone = self.notices.gone
        self.notices.before_settling = self._settling
        self.arrivals.on_arrival = self._arm

    # Turns

    def _arm(self, wait: int = 0) -> None:
        if not self._armed:
            self._armed = True
            self.timers.at(self.kernel.now + wait, self._work)

    def _changed(self) -> None:
        if self.subscriptions.pending:
            self._arm()

    def _settling(self) -> None:
        """Let a search that is to begin a subscription see what is about to be forgotten."""
        if self.running is not None and self.subscriptions.starting:
            self.running.scan.catch_up()

    def _work(self, _now: int) -> None:
        """Do about a millisecond of what is to be done: what has changed is told first, so that it can't pile up."""
        self._armed = False
        units = UNITS
        while units > 0:
            running = self.running
            if self.subscriptions.pending:
                units -= self.notices.tell()
            elif running is not None:
                units -= running.scan.look(units, self.kernel.now) + 1
                if running.scan.over:
                    self.running = None
                    self._found(running)
                    units -= WRITE
            elif self.arrivals.queue:
                waiting = self.arrivals.take()
                content = waiting.message.content
                # Reading a content takes about a third of a microsecond for each character.
                units -= WRITE + (len(content) // 6 if type(content) is str else 0)
                self._serve(waiting)
            else:
                return
        # Not in this turn of the loop: others want the thread too.
        self._arm(1)

    def _asker(self, waiting: Waiting) -> Cell | PlatformAgent | None:
        """Return who is to be answered; None when nobody waits for it any more."""
        message = waiting.message
        if message.protocol is not None:
            conversation = self.conversations.current(message.conversation_id)
            address = self._service(waiting).address
            leg = None if conversation is None else conversation.legs.get(address)
            if leg is None or leg.state in OUTCOMES:
                return None
        return self.kernel.find(message.sender)

    def _addressee(self, waiting: Waiting, asker: Cell | PlatformAgent) -> Cell | PlatformAgent:
        """Return who gets the answer: who asked, when it has named nobody else that can have it."""
        return self.notices.addressee(asker, waiting.message.reply_to) or asker

    def _service(self, waiting: Waiting) -> PlatformAgent:
        return self.kernel.ams if waiting.service == "ams" else self.kernel.df

    def _serve(self, waiting: Waiting) -> None:
        """Do what a message asks for, or begin to."""
        message, service = waiting.message, self._service(waiting)
        asker = self._asker(waiting)
        if asker is None:
            self.notices.record(waiting.serial, (), ())
            return
        if message.performative is Performative.CANCEL:
            to = self._addressee(waiting, asker)
            said = self.notices.answer(service, to, message, Performative.INFORM)
            self.notices.record(waiting.serial, (), said)
            return
        sender = asker.address
        self.registry.lapse(sender)
        ask = Ask(
            waiting.service, service.address, sender, message.performative, message.content, self.kernel.now,
            message.protocol, message.language, message.ontology,
            self.notices.addressee(asker, message.reply_to) is not None,
        )  # fmt: skip
        decision = decide(
            ask, registered=self.entries.registered(sender) is not None,
            state=ams_entry(asker, self.entries.owners).state, services=self.services,
        )  # fmt: skip
        match decision:
            case Answer():
                self._answer(waiting, asker, decision)
            case Search():
                self._search(waiting, asker, decision)
            case _ if self.subscriptions.room(sender):
                self.subscriptions.start(starting=True)
                self._scan(waiting, asker, decision, None, decision.expression, decision.most)
            case _:
                full = failed(decision.expression, internal_error("too many subscriptions"))
                self._answer(waiting, asker, full)

    def _answer(self, waiting: Waiting, asker: Cell | PlatformAgent, answer: Answer) -> None:
        """Answer a message, and change what it changes: one record."""
        to = self._addressee(waiting, asker)
        said = self.notices.answer(
            self._service(waiting), to, waiting.message, answer.act, answer.content
        )
        changes: tuple[DirectoryChange, ...] = ()
        if answer.change is not None:
            changes = (answer.change,)
            self.registry.change(answer.change)
        self.notices.record(waiting.serial, changes, said)

    # Searches

    def _search(self, waiting: Waiting, asker: Cell | PlatformAgent, search: Search) -> None:
        most, key = search.most, (asker.address, search.search_id)
        if search.search_id:
            # FIPA SC00023: a DF that has seen the id does not search again.
            if key in self._searches:
                most = 0
            self._searches[key] = None
            if len(self._searches) > SEARCHES_KNOWN:
                del self._searches[next(iter(self._searches))]
        kernel = self.kernel
        candidates: Sequence[Entry] | None = None
        if waiting.service == "ams":
            candidates = (kernel.ams, kernel.df, kernel.api, *kernel.cells.values())
            if search.template.name:
                found = kernel.find(search.template.name)
                candidates = () if found is None else (found,)
        self._scan(waiting, asker, search, candidates, search.action, most)

    def _scan(
        self, waiting: Waiting, asker: Cell | PlatformAgent, what: Search | Subscribe,
        candidates: Sequence[Entry] | None, echoed: Term, most: int,
    ) -> None:  # fmt: skip
        # What is told to a subscriber may take several messages.
        room = ANSWER_BYTES
        if isinstance(what, Search):
            room = room_for(self._addressee(waiting, asker), len(show(echoed)))
        scan = Scan(self.entries, what.template, candidates, most=most, room=room)
        self.running = Running(waiting, scan, what)

    def _found(self, running: Running) -> None:
        """Answer a search, or begin a subscription with what was found."""
        waiting, what, scan = running.waiting, running.what, running.scan
        asker = self._asker(waiting)
        if isinstance(what, Subscribe):
            scan.finish(self.kernel.now)
        if asker is None:
            self.notices.record(waiting.serial, (), ())
        elif scan.cut:
            expression = what.action if isinstance(what, Search) else what.expression
            detail = f"{len(scan.found)} of what was found fit in an answer: ask for less, or for so many"
            self._answer(waiting, asker, failed(expression, internal_error(detail)))
        elif isinstance(what, Search):
            found = result_content(what.action, set_text(list(scan.found.values())))
            self._answer(waiting, asker, Answer(Performative.INFORM, found))
        else:
            self.notices.record(waiting.serial, *self._begin(running, what, asker))
        self.subscriptions.start(starting=False)

    def _begin(
        self, running: Running, what: Subscribe, asker: Cell | PlatformAgent
    ) -> tuple[tuple[DirectoryChange, ...], tuple[Sent, ...]]:
        """Agree to a subscription and tell what there is now; return what changes, and what was said."""
        message, df = running.waiting.message, self.kernel.df
        to = self._addressee(running.waiting, asker)
        found = list(running.scan.found.values())
        parts = split(found, room_for(to, len(show(what.expression)))) or [[]]
        said = self.notices.answer(df, to, message, Performative.AGREE)
        for texts in parts:
            told = equal_content(what.expression, set_text(texts))
            said += self.notices.answer(df, to, message, Performative.INFORM, told)
        if len(said) <= len(parts) or self._asker(running.waiting) is None:
            self.notices.end(message.conversation_id, asker.address)
            return (), said
        subscribed = Subscribed(
            message.conversation_id, asker.address, message.reply_with or message.id, show(what.expression),
            what.template, running.scan.number, message.language, message.traceparent,
            None if to is asker else to.address,
        )  # fmt: skip
        self.subscriptions.add(subscribed)
        self.notices.watch(message.conversation_id)
        return (subscribed,), said

    def resume(self) -> None:
        """Go on where the node ended: every record has been applied, and every conversation is there."""
        self.registry.resume()
        self.notices.resume()
        if self.arrivals.queue or self.subscriptions.pending:
            self._arm()
