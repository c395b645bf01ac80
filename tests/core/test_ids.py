"""Ids: parsing, names, and UUIDs that never go back."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest
from caxton_core.ids import (
    AgentId,
    AgentName,
    ConversationId,
    DeploymentId,
    MessageId,
    ModuleDigest,
    UuidSource,
    uuid_time,
)
from caxton_core.testing import SeededEntropy, seeded_uuids
from hypothesis import given
from hypothesis import strategies as st
from returns.result import Success

NOW = 1_700_000_000_000


@given(st.integers(min_value=1, max_value=(1 << 64) - 1))
def test_agent_id_round_trips(number: int) -> None:
    """Every 64-bit number but zero reads back from its decimal text."""
    assert AgentId.parse(str(number)) == Success(number)


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "+1", "1.0", "0x10", "٣", "²", str(1 << 64), "9" * 5000]
)
def test_what_is_no_agent_id(text: str) -> None:
    """Zero, signs, other digits and numbers over 64 bits are refused."""
    assert AgentId.parse(text).failure().kind == "agent id"


def test_new_agent_ids_are_never_zero() -> None:
    """A source that gives zeros is asked again."""
    answers = iter([bytes(8), bytes(7) + b"\x05"])
    assert AgentId.new(lambda size: next(answers)) == 5


@given(st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,62}", fullmatch=True))
def test_agent_names(text: str) -> None:
    """A name is what the contract's pattern matches, unless it is digits only or the platform's."""
    assert isinstance(AgentName.of(text), Success) is not (
        text.isdigit() or text in ("ams", "df", "api")
    )


@pytest.mark.parametrize(
    "text", ["", "-a", ".a", "_a", "a b", "a@b", "ä", "a" * 64, "42", "ams", "Df"]
)
def test_what_is_no_agent_name(text: str) -> None:
    """Everything else is refused, whatever its case."""
    assert AgentName.parse(text).failure().kind == "agent name"


@given(st.uuids())
def test_message_id_round_trips(value: uuid.UUID) -> None:
    """A UUID reads back from its text, in upper case too, as lower case."""
    assert MessageId.parse(str(value).upper()) == Success(str(value))
    assert DeploymentId.parse(str(value)) == Success(str(value))


@pytest.mark.parametrize("text", ["", "x", "0" * 32, "{" + "0" * 36 + "}"])
def test_what_is_no_message_id(text: str) -> None:
    """Only the usual form of a UUID is one."""
    assert MessageId.parse(text).failure().kind == "message id"


@pytest.mark.parametrize("text", ["", "a\nb", "a" * 257, "\x00"])
def test_what_is_no_conversation_id(text: str) -> None:
    """A conversation's id is printable and not too long."""
    assert ConversationId.parse(text).failure().kind == "conversation id"


@given(st.binary(max_size=64))
def test_module_digest_round_trips(data: bytes) -> None:
    """A computed digest reads back, with and without its prefix."""
    digest = ModuleDigest.of(data)
    assert ModuleDigest.parse(digest) == Success(digest)
    assert ModuleDigest.parse(digest.removeprefix("sha256:").upper()) == Success(digest)


@given(st.lists(st.integers(min_value=NOW, max_value=NOW + 5), min_size=1, max_size=300))
def test_uuids_never_go_back(times: list[int]) -> None:
    """Ids sort in the order in which they were made, also when the clock goes back."""
    source = seeded_uuids()
    made = [source.next(time) for time in times]
    assert made == sorted(set(made))


def test_uuids_are_of_version_7() -> None:
    """The standard library reads version, variant and time from an id."""
    made = seeded_uuids().next(NOW)
    value = uuid.UUID(made)
    assert (str(value), value.version, value.variant) == (made, 7, uuid.RFC_4122)
    assert value.int >> 80 == NOW
    assert uuid_time(made) == NOW


def test_a_standing_clock_keeps_the_time_of_the_ids() -> None:
    """A hundred thousand ids in one millisecond still carry that millisecond, in order, all different."""
    source = seeded_uuids()
    made = [source.next(NOW) for _ in range(100_000)]
    assert made == sorted(set(made))
    assert {uuid_time(each) for each in made} == {NOW}


def test_a_used_up_counter_takes_the_next_millisecond() -> None:
    """When the counter of a millisecond is used up, time runs ahead instead of repeating an id."""
    source = seeded_uuids()
    first = source.next(NOW)
    source._high, source._low = (1 << 18) - 1, 256
    second = source.next(NOW)
    assert (uuid_time(first), uuid_time(second)) == (NOW, NOW + 1)


def test_uuids_differ_between_sources() -> None:
    """Two nodes draw different ids in the same millisecond."""
    ids = {UuidSource(SeededEntropy(seed)).next(NOW) for seed in range(100)}
    assert len(ids) == 100


@pytest.mark.parametrize("text", ["", "x", "00000000-0000-4000-8000-000000000000"])
def test_other_texts_carry_no_time(text: str) -> None:
    """Only a UUID of version 7 leads to a time."""
    assert uuid_time(text) is None


class Named(msgspec.Struct):
    """Ids as fields."""

    id: AgentId
    name: AgentName | None
    by_message: dict[MessageId, ModuleDigest]


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack])
def test_ids_are_plain_values_to_every_codec(codec: Any) -> None:
    """A Struct with ids encodes and decodes without hooks."""
    named = Named(AgentId(1), AgentName("a"), {MessageId("m"): ModuleDigest.of(b"")})
    assert type(named.name) is str
    assert codec.decode(codec.encode(named), type=Named) == named
