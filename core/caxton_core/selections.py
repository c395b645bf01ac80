"""Choose a winner among proposals: the least or the greatest number at a path of their content.

Rules:
- a path is `$`, then `.name` or `[index]` any number of times; a leading `$` is obligatory;
- only a JSON number counts (no boolean, no text, nothing that is not finite); a proposal without one never wins;
- of equals the first in order of arrival wins, so the same proposals always have the same winner;
- content that is text holding a JSON document is read as that document.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

import msgspec
from returns.result import Failure, Result, Success

from caxton_core.errors import InvalidValue

__all__ = [
    "Goal", "Selection", "number_at", "parse_path", "parse_selection", "select", "with_number",
]  # fmt: skip

Goal: TypeAlias = Literal["min", "max"]

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(0|[1-9][0-9]{0,8})\]")


class Selection(msgspec.Struct, frozen=True):
    """A rule of choice: the goal, and the path's steps (names and indexes)."""

    goal: Goal
    path: tuple[str | int, ...] = ()


def parse_path(text: str) -> Result[tuple[str | int, ...], InvalidValue]:
    """Read a path.

    >>> parse_path("$.cost.total[0]").unwrap()
    ('cost', 'total', 0)
    """
    steps: list[str | int] = []
    position = 1
    while text.startswith("$") and position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            break
        name, index = found.groups()
        steps.append(int(index) if name is None else name)
        position = found.end()
    if not text.startswith("$"):
        return Failure(InvalidValue("path", text, "it begins with $, as in $.cost"))
    if position < len(text):
        return Failure(
            InvalidValue("path", text, f"after {text[:position]} comes .name or [index]")
        )
    return Success(tuple(steps))


def parse_selection(document: object) -> Result[Selection, InvalidValue]:
    """Read `{min: path}` or `{max: path}`.

    >>> parse_selection({"min": "$.cost"}).unwrap()
    Selection(goal='min', path=('cost',))
    """
    if isinstance(document, dict) and len(document) == 1:
        goal, path = next(iter(document.items()))
        if goal in ("min", "max") and isinstance(path, str):
            return parse_path(path).map(lambda steps: Selection(goal, steps))
    return Failure(
        InvalidValue("selection", repr(document)[:200], 'it is {"min": path} or {"max": path}')
    )


def number_at(content: Any, path: tuple[str | int, ...]) -> int | float | None:
    """Find the number at a path, None when there is none.

    >>> number_at({"cost": 12.5}, ("cost",))
    12.5
    """
    value = content
    if isinstance(value, str | bytes):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
    for step in path:
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return None
        elif not isinstance(value, list | tuple) or step >= len(value):
            return None
        value = value[step]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def select(selection: Selection, proposals: Iterable[tuple[str, Any]]) -> str | None:
    """Name the proposer that wins, None when no proposal has the number.

    Args:
        selection: the rule.
        proposals: (proposer, content) in order of arrival.

    >>> select(Selection("min", ("cost",)), [("a", {"cost": 3}), ("b", {"cost": 2}), ("c", {"cost": 2})])
    'b'
    """
    winner: str | None = None
    best: int | float = 0
    for proposer, content in proposals:
        number = number_at(content, selection.path)
        if number is None:
            continue
        better = number < best if selection.goal == "min" else number > best
        if winner is None or better:
            winner, best = proposer, number
    return winner


def with_number(content: Any, path: tuple[str | int, ...], number: float) -> Any:
    """Return content with another number at a path that `number_at` finds in it; the content itself stays as it is.

    >>> with_number({"price": 3, "colour": "red"}, ("price",), 4)
    {'price': 4, 'colour': 'red'}
    """
    if not path:
        return number
    step = path[0]
    inner = with_number(content[step], path[1:], number)
    if isinstance(content, dict):
        return {**content, step: inner}
    return [inner if at == step else item for at, item in enumerate(content)]
