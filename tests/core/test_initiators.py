"""What the server may be told to open, and what deciders are given."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from caxton_core.conversations import Protocol
from caxton_core.initiators import (
    ConversationSpec,
    Initiative,
    first_failure,
    opening_of,
    tidy,
)
from caxton_core.messages import Draft, Performative
from caxton_plugins.protocols.contract_net import PROTOCOL as NET
from caxton_plugins.protocols.request import PROTOCOL as REQUEST

BASE = {"protocol": "p", "participants": ["a"]}


def spec(**fields: Any) -> ConversationSpec:
    """Return a specification."""
    return msgspec.convert({**BASE, **fields}, ConversationSpec)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"auction": {"start": 1}}, "$.auction"),
        ({"auction": {"start": 1, "step": 0}}, "$.auction.step"),
        ({"auction": {"start": 1, "step": -1}}, "$.auction.step"),
        ({"auction": {"start": -1, "step": 1}}, "$.auction.start"),
        ({"auction": {"start": 1e300, "step": 1}}, "$.auction.start"),
        ({"auction": {"start": "1", "step": 1}}, "$.auction.start"),
        ({"auction": {"start": 1, "step": 1, "resrve": 1}}, "$.auction"),
        ({"accept": {"min": "$.price"}}, "$.accept"),
        ({"accept": {"min": "$.price", "limit": None}}, "$.accept.limit"),
        ({"winners": 0}, "$.winners"),
        ({"rounds": 1001}, "$.rounds"),
        ({"rounds": 1.5}, "$.rounds"),
        ({"participants": ["a"] * 10_001}, "$.participants"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused(fields: Any, where: str) -> None:
    """Types and bounds are checked while reading, and the error says where."""
    with pytest.raises(msgspec.ValidationError) as error:
        spec(**fields)
    assert where in str(error.value)


@pytest.mark.parametrize(
    ("protocol", "fields", "text"),
    [
        (REQUEST, {"participants": []}, "at least one participant is needed - at `$.participants`"),
        (REQUEST, {"select": {"min": "$.a"}}, "fipa-request takes no select - at `$.select`"),
        (REQUEST, {"winners": 2}, "fipa-request takes no winners - at `$.winners`"),
        (REQUEST, {"rounds": 2}, "fipa-request takes no rounds - at `$.rounds`"),
        (REQUEST, {"auction": {"start": 1, "step": 1}}, "fipa-request takes no auction - at `$.auction`"),
        (REQUEST, {"accept": {"limit": 1}}, "fipa-request takes no accept - at `$.accept`"),
        (REQUEST, {"options": {}}, "fipa-request takes no options - at `$.options`"),
        (REQUEST, {"performative": "cfp"}, "fipa-request is opened by request - at `$.performative`"),
        (NET, {"rounds": 2}, "fipa-contract-net takes no rounds - at `$.rounds`"),
        (NET, {"select": {"min": "cost"}}, "'cost' is no path: it begins with $, as in $.cost - at `$.select`"),
    ],
)  # fmt: skip
def test_a_field_that_the_protocol_has_no_use_for_is_refused(
    protocol: Protocol, fields: Any, text: str
) -> None:
    """Nobody is left to believe that it counted."""
    failure = first_failure(protocol, spec(**fields))
    assert failure is not None
    assert failure.detail == text


def test_a_protocol_without_an_initiative_is_opened_with_the_content() -> None:
    """The first opener, to every participant."""
    plain = Protocol("fipa-request", REQUEST.table)
    given = spec(participants=["a", "b"], content={"x": 1}, reply_by="+5s", ontology="o")
    assert first_failure(plain, given) is None
    assert opening_of(plain, given) == Draft(
        Performative.REQUEST, receiver=["a", "b"], content={"x": 1}, protocol="fipa-request", reply_by="+5s",
        ontology="o",
    )  # fmt: skip
    assert opening_of(plain, spec()).content is msgspec.UNSET


def test_a_protocol_of_another_plugin_has_its_own_options() -> None:
    """They are checked by the protocol alone."""
    own = Protocol("x", REQUEST.table, initiative=Initiative(takes=frozenset({"options"})))
    assert first_failure(own, spec(options={"speed": 3})) is None


@pytest.mark.parametrize(
    ("number", "tidied"), [(1, 1), (1.5, 1.5), (2.0, 2), (0.1 + 0.2, 0.3), (1e-9, 0), (1e15, 10**15)]
)  # fmt: skip
def test_prices_are_short(number: float, tidied: float) -> None:
    """Six decimals at most, and none where there is nothing behind the point."""
    assert tidy(number) == tidied
    assert isinstance(tidy(number), type(tidied))
