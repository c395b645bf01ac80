"""Our cases in the conformance format, each replayed against the engine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from caxton_plugins.protocols import contract_net, request

from tests.plugins.protocols.replay import Case, differences, load, replay

CASES = load(Path(__file__).parent / "cases.json")
PROTOCOLS = {p.name: p for p in (request.PROTOCOL, contract_net.PROTOCOL)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case_is_replayed_as_expected(case: Case) -> None:
    """The engine admits what the case says, rejects what it says, and ends as it says."""
    assert differences(case, replay(case, PROTOCOLS)) == []


def test_a_wrong_expectation_is_told() -> None:
    """The runner reports a deliberately wrong case step by step."""
    case = CASES[0]
    wrong = msgspec.structs.replace(
        case,
        expect=msgspec.structs.replace(
            case.expect, accepted=[True, True, True, True], outcome="success"
        ),
    )
    assert differences(wrong, replay(wrong, PROTOCOLS)) == [
        "step 3 (participant agree): expected accepted, got rejected (bad-in-reply-to)",
        "outcome: expected success, got partial",
    ]


def test_case_ids_are_unique() -> None:
    """No two cases share an id."""
    assert len({case.id for case in CASES}) == len(CASES)
