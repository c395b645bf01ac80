"""Terms of FIPA SL0: the nested lists, words and strings that requests to the AMS and the DF are written in.

Rules:
- A term is a word (a plain `str`: numbers, times, keywords and variables too), a `Text` (a string), or a tuple of terms.
- Reading takes time in proportion to the length, by default at most `LONGEST` characters and `NESTING` levels.
- What `show` writes `parse` reads back equal; a string that can't be quoted is written with its length in bytes.
- The only escape in a string is a backslash before a quotation mark; every other character stands for itself.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import msgspec
from returns.result import Failure, Result, Success

LONGEST: Final = 8_192
NESTING: Final = 64


class Text(msgspec.Struct, frozen=True, gc=False):
    """A string, as opposed to a word."""

    value: str


Term: TypeAlias = "str | Text | tuple[Term, ...]"


class Unreadable(msgspec.Struct, frozen=True):
    """Text that is no SL0, and where that shows."""

    position: int
    detail: str

    def __str__(self) -> str:
        """Say where it goes wrong."""
        return f"No SL0: {self.detail} at character {self.position}."


# FIPA SC00008: words and strings; a delimiter must follow a string.
_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*+(?:([()])|([^\x00-\x20()"\#][^\x00-\x20()]*+)|"((?:[^"\\]++|\\"|\\(?!"))*+)"(?=[\x00-\x20()]|\Z)"""
    r"""|\#([0-9]{1,6})")"""
)
_BLANK: Final = re.compile(r"[ \t\r\n]*+")
# A word that is read back as itself, but for a keyword, a variable and what only looks like a number.
_BARE: Final = re.compile(
    r"""[^\x00-\x20()"\#:?@0-9-][^\x00-\x20()"]*|[+-]?(?:[0-9]+(?:\.[0-9]+)?|[0-9]{8}T[0-9]{9}[A-Za-z]?)"""
)


def parse(text: str, *, longest: int = LONGEST) -> Result[Term, Unreadable]:
    """Read one term of at most so many characters.

    >>> parse('(set :a "b c" (d))').unwrap()
    ('set', ':a', Text(value='b c'), ('d',))
    >>> print(parse("(set").failure())
    No SL0: a parenthesis is not closed at character 4.
    """
    if len(text) > longest:
        return Failure(Unreadable(longest, f"more than {longest} characters"))
    stack: list[list[Term]] = [[]]
    at, end = 0, len(text)
    match = _TOKEN.match
    while not stack[0]:
        found = match(text, at)
        if found is None:
            return Failure(_unreadable(text, at, len(stack) > 1))
        at = found.end()
        bracket, word, quoted, length = found.groups()
        if word is not None:
            stack[-1].append(word)
        elif bracket == "(":
            if len(stack) > NESTING:
                return Failure(Unreadable(at - 1, f"more than {NESTING} levels"))
            stack.append([])
        elif bracket is not None:
            if len(stack) == 1:
                return Failure(Unreadable(at - 1, "a parenthesis closes nothing"))
            closed = stack.pop()
            stack[-1].append(tuple(closed))
        elif quoted is not None:
            stack[-1].append(Text(quoted.replace('\\"', '"')))
        else:
            counted = _counted(text, at, int(length))
            if counted is None or (
                at + len(counted) < end and text[at + len(counted)] not in " \t\r\n()"
            ):
                return Failure(Unreadable(at, "a string is shorter or longer than it says"))
            at += len(counted)
            stack[-1].append(Text(counted))
    blank = _BLANK.match(text, at)
    if blank is not None and blank.end() < end:
        return Failure(Unreadable(blank.end(), "something follows the term"))
    return Success(stack[0][0])


def _unreadable(text: str, at: int, nested: bool) -> Unreadable:
    blank = _BLANK.match(text, at)
    at = at if blank is None else blank.end()
    if at < len(text):
        return Unreadable(at, "neither a word nor a string")
    return Unreadable(at, "a parenthesis is not closed" if nested else "nothing is there")


def _counted(text: str, at: int, size: int) -> str | None:
    """Return the characters from a place on whose bytes are so many; None when there are not."""
    part = text[at : at + size].encode("utf-8", "surrogatepass")
    if len(part) < size:
        return None
    try:
        return part[:size].decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def show(term: Term) -> str:
    """Write a term.

    >>> show(("set", ":a", Text('b "c"'), ("d",)))
    '(set :a "b \\\\"c\\\\"" (d))'
    """
    if type(term) is str:
        return term
    if type(term) is Text:
        value = term.value
        if value.endswith("\\") or '\\"' in value:
            return f'#{len(value.encode("utf-8", "surrogatepass"))}"{value}'
        return '"' + value.replace('"', '\\"') + '"'
    assert type(term) is tuple
    return "(" + " ".join([show(item) for item in term]) + ")"


def atom(value: str) -> Term:
    """Return a value as a word if it is one, else as a string.

    >>> atom("pricing"), atom("7up"), atom("12")
    ('pricing', Text(value='7up'), '12')
    """
    return value if _BARE.fullmatch(value) else Text(value)


def value_of(term: Term) -> str | None:
    """Return the value of a word or a string; None for a list, a keyword or a variable.

    >>> value_of("a"), value_of(Text(":a")), value_of(":a"), value_of(("a",))
    ('a', ':a', None, None)
    """
    if type(term) is Text:
        return term.value
    return term if type(term) is str and term[:1] not in (":", "?") else None


def canonical(term: Term) -> str:
    """Write a term so that terms of the same meaning are written alike: a string that could be a word is one.

    >>> canonical(("set", Text("a"))) == canonical(("set", "a"))
    True
    """
    if type(term) is Text:
        return show(atom(term.value))
    if type(term) is tuple:
        return "(" + " ".join([canonical(item) for item in term]) + ")"
    return show(term)


def keyword(term: Term) -> str | None:
    """Return the name of a parameter, in lower case; None for anything but a keyword.

    >>> keyword(":Name"), keyword("name")
    ('name', None)
    """
    return term[1:].lower() if type(term) is str and term[:1] == ":" else None
