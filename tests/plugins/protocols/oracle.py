"""A second opinion on conversations: slow, mutable, and written from the history of accepted messages.

Rules:
- it shares nothing with the engine: its rows are written out again, and `transitions` walks them;
- tokens, deadlines and awards are never stored, they are looked up in the log each time;
- its verdict is the reason of the first failing test, or None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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

    def _own_deadline(self, side: Side) -> int | None:
        last = [said for said in side.log if not said.side_track][-1]
        if last is self.opener or f"{last.role} {last.act}" in TIMED.get(self.protocol, ()):
            return last.reply_by
        return None

    def pass_time(self, now: int) -> None:
        """Fire one deadline after the other, the earliest first."""
        while True:
            due: list[tuple[int, int, Side | None]] = []
            for side in self.open_sides().values():
                at = side.cancel.reply_by if side.cancel else self._own_deadline(side)
                if at is not None:
                    due.append((at, 0 if side.cancel else 1, side))
            if self.open_sides():
                due.append((self.end, 3, None))
            due = [entry for entry in due if entry[0] < now]
            if not due:
                return
            _, kind, first = min(due, key=lambda entry: entry[:2])
            for side in [first] if first else list(self.open_sides().values()):
                self._shut(side, "cancelled" if kind == 0 else "expired")

    def hear(self, said: Said) -> str | None:
        """Judge a message and, when it is legal, remember it."""
        self.pass_time(said.time)
        if said.protocol is not None and said.protocol != self.protocol:
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
        self._shut(side, "failed")
        return None

    def _matches(self, said: Said, latest: Said | None) -> bool:
        if latest is None:
            return said.in_reply_to is None
        if said.in_reply_to is None:
            return latest.reply_with is None
        return said.in_reply_to in {latest.id, latest.reply_with}

    def _legal(self, side: Side, event: str) -> bool:
        return event in self.machine.get_triggers(side.state)

    def _fire(self, side: Side, event: str) -> None:
        trigger: Any = side
        assert trigger.trigger(event)

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
            if said.act == "inform":
                self._shut(side, "cancelled")
            side.cancel = None
            self.pass_time(said.time)
            return None
        if not self._matches(said, heard):
            return "bad-in-reply-to"
        if said.act == "not-understood":
            self._shut(side, "not-understood")
        elif self._legal(side, f"P {said.act}"):
            self._fire(side, f"P {said.act}")
        else:
            return "out-of-sequence"
        side.log.append(said)
        if side.state in FINISHED:
            side.cancel = None
        return None

    def _initiator(self, said: Said) -> str | None:
        names = list(said.receivers) or list(self.open_sides())
        if not set(names) <= set(self.sides):
            return "not-a-party"
        sides = [self.sides[name] for name in dict.fromkeys(names)]
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
        event = f"I {said.act}"
        for side in sides:
            heard = said.act == "not-understood" and side.last("P")
            if not heard and not self._legal(side, event):
                return "out-of-sequence"
        if said.act == "cfp" and any(
            self._said(s, "I accept-proposal") for s in self.sides.values()
        ):
            return "out-of-sequence"
        for side in sides:
            side.log.append(said)
            if said.act == "not-understood":
                self._shut(side, "not-understood")
            else:
                self._fire(side, event)
        if said.act == "accept-proposal" and self.protocol in NETS:
            for side in self.sides.values():
                if side.state == "called" and not side.cancel:
                    self._shut(side, "expired")
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
        first, *others = set(every)
        if others and {"done", "accepted"} & set(every):
            return "completed", "partial"
        if others:
            ranks = ["cancelled", "failed", "not-understood", "expired", "rejected", "refused"]
            first = min(every, key=ranks.index)
        if first in {"done", "accepted", "rejected", "refused"}:
            return "completed", "success" if first == "done" else first
        return ("failed" if first == "not-understood" else first), first
