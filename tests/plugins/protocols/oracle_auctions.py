"""The second opinion on auctions: `transitions` walks the conversation, its conditions are questions to the story.

Rules:
- the story is what was accepted, in order; who waits, leads or has bought is read from it each time;
- whoever's leg has closed has no bid and no lead any more.
"""

from __future__ import annotations

from typing import Any

from transitions import Machine

from tests.plugins.protocols.oracle import Due, Oracle, Said, Side, general

BOTH = ("bidding", "deciding")
CALLS = [("announced", "I cfp", "bidding", ""), ("bidding", "P propose", "bidding", "is_new")]
CALLS += [("bidding", "round over", "deciding", "")]
ROWS = {
    "fipa-auction-english": [
        *CALLS,
        *((at, "I accept-proposal", "deciding", "is_first_taken") for at in BOTH),
        *((at, "I reject-proposal", at, "are_waiting") for at in BOTH),
        ("deciding", "I cfp", "bidding", "is_decided"),
        *((at, "I inform", "closing", "ends_with_leader") for at in BOTH),
        *((at, "I inform", "unsold", "ends_without_leader") for at in BOTH),
        ("closing", "I request", "sold", "is_leader"),
        ("closing", "I reject-proposal", "unsold", "is_leader"),
        ("closing", "drop", "unsold", "has_no_leader"),
    ],
    "fipa-auction-dutch": [
        *CALLS,
        *((at, "I accept-proposal", "sold", "is_only") for at in BOTH),
        *((at, "I accept-proposal", "deciding", "is_first_of_several") for at in BOTH),
        ("deciding", "I reject-proposal", "sold", "are_last_after_sale"),
        *((at, "I reject-proposal", at, "are_waiting") for at in BOTH),
        *((at, "I cfp", "bidding", "may_go_on") for at in BOTH),
        *((at, "I inform", "unsold", "may_go_on") for at in BOTH),
        ("deciding", "drop", "sold", "has_nobody_waiting_after_sale"),
        ("deciding", "time is up", "sold", "has_sold"),
    ],
}
NAMES = ["announced", *BOTH, "closing", "sold", "unsold"]


