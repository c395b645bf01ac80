"""ACL's string form (FIPA SC00070): what is read, what is refused and where, and that writing gives it back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from caxton_core.acl_documents import document_of
from caxton_core.acl_faults import Fault
from caxton_core.acl_messages import message_of, parse_document
from caxton_core.acl_printer import print_acl
from caxton_core.acl_strings import parse_acl
from caxton_core.acl_values import AclMessage
from caxton_core.errors import InvalidMessage
from caxton_core.messages import Performative
from hypothesis import given, settings
from hypothesis import strategies as st
from returns.result import Failure, Success

from tests.core.acl_fuzz import run
from tests.core.acl_texts import BAD, GOOD


def shown(text: Any) -> str:
    """Name a case by the beginning of its text."""
    return ascii(text[:60]) if isinstance(text, bytes) else ""


@pytest.mark.parametrize(("text", "fields"), GOOD, ids=shown)
def test_a_good_text_is_read(text: bytes, fields: dict[str, Any]) -> None:
    """It gives the message that is meant, and what is written of that reads back the same."""
    message = parse_acl(text).unwrap()
    if "_deep" not in fields:
        assert message == AclMessage(performative=Performative.INFORM, **fields)
    assert parse_acl(print_acl(message)) == Success(message)


@pytest.mark.parametrize(("text", "offset", "reason"), BAD, ids=shown)
def test_a_bad_text_is_refused(text: bytes, offset: int, reason: str) -> None:
    """The error names the reason and the byte."""
    error = parse_acl(text).failure()
    assert (error.offset, error.reason) == (offset, reason)
    assert f"(byte {offset})" in str(error)


def test_every_reason_is_given() -> None:
    """No reason stands only in the documentation."""
    assert {reason for *_, reason in BAD} | {"too-large"} == {fault.value for fault in Fault}


def test_a_place_is_line_and_column() -> None:
    """Lines and columns count from 1, columns in characters."""
    error = parse_acl('(inform\n :content "é" 5)'.encode()).failure()
    assert (error.line, error.column, error.offset) == (2, 15, 23)


def test_a_text_over_the_limit_is_not_read() -> None:
    """The caller says how long a text may be."""
    assert parse_acl(b"(inform)", limit=8) == Success(AclMessage(performative=Performative.INFORM))
    assert parse_acl(b"(inform) ", limit=8).failure().reason == "too-large"


@pytest.mark.parametrize("act", Performative)
def test_every_act_has_its_word(act: Performative) -> None:
    """The 22 acts are read in any case of letters, and written in lower case."""
    message = parse_acl(f"({act.upper()})".encode()).unwrap()
    assert print_acl(message) == f"({act})".encode()


def test_what_is_written_follows_fipa() -> None:
    """Bare words, numbers as they are, else quotes; an agent's slots in FIPA's order; a length where quotes fail."""
    document = {
        "performative": "request",
        "sender": {"name": "a b", "x_age": 5, "resolvers": ["r@x"], "addresses": ["http://h/acc"]},
        "receiver": ["b@x", "c@x"],
        "content": "ends in \\",
        "language": "two words",
        "ontology": "one",
        "reply_with": "17",
        "reply_by": "2030-01-02T03:04:05.006+01:00",
        "traceparent": "00-aa-bb-00",
    }
    assert print_acl(message_of(document).unwrap()) == (
        b'(request :sender (agent-identifier :name "a b" :addresses (sequence http://h/acc)'
        b" :resolvers (sequence (agent-identifier :name r@x)) :X-age 5)"
        b" :receiver (set (agent-identifier :name b@x) (agent-identifier :name c@x))"
        b' :content #9"ends in \\ :language "two words" :ontology one :reply-with 17'
        b' :reply-by 20300102T020405006Z :X-traceparent "00-aa-bb-00")'
    )


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,8}(@[a-z]{1,5})?", fullmatch=True)
TEXTS = st.text(max_size=12)
DOCUMENTS = st.fixed_dictionaries(
    {"performative": st.sampled_from([str(act.value) for act in Performative])},
    optional={
        "sender": NAMES, "receiver": NAMES | st.lists(NAMES, min_size=2, max_size=3), "content": JSON_VALUES,
        "language": TEXTS, "ontology": TEXTS, "conversation_id": TEXTS, "reply_with": TEXTS, "in_reply_to": TEXTS,
        "protocol": st.sampled_from(["fipa-request", "fipa-contract-net"]),
        "reply_by": st.sampled_from(["+5s", "+1.250s", "2030-12-31T23:59:59.001Z"]),
        "id": TEXTS, "timestamp": st.just("2030-12-31T23:59:59.000Z"), "traceparent": TEXTS,
        "x_note": JSON_VALUES, "x_redrive_of": TEXTS,
    },
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS)
def test_json_to_text_to_json_is_the_identity(document: dict[str, Any]) -> None:
    """Whatever JSON message is written in string form, reading it back gives the same."""
    made = message_of(document)
    if isinstance(made, Failure):
        # Half a surrogate pair, an integer beyond 64 bits: said, not lost.
        assert type(made.failure()) is InvalidMessage
        return
    again = document_of(parse_acl(print_acl(made.unwrap())).unwrap()).unwrap()
    assert again == document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"performative": "shout"}, "Invalid enum value"),
        ({"performative": "inform", "protocol": "two words"}, "is no word"),
        ({"performative": "inform", "reply_by": "soon"}, "is no time"),
        ({"performative": "inform", "sender": 5}, "an agent is a name"),
        ({"performative": "inform", "receiver": {"name": "a", "age": 5}}, "unknown field `age`"),
        ({"performative": "inform", "sender": {"name": "a", "addresses": ["a b"]}}, "is no word"),
        ({"performative": "inform", "x_a b": 1}, "is no word"),
        ({"performative": "inform", "sender": "a b\\"}, "ends in a backslash"),
        ({"performative": "inform", "x_caxton_id": "1"}, "another name"),
    ],
)
def test_a_message_without_a_string_form_is_named(document: dict[str, Any], said: str) -> None:
    """What the string form can't say is an error, not something else."""
    assert said in str(parse_document(msgspec.json.encode(document)).failure())


def test_no_text_breaks_a_promise() -> None:
    """Texts in and near the grammar, mutated ones and noise: their own error, or a round trip."""
    counts = run(20261128, count=4_000)
    assert counts["round-trip"] > 500
    assert counts.total() >= 4_000
