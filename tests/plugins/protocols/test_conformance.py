"""The shipped cases in the conformance format, each replayed against the engine."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from caxton_core.conformance import Case, Expectation, differences, parse_cases, replay
from caxton_core.conversations import Reason
from caxton_core.registry import load

FOLDER = Path(__file__).parents[3] / "examples" / "conformance"
CASES = [
    case for path in sorted(FOLDER.glob("*.json")) for case in parse_cases(path.read_bytes()).unwrap()
]  # fmt: skip
PROTOCOLS = {name: p for p in load().unwrap().protocols() for name in p.names}
# The platform's own agents, a reply-to and 10,000 messages are beyond the format.
BEYOND = {"conversation-full"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case_is_replayed_as_expected(case: Case) -> None:
    """The engine admits what the case says, rejects what it says, and ends as it says."""
    assert differences(case, replay(case, PROTOCOLS)) == []


def test_the_cases_are_many_and_their_ids_unique() -> None:
    """No two cases share an id, and every protocol has some."""
    assert len({case.id for case in CASES}) == len(CASES) >= 150
    assert {case.protocol for case in CASES} >= {p.name for p in PROTOCOLS.values()}


def test_the_cases_give_every_reason() -> None:
    """Each reason of a rejection that the format can reach is reached."""
    given = {reason for case in CASES for reason in replay(case, PROTOCOLS).reasons}
    assert set(get_args(Reason)) - given == BEYOND


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