class AuctionOracle(Oracle):
    """One auction, judged by its story."""

    def __init__(
        self, protocol: str, initiator: str, opener: Said, names: list[str], ttl: int
    ) -> None:
        self.protocol, self.initiator, self.opener = protocol, initiator, opener
        self.end = opener.time + ttl
        self.sides = {name: Side("bidder", [opener]) for name in names}
        self.story: list[tuple[Said, list[str]]] = [(opener, names)]
        self.machine = Machine(
            model=self,
            model_attribute="stage",
            states=NAMES,
            transitions=[
                {"source": at, "trigger": event, "dest": to, "conditions": [asked] if asked else []}
                for at, event, to, asked in ROWS[protocol]
            ],
            initial="announced" if opener.act == "inform" else "bidding",
            auto_transitions=False,
        )
        self.stage: str

    def _round(self) -> list[tuple[Said, list[str]]]:
        last = max((i for i, (said, _) in enumerate(self.story) if said.act == "cfp"), default=None)
        return [] if last is None else self.story[last:]

    def _waiting(self) -> list[str]:
        waiting: list[str] = []
        for said, names in self._round():
            if said.act == "propose":
                waiting.append(said.sender)
            elif said.act in {"accept-proposal", "reject-proposal"}:
                waiting = [name for name in waiting if name not in names]
        return [name for name in waiting if name in self.open_sides()]

    def _taken(self, story: list[tuple[Said, list[str]]]) -> list[str]:
        return [names[0] for said, names in story if said.act == "accept-proposal"]

    def _leader(self) -> str | None:
        taken = self._taken(self.story)
        return taken[-1] if taken and taken[-1] in self.open_sides() else None

    def is_new(self, names: list[str]) -> bool:
        """Tell whether a bidder has not bid in this round."""
        return all(said.sender not in names for said, _ in self._round() if said.act == "propose")

    def are_waiting(self, names: list[str]) -> bool:
        """Tell whether all of them have unanswered bids."""
        return set(names) <= set(self._waiting())

    def is_first_taken(self, names: list[str]) -> bool:
        """Tell whether it is one bidder, and nobody was accepted in this round."""
        return len(names) == 1 and self.are_waiting(names) and not self._taken(self._round())

    def is_decided(self, names: list[str]) -> bool:
        """Tell whether the round has a winner and nobody who waits."""
        return bool(self._taken(self._round())) and not self._waiting()

    def ends_with_leader(self, names: list[str]) -> bool:
        """Tell whether nobody waits and somebody leads."""
        return not self._waiting() and self._leader() is not None

    def ends_without_leader(self, names: list[str]) -> bool:
        """Tell whether nobody waits and nobody leads."""
        return not self._waiting() and self._leader() is None

    def is_leader(self, names: list[str]) -> bool:
        """Tell whether it is the leader alone."""
        return names == [self._leader()]

    def has_no_leader(self, names: list[str]) -> bool:
        """Tell whether the leader is gone."""
        return self._leader() is None

    def has_sold(self, names: list[str]) -> bool:
        """Tell whether there is a buyer, still here or not."""
        return bool(self._taken(self.story))

    def is_only(self, names: list[str]) -> bool:
        """Tell whether it is the only one who waits, for what is not sold."""
        return self.is_first(names) and len(self._waiting()) == 1

    def is_first_of_several(self, names: list[str]) -> bool:
        """Tell whether it has waited longest, for what is not sold."""
        return self.is_first(names) and len(self._waiting()) > 1

    def is_first(self, names: list[str]) -> bool:
        """Tell whether it alone has waited longest, for what is not sold."""
        return not self.has_sold(names) and len(names) == 1 and names == self._waiting()[:1]

    def are_last_after_sale(self, names: list[str]) -> bool:
        """Tell whether nobody else waits after the sale."""
        return self.has_sold(names) and set(names) == set(self._waiting())

    def has_nobody_waiting_after_sale(self, names: list[str]) -> bool:
        """Tell whether the sale is complete."""
        return self.has_sold(names) and not self._waiting()

    def may_go_on(self, names: list[str]) -> bool:
        """Tell whether nothing is sold and nobody waits."""
        return not self.has_sold(names) and not self._waiting()

    def likely(self, role: str, name: str) -> list[str]:
        """Name the acts that have a row now."""
        triggers = self.machine.get_triggers(self.stage)
        return [event[2:] for event in triggers if event.startswith(f"{role} ")]

    def targets(self) -> list[str]:
        """Name who waits, or who leads."""
        leader = self._leader()
        return self._waiting() or ([leader] if leader else []) or list(self.open_sides())

    def _happen(self, event: str, names: list[str]) -> bool:
        model: Any = self
        return event in self.machine.get_triggers(self.stage) and bool(model.trigger(event, names))

    def _finish(self) -> None:
        if self.stage in {"sold", "unsold"}:
            buyer = self._leader() if self.stage == "sold" else None
            for name, side in self.open_sides().items():
                self._shut(side, "done" if name == buyer else "rejected")

    def _take(self, said: Said, names: list[str]) -> bool:
        if not self._happen(f"{said.role} {said.act}", names):
            return False
        self.story.append((said, names))
        self._finish()
        return True

    def _shut_all(self, sides: list[Side], outcome: str) -> None:
        super()._shut_all(sides, outcome)
        self._happen("drop", [])
        self._finish()

    def _own_deadline(self, side: Side) -> int | None:
        return None

    def _dues(self) -> list[Due]:
        calls = [said.reply_by for said, _ in self.story if said.act == "cfp"]
        going = self.open_sides() and self.stage == "bidding"
        dues: list[Due] = [(calls[-1], 2, None)] if going and calls[-1] is not None else []
        return super()._dues() + dues

    def _ring(self, kind: int, side: Side | None) -> None:
        if kind == 2:
            self._happen("round over", [])
        elif kind == 3:
            for name in self.open_sides():
                self._shut(self.sides[name], "expired")
            self._happen("time is up", [])
        else:
            super()._ring(kind, side)

    def state(self) -> str:
        """Name the conversation's state."""
        going = self.open_sides().values()
        if not going:
            return self._end()[0]
        return "cancelling" if all(side.cancel for side in going) else self.stage

    def _end(self) -> tuple[str, str]:
        if self.stage in {"sold", "unsold"}:
            return "completed", self.stage
        return general([side.state for side in self.sides.values()])
