"""Tests of SL0: what is written is read back, what is not SL0 is an error and nothing else."""

from __future__ import annotations

import pytest
from caxton_core.directory_descriptions import DfAgent, Property, Service
from caxton_core.directory_matching import Shape, matches
from caxton_core.directory_reading import Reading, read_df_agent
from caxton_core.directory_terms import (
    LONGEST,
    NESTING,
    Term,
    Text,
    Unreadable,
    atom,
    canonical,
    parse,
    show,
    value_of,
)
from caxton_core.directory_times import format_fipa_time, parse_fipa_time
from caxton_core.directory_writing import df_agent_term
from hypothesis import given
from hypothesis import strategies as st
from returns.result import Failure, Success

words = st.from_regex(r"[^\x00-\x20()\"#][^\x00-\x20()]{0,8}", fullmatch=True)
texts = st.builds(Text, st.text(max_size=12) | st.text('\\"a', max_size=6))
terms: st.SearchStrategy[Term] = st.recursive(
    words | texts, lambda inner: st.lists(inner, max_size=5).map(tuple), max_leaves=20
)


@given(terms)
def test_what_is_written_is_read_back(term: Term) -> None:
    """Whatever words, strings and lists a term is made of; in its canonical form too."""
    assert parse(show(term)) == Success(term)
    again = parse(canonical(term)).unwrap()
    assert canonical(again) == canonical(term)


@given(st.text('()"\\#:?1 a\n\x00é', max_size=60))
def test_any_text_is_a_term_or_unreadable(text: str) -> None:
    """There is no third way, and the place of the error is in the text."""
    read = parse(text)
    if isinstance(read, Failure):
        assert isinstance(read.failure(), Unreadable)
        assert 0 <= read.failure().position <= len(text)
    else:
        assert parse(show(read.unwrap())) == read


@given(st.text(max_size=20))
def test_a_value_is_a_word_if_it_can_be(value: str) -> None:
    """And reads back as the same value."""
    assert value_of(parse(show(atom(value))).unwrap()) == value


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ('#3"a)b', Text("a)b")),
        ('#2"é', Text("é")),
        ('"a\\"b"', Text('a"b')),
        ('"a\\b"', Text("a\\b")),
        (" ( a\t(b)\r\n) ", ("a", ("b",))),
        ('("a"(b))', (Text("a"), ("b",))),
        ("(" * NESTING + ")" * NESTING, None),
    ],
)
def test_forms_of_terms(text: str, term: Term | None) -> None:
    """Strings quoted and counted in bytes, white space, and 64 levels."""
    read = parse(text)
    assert isinstance(read, Success)
    assert term is None or read.unwrap() == term


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "(", ")", "(a", "a b", '"a', '"a\\"', '"a"b', '#1"é', '#9"a', '#x"a', "#a", "a\x01b", "(a))",
        "(" * (NESTING + 1) + ")" * (NESTING + 1), "a" * (LONGEST + 1), "(" * LONGEST, '"\\"' * (LONGEST // 3),
    ],
)  # fmt: skip
def test_what_is_no_term(text: str) -> None:
    """It is refused where it goes wrong."""
    assert isinstance(parse(text), Failure)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("20231114T221320123Z", 1_700_000_000_123),
        ("20231114T221320123", 1_700_000_000_123),
        ("+00000001T000000001", 1_000 + 86_400_001),
        ("+00010100T000000000", 1_000 + (365 + 30) * 86_400_000),
        ("-00000000T000000500", 500),
        ("+99990000T000000000", 253_402_300_799_999),
        ("20230230T000000000Z", None),
        ("20231114T221320Z", None),
        ("2023-11-14T22:13:20Z", None),
        ("20231114T221320123A", None),
        ("5000", None),
    ],
)
def test_times(text: str, time: int | None) -> None:
    """Absolute in UTC, or relative to now."""
    assert parse_fipa_time(text, now_ms=1_000) == time


names = st.text('ab(" \\7', min_size=1, max_size=4)
sets = st.lists(names, max_size=3, unique=True).map(tuple)
properties = st.builds(
    Property, names, st.just("") | names.map(lambda value: canonical(Text(value)))
)
services = st.builds(Service, names, names, names, sets, sets, sets, st.lists(properties, max_size=3, unique=True).map(tuple))  # fmt: skip
agents = st.builds(
    DfAgent, st.just("ann@caxton"), st.lists(services, max_size=3, unique=True).map(tuple), sets, sets, sets,
    st.none() | st.integers(2, 10**12),
)  # fmt: skip


@given(agents)
def test_a_description_is_read_back_and_matches_itself(agent: DfAgent) -> None:
    """Written as a term, with whatever values; as a template it matches what it was written from."""
    read = parse(show(df_agent_term(agent))).unwrap()
    assert read_df_agent(read, Reading("caxton", 1, strict=True)) == Success(agent)
    assert matches(Shape(agent, template=True), Shape(agent))


@given(agents, agents)
def test_a_template_with_less_matches_more(template: DfAgent, entry: DfAgent) -> None:
    """What matches still matches when a parameter of the template is left out, or the entry offers more."""
    wanted, offered = Shape(template, template=True), Shape(entry)
    both = DfAgent(
        entry.name, (*entry.services, *template.services), (*entry.protocols, *template.protocols),
        (*entry.ontologies, *template.ontologies), (*entry.languages, *template.languages), template.lease,
    )  # fmt: skip
    assert matches(wanted, Shape(both))
    if matches(wanted, offered):
        assert matches(Shape(DfAgent(services=template.services[:1]), template=True), offered)
    # Said the long way round: every parameter of the template is there.
    assert matches(wanted, offered) == (
        template.lease in (None, entry.lease)
        and all(set(a) <= set(b) for a, b in (
            (template.protocols, entry.protocols), (template.ontologies, entry.ontologies),
            (template.languages, entry.languages),
        ))
        and all(any(_serves(a, b) for b in entry.services) for a in template.services)
    )  # fmt: skip


def _serves(wanted: Service, offered: Service) -> bool:
    return (
        (wanted.name, wanted.type, wanted.ownership)
        == (offered.name, offered.type, offered.ownership)
        and set(wanted.protocols) <= set(offered.protocols)
        and set(wanted.ontologies) <= set(offered.ontologies)
        and set(wanted.languages) <= set(offered.languages)
        and all(
            any(p.name == q.name and p.value in ("", q.value) for q in offered.properties)
            for p in wanted.properties
        )
    )


def test_format_of_times() -> None:
    """UTC with milliseconds."""
    assert format_fipa_time(0) == "19700101T000000000Z"
