"""The record of the world and the wire form: every message survives the way there and back, and nothing is smuggled in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import caxton_sdk
import msgspec
import pytest
from caxton_core import messages as wires
from caxton_core.messages import FipaMessage, Performative, parse_draft
from caxton_plugins.sandboxes.components import worlds
from caxton_plugins.sandboxes.components.messages import Message, NoMessage, read, write
from caxton_plugins.sandboxes.components.readers import Reader
from caxton_plugins.sandboxes.components.values import lower_message
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.text(max_size=20)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)
NAMES = WORDS | st.lists(WORDS, min_size=2, max_size=4)
OPTIONAL = st.none() | WORDS
EXTRAS = st.none() | st.dictionaries(
    st.text(alphabet="abc_", min_size=1).map("x_".__add__), JSON, min_size=1, max_size=3
)
MESSAGES = st.builds(
    FipaMessage,
    performative=st.sampled_from(Performative),
    sender=WORDS,
    receiver=NAMES,
    content=JSON | st.just(msgspec.UNSET),
    conversation_id=WORDS,
    id=WORDS,
    timestamp=WORDS,
    reply_to=st.none() | NAMES,
    extras=EXTRAS,
    **dict.fromkeys(("traceparent", "language", "encoding", "ontology", "protocol", "reply_with", "in_reply_to", "reply_by"), OPTIONAL),
)  # fmt: skip


def raw(message: Message) -> str:
    """Return a record as text, to compare."""
    return msgspec.json.encode(message).decode()


@given(MESSAGES)
def test_a_guest_that_echoes_the_record_sends_the_same_message(message: FipaMessage) -> None:
    """What a guest gives back as it got it is the message, without what only the node may set."""
    draft = parse_draft(write(read(wires.encode(message, "json"))))
    assert isinstance(draft, wires.Draft)
    assert draft == wires.Draft(
        performative=message.performative,
        receiver=message.receiver,
        content=message.content,
        language=message.language,
        encoding=message.encoding,
        ontology=message.ontology,
        protocol=message.protocol,
        conversation_id=message.conversation_id or None,
        reply_to=message.reply_to,
        reply_with=message.reply_with,
        in_reply_to=message.in_reply_to,
        reply_by=message.reply_by,
        extras=message.extras,
    )


@given(MESSAGES)
def test_a_record_is_read_as_it_was_written(message: FipaMessage) -> None:
    """The C form of a record holds every field, whatever is in it."""
    record = read(wires.encode(message, "json"))
    lowered = lower_message(record)
    assert raw(Reader(1 << 20).message(lowered.address)) == raw(record)


def test_the_fields_have_the_order_of_the_world() -> None:
    """A record's fields are told by their places."""
    names = tuple(name.replace("_", "-") for name in Message.__struct_fields__)
    assert names == worlds.FIELDS


@pytest.mark.parametrize(
    "content",
    ["", "nul", "1 2", '1,"id":"x"', '{"a":1}}', "[1,]", '"\x01"', "[" * 65 + "]" * 65, "NaN"],
)
def test_a_content_that_is_no_single_json_value_is_refused(content: str) -> None:
    """What is written beside a content can't become fields of the message."""
    with pytest.raises(NoMessage, match="content is"):
        write(Message("inform", content=content))
    with pytest.raises(NoMessage, match="'x_a' is"):
        write(Message("inform", extras=[("x_a", content)]))


@pytest.mark.parametrize("name", ["", "x_", "content", "sender", "a", "_x", "x-a"])
def test_an_extra_field_has_a_name_of_its_own(name: str) -> None:
    """Only names that begin with x_ are extra fields."""
    with pytest.raises(NoMessage, match="extra field"):
        write(Message("inform", extras=[(name, "1")]))


def test_what_only_the_node_may_set_is_left_out() -> None:
    """A guest that gives a sender, an id, a time or a trace is not refused, and not believed."""
    forged = Message("inform", sender="ams@p", id="1", timestamp="t", traceparent="00-1")
    assert write(forged) == b'{"performative":"inform"}'


def test_absent_content_and_null_are_different() -> None:
    """A message without content has none, one whose content is null has `null`."""
    assert read(b'{"performative":"inform"}').content is None
    assert read(b'{"performative":"inform","content":null}').content == "null"
    assert write(Message("inform", content="null")) == b'{"performative":"inform","content":null}'


def test_the_table_says_what_the_wit_file_says() -> None:
    """Every type and function of the world is in the file that agents are built with."""
    source = (Path(caxton_sdk.__file__).parent / "wit" / "agent.wit").read_text()
    wit = " ".join(re.sub(r"//.*", "", source).split())
    acts = ", ".join(sorted(Performative))
    assert f"enum performative {{ {acts}, }}" in wit
    assert f"enum refusal {{ {', '.join(worlds.REFUSALS)}, }}" in wit
    assert f"enum level {{ {', '.join(worlds.LEVELS)} }}" in wit
    record = worlds.MESSAGE.replace(f"enum {{{acts}}}", "performative")
    assert f"{record.replace('{', 'message { ').replace('record ', 'record ')[:-1]}, }}" in wit
    short = {
        worlds.MESSAGE: "message",
        f"enum {{{', '.join(worlds.REFUSALS)}}}": "refusal",
        f"enum {{{', '.join(worlds.LEVELS)}}}": "level",
    }
    for prefix, functions in (("", worlds.IMPORTS), ("export ", worlds.EXPORTS)):
        for name, signature in functions.items():
            for long, word in short.items():
                signature = signature.replace(long, word)  # one after the other
            assert f"{prefix}{name}: {signature};" in wit
    assert wit.count("func(") == len(worlds.IMPORTS) + len(worlds.EXPORTS)
