"""Choosing among proposals."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.selections import Selection, number_at, parse_path, parse_selection, select
from hypothesis import given
from hypothesis import strategies as st
from returns.result import Failure, Success


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("$", ()),
        ("$.cost", ("cost",)),
        ("$.offer.total cost", ("offer", "total cost")),
        ("$.bids[2].price", ("bids", 2, "price")),
        ("$[0]", (0,)),
    ],
)
def test_a_path_is_read(text: str, path: tuple[str | int, ...]) -> None:
    """Names and indexes become steps."""
    assert parse_path(text) == Success(path)


@pytest.mark.parametrize(
    "text", ["", "cost", ".cost", "$cost", "$.", "$..cost", "$.a[", "$.a[-1]", "$.a[01]", "$.a[x]", "$[*]"]
)  # fmt: skip
def test_a_wrong_path_is_refused(text: str) -> None:
    """What is no path is told, not guessed."""
    assert isinstance(parse_path(text), Failure)


@pytest.mark.parametrize(
    "document",
    [None, "min", {}, {"min": "$.a", "max": "$.b"}, {"least": "$.a"}, {"min": 1}, {"max": "a"}, []],
)
def test_a_wrong_selection_is_refused(document: object) -> None:
    """A selection is one goal with one path."""
    assert isinstance(parse_selection(document), Failure)


def test_a_selection_is_read() -> None:
    """Both goals are known."""
    assert parse_selection({"max": "$.score"}) == Success(Selection("max", ("score",)))


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ({"cost": 3}, 3),
        ({"cost": -2.5}, -2.5),
        ('{"cost": 4}', 4),
        (b'{"cost": 4}', 4),
        ({"cost": True}, None),
        ({"cost": "3"}, None),
        ({"cost": None}, None),
        ({"cost": {}}, None),
        ({"cost": float("nan")}, None),
        ({"cost": float("inf")}, None),
        ({}, None),
        ([1], None),
        (7, None),
        (None, None),
        ("no document", None),
        ("[" * 5000, None),
    ],
)
def test_only_a_finite_number_counts(content: Any, number: float | None) -> None:
    """Anything else at the path is as good as nothing."""
    assert number_at(content, ("cost",)) == number


def test_an_index_beyond_the_list_finds_nothing() -> None:
    """A path may lead nowhere."""
    assert number_at([1, 2], (2,)) is None
    assert number_at([1, 2], (1,)) == 2
    assert number_at({"0": 1}, (0,)) is None


def test_the_least_or_the_greatest_wins() -> None:
    """The goal decides."""
    offers = [("a", {"cost": 3}), ("b", {"cost": 1.5}), ("c", {"cost": 9})]
    assert select(Selection("min", ("cost",)), offers) == "b"
    assert select(Selection("max", ("cost",)), offers) == "c"


def test_of_equals_the_first_wins() -> None:
    """Ties go to the order of arrival."""
    offers = [("late", {}), ("a", {"cost": 2}), ("b", {"cost": 2.0}), ("c", {"cost": 2})]
    assert select(Selection("min", ("cost",)), offers) == "a"
    assert select(Selection("max", ("cost",)), offers) == "a"


def test_nobody_wins_without_a_number() -> None:
    """Proposals that lack the number never win, alone or together."""
    assert select(Selection("min", ("cost",)), [("a", {}), ("b", {"cost": "1"})]) is None
    assert select(Selection("min", ("cost",)), []) is None


@given(st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none()))
def test_the_winner_is_the_first_of_the_best(numbers: list[int | float | None]) -> None:
    """Whatever is offered, `min` and `max` of the numbers say who wins."""
    offers = [(str(place), {"n": number}) for place, number in enumerate(numbers)]
    known = [number for number in numbers if number is not None]
    least = str(numbers.index(min(known))) if known else None
    greatest = str(numbers.index(max(known))) if known else None
    assert select(Selection("min", ("n",)), offers) == least
    assert select(Selection("max", ("n",)), offers) == greatest
