"""The shipped cases in the conformance format: all replayed, and nothing of any table left out."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from caxton_core.conformance import (
    Case,
    Expectation,
    Played,
    Step,
    differences,
    parse_cases,
    play,
    replay,
)
from caxton_core.conversations import OUTCOMES, Conversation, Protocol, Reason, fire_timers
from caxton_core.registry import load

FOLDER = Path(__file__).parents[3] / "examples" / "conformance"
FILES = {
    path.stem: parse_cases(path.read_bytes()).unwrap() for path in sorted(FOLDER.glob("*.json"))
}
CASES = [case for cases in FILES.values() for case in cases]
PROTOCOLS = {name: p for p in load().unwrap().protocols() for name in p.names}
EACH = tuple({p.name: p for p in PROTOCOLS.values()}.values())
Row = tuple[str, str]
"""The state that a move leaves, and the event."""


@pytest.mark.parametrize("file", FILES)
def test_cases_are_replayed_as_expected(file: str) -> None:
    """The engine admits what each case of a file says, rejects what it says, and ends as it says."""
    found = {case.id: differences(case, replay(case, PROTOCOLS)) for case in FILES[file]}
    assert {id: differing for id, differing in found.items() if differing} == {}


def test_the_cases_are_many_and_their_ids_unique() -> None:
    """No two cases share an id, every protocol has some, and each note names what it is from."""
    assert len({case.id for case in CASES}) == len(CASES) >= 1_000
    assert {case.protocol for case in CASES} == {p.name for p in EACH}
    assert [case.id for case in CASES if case.note[:2] not in ("4.", "5.")] == ["example-1"]


def test_every_reason_is_given() -> None:
    """Each reason of a rejection is reached; that of a full conversation by a script too long to ship."""
    given = {reason for case in CASES for reason in replay(case, PROTOCOLS).reasons}
    assert set(get_args(Reason)) - given == {"conversation-full"}
    notify = Step("participant", "inform", participant="p")
    full = Case(
        "full", "fipa-subscribe", ["p"], "", [Step("initiator", "subscribe"), *[notify] * 10_000],
        Expectation([True] * 10_000 + [False], "active", None),
    )  # fmt: skip
    replayed = replay(full, PROTOCOLS)
    assert differences(full, replayed) == []
    assert replayed.reasons[-1] == "conversation-full"


class Looked(dict[str, str]):
    """The rows of one event in one state of a conversation-wide table; it keeps which were taken."""

    def __init__(self, rows: dict[str, str], state: str, event: str, taken: set[Row]) -> None:
        super().__init__(rows)
        self.state, self.event, self.taken = state, event, taken

    def get(self, condition: str, default: str | None = None) -> str | None:  # type: ignore[override]  # of strings alone
        """Return where the row of a condition leads."""
        if condition in self:
            self.taken.add((self.state, f"{self.event}/{condition}" if condition else self.event))
        return super().get(condition, default)


def moved(case: Case, protocol: Protocol) -> set[Row]:
    """Tell which rows of a leg's table a case takes, from the values between its steps."""
    rows: set[Row] = set()
    before: Conversation | None = None
    for played, step in zip(play(case, protocol, PROTOCOLS), [*case.script, None], strict=True):
        if before is not None:
            fired = fire_timers(protocol, before, now=played.now)
            rows |= expired(before, fired)
            if step is not None and played.reason is None and step.from_role != "ams":
                rows |= {
                    (fired.legs[name].state, f"{step.from_role}:{step.performative}")
                    for name in spoken(fired, played, step.from_role)
                }
        elif step is not None and played.conversation is not None:
            rows.add((protocol.initial, f"initiator:{step.performative}"))
        before = played.conversation
    return rows


def expired(before: Conversation, after: Conversation) -> set[Row]:
    """Tell which legs were closed by their own deadline."""
    end = before.expires_at
    return {
        (leg.state, "timer:reply-by")
        for name, leg in before.legs.items()
        if after.legs[name].state == "expired" and leg.state not in OUTCOMES and leg.cancel is None
        if leg.deadline is not None and (end is None or leg.deadline <= end)
    }


def spoken(before: Conversation, played: Played, role: str) -> list[str]:
    """Name the legs that an admitted message has moved by a row, not by a cancel's answer or another leg's award."""
    after = played.conversation
    assert after is not None
    names = []
    for name, old in before.legs.items():
        new = after.legs[name]
        mine = role == "participant" and (new.told_id != old.told_id or new.state != old.state)
        yours = role == "initiator" and (new.asked_id != old.asked_id or new.state != old.state)
        if new is not old and (mine or yours) and new.state not in ("cancelled", "expired"):
            names.append(name)
    return names


@pytest.mark.parametrize("protocol", EACH, ids=lambda protocol: protocol.name)
def test_every_row_of_every_table_is_taken(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cases take each row of a protocol's table at least once, deadlines and conditions among them."""
    taken: set[Row] = set()
    floors = {
        state: {event: Looked(rows, state, event, taken) for event, rows in events.items()}
        for state, events in protocol.by_floor.items()
    }
    monkeypatch.setattr(protocol, "by_floor", floors)
    for case in CASES:
        if case.protocol == protocol.name:
            rows = moved(case, protocol)
            if protocol.rounds is None:
                taken |= rows
    assert {(str(state), event) for state, event, _ in protocol.table.moves()} - taken == set()


@pytest.mark.parametrize("protocol", EACH, ids=lambda protocol: protocol.name)
def test_every_state_is_met_by_what_no_table_has(protocol: Protocol) -> None:
    """In each open state there are a cancel, a not-understood, a failure of the AMS and a time-to-live."""
    short = [case.note for case in CASES if case.protocol == protocol.name]
    for open_state in protocol.order:
        for what in ("time-to-live", "not-understood", "AMS", "cancel"):
            assert [note for note in short if what in note and open_state in note], (
                open_state,
                what,
            )


def test_a_wrong_expectation_is_told() -> None:
    """The runner reports a deliberately wrong case step by step."""
    (case,) = [case for case in CASES if case.id == "example-1"]
    wrong = msgspec.structs.replace(
        case, expect=Expectation([True, True, True, True], "completed", "success")
    )
    assert differences(wrong, replay(wrong, PROTOCOLS)) == [
        "step 3 (participant agree): expected accepted, got rejected (bad-in-reply-to)",
        "outcome: expected success, got partial",
    ]


def test_no_token_of_a_script_is_the_id_of_a_message() -> None:
    """Whatever a script quotes, it never quotes a message that had no reply-with."""
    for guess in ("message 0", "token message 0", "0", ""):
        steps = [Step("initiator", "request"), Step("participant", "agree", in_reply_to=guess)]
        case = Case("x", "fipa-request", ["p"], "", steps, Expectation([True, False], "", None))
        assert replay(case, PROTOCOLS).reasons == [None, "bad-in-reply-to"]
