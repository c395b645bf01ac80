"""A second opinion on conversations: slow, mutable, and written from the history of accepted messages.

Rules:
- it shares nothing with the engine: its rows are written out again, and `transitions` walks them;
- tokens, deadlines and awards are never stored, they are looked up in the log each time;
- its verdict is the reason of the first failing test, or None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from transitions import Machine

NO = [("refuse", "refused"), ("failure", "failed")]


def answers(state: str, *rows: tuple[str, str]) -> list[tuple[str, str, str]]:
    """Write rows of a participant in one state."""
    return [(state, f"P {act}", target) for act, target in rows]


REQUEST_ROWS = [
    *answers("waiting", ("agree", "agreed"), ("inform", "done"), *NO),
    *answers("agreed", ("inform", "done"), ("failure", "failed")),
]
WHEN_ROWS = [row for row in REQUEST_ROWS if row[:2] != ("waiting", "P inform")]
PROPOSE_ROWS = answers("waiting", ("accept-proposal", "accepted"), ("reject-proposal", "rejected"))
CNET_ROWS = [
    *answers("called", ("propose", "offered"), *NO),
    ("offered", "I accept-proposal", "working"),
    ("offered", "I reject-proposal", "rejected"),
    *answers("working", ("inform", "done"), ("failure", "failed")),
]
SUBSCRIBE_ROWS = [
    *answers("waiting", ("agree", "active"), ("inform", "active"), *NO),
    *answers("active", ("inform", "active"), ("failure", "failed")),
]
RELAYED = [
    "accept-proposal",
    "cfp",
    "confirm",
    "disconfirm",
    "inform",
    "inform-if",
    "inform-ref",
    "propagate",
    "propose",
    "proxy",
    "query-if",
    "query-ref",
    "reject-proposal",
    "request",
    "request-when",
    "request-whenever",
    "subscribe",
]
BROKER_ROWS = [
    *answers("waiting", ("agree", "relaying"), *NO),
    *answers("relaying", ("failure", "failed"), *((act, "relaying") for act in RELAYED)),
]
BARGAIN_ROWS = [
    *answers(
        "theirs", ("propose", "ours"), ("accept-proposal", "accepted"), ("reject-proposal", "rejected")
    ),
    ("ours", "I propose", "theirs"),
    ("ours", "I accept-proposal", "accepted"),
    ("ours", "I reject-proposal", "rejected"),
]  # fmt: skip
ROWS = {
    "fipa-request": REQUEST_ROWS,
    "fipa-query": REQUEST_ROWS,
    "fipa-request-when": WHEN_ROWS,
    "fipa-propose": PROPOSE_ROWS,
    "fipa-contract-net": CNET_ROWS,
    "fipa-iterated-contract-net": [*CNET_ROWS, ("offered", "I cfp", "called")],
    "fipa-subscribe": SUBSCRIBE_ROWS,
    "caxton-request-whenever": SUBSCRIBE_ROWS,
    "fipa-brokering": BROKER_ROWS,
    "fipa-recruiting": BROKER_ROWS,
    "caxton-negotiation": BARGAIN_ROWS,
}
SHOWN = {
    "waiting": "awaiting-response",
    "called": "awaiting-proposal",
    "offered": "proposed",
    "theirs": "awaiting-participant",
    "ours": "awaiting-initiator",
    "agreed": "awaiting-result",
    "working": "awaiting-result",
    "relaying": "relaying",
    "active": "active",
}
ADVANCE = list(SHOWN)
NETS = ("fipa-contract-net", "fipa-iterated-contract-net")
# Whose reply-by counts, besides the opener's: an offer's, an award's, a call's.
TIMED = {
    **{net: {"I cfp", "P propose", "I accept-proposal"} for net in NETS},
    "caxton-negotiation": {"I propose", "P propose"},
}
FINISHED = {
    "done", "refused", "accepted", "rejected", "failed", "not-understood", "expired", "cancelled",
}  # fmt: skip


ALIASES = {
    "fipa-auction-english": "fipa-english-auction",
    "fipa-auction-dutch": "fipa-dutch-auction",
}


@dataclass
class Said:
    """One message, accepted or to be judged."""

    time: int
    role: str
    act: str
    id: str
    sender: str = ""
    receivers: tuple[str, ...] = ()
    reply_with: str | None = None
    in_reply_to: str | None = None
    reply_by: int | None = None
    reply_to: tuple[str, ...] = ()
    protocol: str | None = None
    about: str | None = None
    side_track: bool = False


@dataclass
class Side:
    """One participant: where `transitions` has it, and what it has heard and said."""

    state: str = ""
    log: list[Said] = field(default_factory=list)
    cancel: Said | None = None

    def last(self, role: str) -> Said | None:
        """Return the latest message of a role that is no part of a cancel."""
        spoken = [said for said in self.log if said.role == role and not said.side_track]
        return spoken[-1] if spoken else None


Due: TypeAlias = "tuple[int, int, Side | None]"


def general(every: list[str]) -> tuple[str, str]:
    """Apply the general outcome rule."""
    first, *others = set(every)
    if others and {"done", "accepted"} & set(every):
        return "completed", "partial"
    if others:
        ranks = ["cancelled", "failed", "not-understood", "expired", "rejected", "refused"]
        first = min(every, key=ranks.index)
    if first in {"done", "accepted", "rejected", "refused"}:
        return "completed", "success" if first == "done" else first
    return ("failed" if first == "not-understood" else first), first


class Oracle:
    """One conversation, judged by its history."""

    def __init__(
        self, protocol: str, initiator: str, opener: Said, names: list[str], ttl: int
    ) -> None:
        self.protocol, self.initiator, self.end = protocol, initiator, opener.time + ttl
        rows, self.opener = ROWS[protocol], opener
        self.sides = {name: Side() for name in names}
        self.machine = Machine(
            model=list(self.sides.values()),
            states=sorted({state for row in rows for state in (row[0], row[2])} | FINISHED),
            transitions=[
                {"source": source, "trigger": event, "dest": target}
                for source, event, target in rows
            ],
            initial=rows[0][0],
            auto_transitions=False,
        )
        for side in self.sides.values():
            side.log.append(opener)

    def open_sides(self) -> dict[str, Side]:
        """Return the participants whose leg is open."""
        return {name: side for name, side in self.sides.items() if side.state not in FINISHED}

    def _shut(self, side: Side, outcome: str) -> None:
        side.state, side.cancel = outcome, None

    def _shut_all(self, sides: list[Side], outcome: str) -> None:
        for side in sides:
            self._shut(side, outcome)

    def _own_deadline(self, side: Side) -> int | None:
        last = [said for said in side.log if not said.side_track][-1]
        if last is self.opener or f"{last.role} {last.act}" in TIMED.get(self.protocol, ()):
            return last.reply_by
        return None

    def _dues(self) -> list[Due]:
        dues: list[Due] = []
        for side in self.open_sides().values():
            at = side.cancel.reply_by if side.cancel else self._own_deadline(side)
            if at is not None:
                dues.append((at, 0 if side.cancel else 1, side))
        if self.open_sides():
            dues.append((self.end, 3, None))
        return dues

    def _ring(self, kind: int, side: Side | None) -> None:
        sides = [side] if side else list(self.open_sides().values())
        self._shut_all(sides, "cancelled" if kind == 0 else "expired")

    def pass_time(self, now: int) -> None:
        """Fire one deadline after the other, the earliest first."""
        while due := [entry for entry in self._dues() if entry[0] < now]:
            _, kind, side = min(due, key=lambda entry: entry[:2])
            self._ring(kind, side)

    def hear(self, said: Said) -> str | None:
        """Judge a message and, when it is legal, remember it."""
        self.pass_time(said.time)
        if said.protocol not in (None, self.protocol, ALIASES.get(self.protocol)):
            return "wrong-protocol"
        if said.role == "X":
            return "not-a-party"
        if not self.open_sides():
            return "terminated"
        return {"I": self._initiator, "P": self._participant, "A": self._ams}[said.role](said)

    def _ams(self, said: Said) -> str | None:
        if said.about == self.initiator:
            return None if said.act == "failure" else "out-of-sequence"
        side = self.sides[str(said.about)]
        if side.state in FINISHED:
            return "leg-closed"
        if said.act != "failure":
            return "out-of-sequence"
        self._shut_all([side], "failed")
        return None

    def _matches(self, said: Said, latest: Said | None) -> bool:
        if latest is None:
            return said.in_reply_to is None
        if said.in_reply_to is None:
            return latest.reply_with is None
        return said.in_reply_to in {latest.id, latest.reply_with}

    def likely(self, role: str, name: str) -> list[str]:
        """Name the acts that are legal for a role on a leg, or nearly."""
        triggers = self.machine.get_triggers(self.sides[name].state)
        return [event[2:] for event in triggers if event.startswith(f"{role} ")]

    def targets(self) -> list[str]:
        """Name those the initiator has most reason to write to."""
        return list(self.open_sides())

    def _take(self, said: Said, names: list[str]) -> bool:
        """Move every leg by its row, or none."""
        event, sides = f"{said.role} {said.act}", [self.sides[name] for name in names]
        if any(event not in self.machine.get_triggers(side.state) for side in sides):
            return False
        if event == "I cfp" and self._any_said("I accept-proposal"):
            return False
        for side in sides:
            trigger: Any = side
            assert trigger.trigger(event)
        if event == "I accept-proposal" and self.protocol in NETS:
            called = [s for s in self.sides.values() if s.state == "called" and not s.cancel]
            self._shut_all(called, "expired")
        return True

    def _participant(self, said: Said) -> str | None:
        side = self.sides[said.sender]
        heard = side.last("I")
        assert heard is not None
        allowed = {self.initiator, *heard.reply_to, *(side.cancel.reply_to if side.cancel else ())}
        if not set(said.receivers) <= allowed:
            return "wrong-receiver"
        if side.state in FINISHED:
            return "leg-closed"
        cancel = side.cancel
        if cancel and said.in_reply_to in {cancel.reply_with or cancel.id, cancel.id}:
            if said.act not in {"inform", "failure", "not-understood"}:
                return "out-of-sequence"
            said.side_track = True
            side.log.append(said)
            side.cancel = None
            if said.act == "inform":
                self._shut_all([side], "cancelled")
            self.pass_time(said.time)
            return None
        if not self._matches(said, heard):
            return "bad-in-reply-to"
        if said.act == "not-understood":
            self._shut_all([side], "not-understood")
        elif not self._take(said, [said.sender]):
            return "out-of-sequence"
        side.log.append(said)
        if side.state in FINISHED:
            side.cancel = None
        return None

    def _initiator(self, said: Said) -> str | None:
        names = list(dict.fromkeys(said.receivers)) or list(self.open_sides())
        if not set(names) <= set(self.sides):
            return "not-a-party"
        sides = [self.sides[name] for name in names]
        if any(side.state in FINISHED for side in sides):
            return "leg-closed"
        lenient = said.act not in {
            "accept-proposal", "reject-proposal", "propose", "not-understood", "agree", "refuse", "failure",
        }  # fmt: skip
        for side in sides:
            if not (lenient and said.in_reply_to is None) and not self._matches(
                said, side.last("P")
            ):
                return "bad-in-reply-to"
        if any(side.cancel for side in sides):
            return "out-of-sequence"
        if said.act == "cancel":
            said.side_track = True
            for side in sides:
                side.cancel = said
                side.log.append(said)
            return None
        if said.act != "not-understood":
            if not self._take(said, names):
                return "out-of-sequence"
        elif all(side.last("P") for side in sides):
            self._shut_all(sides, "not-understood")
        else:
            return "out-of-sequence"
        for side in sides:
            side.log.append(said)
        return None

    def state(self) -> str:
        """Name the conversation's state."""
        going = self.open_sides().values()
        if not going:
            return self._end()[0]
        at = [side.state for side in going if not side.cancel]
        return SHOWN[min(at, key=ADVANCE.index)] if at else "cancelling"

    def outcome(self) -> str | None:
        """Name the outcome, None while a leg is open."""
        return None if self.open_sides() else self._end()[1]

    def _any_said(self, event: str) -> bool:
        return any(self._said(side, event) for side in self.sides.values())

    def _said(self, side: Side, event: str) -> bool:
        return any(f"{said.role} {said.act}" == event and not said.side_track for said in side.log)

    def _end(self) -> tuple[str, str]:
        every = [side.state for side in self.sides.values()]
        if self.protocol in NETS:
            sides = self.sides.values()
            awarded = [side.state for side in sides if self._said(side, "I accept-proposal")]
            if awarded:
                every = awarded
            elif "cancelled" in every:
                return "cancelled", "cancelled"
            elif "rejected" in every:
                return "completed", "all-rejected"
            elif any(self._said(side, "P propose") for side in sides):
                pass
            elif set(every) == {"refused"}:
                return "completed", "all-refused"
            else:
                return ("expired" if "expired" in every else "failed"), "no-proposals"
        return general(every)
